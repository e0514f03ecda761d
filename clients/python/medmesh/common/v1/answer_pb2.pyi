from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WeightsVerification(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHTS_VERIFICATION_UNSPECIFIED: _ClassVar[WeightsVerification]
    WEIGHTS_VERIFICATION_STATED: _ClassVar[WeightsVerification]
    WEIGHTS_VERIFICATION_CONFIGURED: _ClassVar[WeightsVerification]
    WEIGHTS_VERIFICATION_DIGESTED: _ClassVar[WeightsVerification]
WEIGHTS_VERIFICATION_UNSPECIFIED: WeightsVerification
WEIGHTS_VERIFICATION_STATED: WeightsVerification
WEIGHTS_VERIFICATION_CONFIGURED: WeightsVerification
WEIGHTS_VERIFICATION_DIGESTED: WeightsVerification

class Provenance(_message.Message):
    __slots__ = ("model_name", "model_version", "weights_sha256", "card_version", "model_sha256", "preprocessing_version", "runtime", "weights_verification", "intended_use", "decoding", "terminology_sha256")
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    CARD_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    INTENDED_USE_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    TERMINOLOGY_SHA256_FIELD_NUMBER: _ClassVar[int]
    model_name: str
    model_version: str
    weights_sha256: str
    card_version: str
    model_sha256: str
    preprocessing_version: str
    runtime: str
    weights_verification: WeightsVerification
    intended_use: str
    decoding: Decoding
    terminology_sha256: str
    def __init__(self, model_name: _Optional[str] = ..., model_version: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., card_version: _Optional[str] = ..., model_sha256: _Optional[str] = ..., preprocessing_version: _Optional[str] = ..., runtime: _Optional[str] = ..., weights_verification: _Optional[_Union[WeightsVerification, str]] = ..., intended_use: _Optional[str] = ..., decoding: _Optional[_Union[Decoding, _Mapping]] = ..., terminology_sha256: _Optional[str] = ...) -> None: ...

class Decoding(_message.Message):
    __slots__ = ("max_token_count", "temperature", "seed", "stop_texts")
    MAX_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_TEXTS_FIELD_NUMBER: _ClassVar[int]
    max_token_count: int
    temperature: float
    seed: int
    stop_texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_token_count: _Optional[int] = ..., temperature: _Optional[float] = ..., seed: _Optional[int] = ..., stop_texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("reason", "message", "review_required", "places", "place_count", "model_name")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    PLACE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    review_required: bool
    places: _containers.RepeatedScalarFieldContainer[str]
    place_count: int
    model_name: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., review_required: _Optional[bool] = ..., places: _Optional[_Iterable[str]] = ..., place_count: _Optional[int] = ..., model_name: _Optional[str] = ...) -> None: ...

class PredictionSet(_message.Message):
    __slots__ = ("labels", "coverage")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedScalarFieldContainer[str]
    coverage: float
    def __init__(self, labels: _Optional[_Iterable[str]] = ..., coverage: _Optional[float] = ...) -> None: ...
