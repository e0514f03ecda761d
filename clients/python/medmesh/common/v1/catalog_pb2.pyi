from medmesh.common.v1 import model_card_pb2 as _model_card_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "unreachable_services", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_SERVICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelSummary]
    unreachable_services: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[ModelSummary, _Mapping]]] = ..., unreachable_services: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ModelSummary(_message.Message):
    __slots__ = ("name", "service", "task", "card_version", "model_version", "summary", "ready", "default_answer", "reason", "problems", "weights_sha256", "candidate")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CARD_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_ANSWER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    service: str
    task: str
    card_version: str
    model_version: str
    summary: str
    ready: bool
    default_answer: bool
    reason: str
    problems: _containers.RepeatedCompositeFieldContainer[CardProblem]
    weights_sha256: str
    candidate: CandidateVersion
    def __init__(self, name: _Optional[str] = ..., service: _Optional[str] = ..., task: _Optional[str] = ..., card_version: _Optional[str] = ..., model_version: _Optional[str] = ..., summary: _Optional[str] = ..., ready: _Optional[bool] = ..., default_answer: _Optional[bool] = ..., reason: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[CardProblem, _Mapping]]] = ..., weights_sha256: _Optional[str] = ..., candidate: _Optional[_Union[CandidateVersion, _Mapping]] = ...) -> None: ...

class CandidateVersion(_message.Message):
    __slots__ = ("model_version", "card_version", "weights_sha256", "shadow", "compared_count", "agreed_count", "missed_count", "max_abs_difference")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CARD_VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    COMPARED_COUNT_FIELD_NUMBER: _ClassVar[int]
    AGREED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_ABS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    card_version: str
    weights_sha256: str
    shadow: bool
    compared_count: int
    agreed_count: int
    missed_count: int
    max_abs_difference: float
    def __init__(self, model_version: _Optional[str] = ..., card_version: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., shadow: _Optional[bool] = ..., compared_count: _Optional[int] = ..., agreed_count: _Optional[int] = ..., missed_count: _Optional[int] = ..., max_abs_difference: _Optional[float] = ...) -> None: ...

class CardProblem(_message.Message):
    __slots__ = ("field", "problem", "remedy")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    field: str
    problem: str
    remedy: str
    def __init__(self, field: _Optional[str] = ..., problem: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

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

class ReloadModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadModelsResponse(_message.Message):
    __slots__ = ("models", "unreachable_services")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_SERVICES_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelReload]
    unreachable_services: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelReload, _Mapping]]] = ..., unreachable_services: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelReload(_message.Message):
    __slots__ = ("name", "service", "result", "card_version", "model_version", "problems")
    class Result(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RESULT_UNSPECIFIED: _ClassVar[ModelReload.Result]
        RESULT_UNCHANGED: _ClassVar[ModelReload.Result]
        RESULT_TAKEN_UP: _ClassVar[ModelReload.Result]
        RESULT_REFUSED: _ClassVar[ModelReload.Result]
        RESULT_REMOVED: _ClassVar[ModelReload.Result]
    RESULT_UNSPECIFIED: ModelReload.Result
    RESULT_UNCHANGED: ModelReload.Result
    RESULT_TAKEN_UP: ModelReload.Result
    RESULT_REFUSED: ModelReload.Result
    RESULT_REMOVED: ModelReload.Result
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CARD_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    service: str
    result: ModelReload.Result
    card_version: str
    model_version: str
    problems: _containers.RepeatedCompositeFieldContainer[CardProblem]
    def __init__(self, name: _Optional[str] = ..., service: _Optional[str] = ..., result: _Optional[_Union[ModelReload.Result, str]] = ..., card_version: _Optional[str] = ..., model_version: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[CardProblem, _Mapping]]] = ...) -> None: ...
