from medmesh.common.v1 import model_card_pb2 as _model_card_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "unreachable_services")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_SERVICES_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelSummary]
    unreachable_services: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelSummary, _Mapping]]] = ..., unreachable_services: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelSummary(_message.Message):
    __slots__ = ("name", "service", "version", "summary", "ready", "reason", "weights_sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    service: str
    version: str
    summary: str
    ready: bool
    reason: str
    weights_sha256: str
    def __init__(self, name: _Optional[str] = ..., service: _Optional[str] = ..., version: _Optional[str] = ..., summary: _Optional[str] = ..., ready: _Optional[bool] = ..., reason: _Optional[str] = ..., weights_sha256: _Optional[str] = ...) -> None: ...

class GetModelCardRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetModelCardResponse(_message.Message):
    __slots__ = ("card",)
    CARD_FIELD_NUMBER: _ClassVar[int]
    card: _model_card_pb2.ModelCard
    def __init__(self, card: _Optional[_Union[_model_card_pb2.ModelCard, _Mapping]] = ...) -> None: ...
