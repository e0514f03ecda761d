from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import serving_pb2 as _serving_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(_message.Message):
    __slots__ = ("name", "value", "ci_low", "ci_high", "case_count", "measured_on", "subgroup", "published")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CI_LOW_FIELD_NUMBER: _ClassVar[int]
    CI_HIGH_FIELD_NUMBER: _ClassVar[int]
    CASE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEASURED_ON_FIELD_NUMBER: _ClassVar[int]
    SUBGROUP_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    ci_low: float
    ci_high: float
    case_count: int
    measured_on: str
    subgroup: str
    published: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., ci_low: _Optional[float] = ..., ci_high: _Optional[float] = ..., case_count: _Optional[int] = ..., measured_on: _Optional[str] = ..., subgroup: _Optional[str] = ..., published: _Optional[str] = ...) -> None: ...

class TensorContract(_message.Message):
    __slots__ = ("name", "datatype", "shape", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    datatype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    description: str
    def __init__(self, name: _Optional[str] = ..., datatype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., description: _Optional[str] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "source", "licence", "population")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    licence: str
    population: str
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., licence: _Optional[str] = ..., population: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("version", "description")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    version: str
    description: str
    def __init__(self, version: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ModelCard(_message.Message):
    __slots__ = ("name", "version", "summary", "intended_use", "architecture", "serving", "datasets", "metrics", "calibration", "limitations", "inputs", "outputs", "weights_sha256", "precision", "model_version", "licence", "reproduce", "changelog")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    INTENDED_USE_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    LIMITATIONS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    REPRODUCE_FIELD_NUMBER: _ClassVar[int]
    CHANGELOG_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    summary: str
    intended_use: str
    architecture: str
    serving: _serving_pb2.ModelServing
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    calibration: str
    limitations: _containers.RepeatedScalarFieldContainer[str]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorContract]
    outputs: _containers.RepeatedCompositeFieldContainer[TensorContract]
    weights_sha256: str
    precision: str
    model_version: int
    licence: str
    reproduce: str
    changelog: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., summary: _Optional[str] = ..., intended_use: _Optional[str] = ..., architecture: _Optional[str] = ..., serving: _Optional[_Union[_serving_pb2.ModelServing, _Mapping]] = ..., datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., calibration: _Optional[str] = ..., limitations: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Iterable[_Union[TensorContract, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[TensorContract, _Mapping]]] = ..., weights_sha256: _Optional[str] = ..., precision: _Optional[str] = ..., model_version: _Optional[int] = ..., licence: _Optional[str] = ..., reproduce: _Optional[str] = ..., changelog: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class ModelAliases(_message.Message):
    __slots__ = ("stable", "candidate", "shadow_candidate")
    STABLE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    stable: int
    candidate: int
    shadow_candidate: bool
    def __init__(self, stable: _Optional[int] = ..., candidate: _Optional[int] = ..., shadow_candidate: _Optional[bool] = ...) -> None: ...
