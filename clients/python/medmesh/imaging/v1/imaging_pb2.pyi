from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BodyPart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BODY_PART_UNSPECIFIED: _ClassVar[BodyPart]
    BODY_PART_CHEST: _ClassVar[BodyPart]
    BODY_PART_HEAD: _ClassVar[BodyPart]
BODY_PART_UNSPECIFIED: BodyPart
BODY_PART_CHEST: BodyPart
BODY_PART_HEAD: BodyPart

class ImageOptions(_message.Message):
    __slots__ = ("body_part", "include_heat_map", "include_overlay")
    BODY_PART_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OVERLAY_FIELD_NUMBER: _ClassVar[int]
    body_part: BodyPart
    include_heat_map: bool
    include_overlay: bool
    def __init__(self, body_part: _Optional[_Union[BodyPart, str]] = ..., include_heat_map: _Optional[bool] = ..., include_overlay: _Optional[bool] = ...) -> None: ...

class AnalyzeImageRequest(_message.Message):
    __slots__ = ("image", "options")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    options: ImageOptions
    def __init__(self, image: _Optional[bytes] = ..., options: _Optional[_Union[ImageOptions, _Mapping]] = ...) -> None: ...

class AnalyzeImageStreamRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: ImageOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[ImageOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class AnalyzeImageResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: ImageAnalysis
    def __init__(self, analysis: _Optional[_Union[ImageAnalysis, _Mapping]] = ...) -> None: ...

class AnalyzeImageStreamResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: ImageAnalysis
    def __init__(self, analysis: _Optional[_Union[ImageAnalysis, _Mapping]] = ...) -> None: ...

class ImageAnalysis(_message.Message):
    __slots__ = ("findings", "prediction_set", "abstained", "gate", "body_part", "properties", "overlay_png", "notices", "provenance")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    BODY_PART_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_PNG_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    prediction_set: _answer_pb2.PredictionSet
    abstained: bool
    gate: ImageGate
    body_part: BodyPart
    properties: ImageProperties
    overlay_png: bytes
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., prediction_set: _Optional[_Union[_answer_pb2.PredictionSet, _Mapping]] = ..., abstained: _Optional[bool] = ..., gate: _Optional[_Union[ImageGate, _Mapping]] = ..., body_part: _Optional[_Union[BodyPart, str]] = ..., properties: _Optional[_Union[ImageProperties, _Mapping]] = ..., overlay_png: _Optional[bytes] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("label", "concept", "probability", "heat_map")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    label: str
    concept: _concept_pb2.Concept
    probability: float
    heat_map: HeatMap
    def __init__(self, label: _Optional[str] = ..., concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., probability: _Optional[float] = ..., heat_map: _Optional[_Union[HeatMap, _Mapping]] = ...) -> None: ...

class HeatMap(_message.Message):
    __slots__ = ("row_count", "column_count", "values")
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    COLUMN_COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    column_count: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, row_count: _Optional[int] = ..., column_count: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class ImageGate(_message.Message):
    __slots__ = ("kind", "probability", "upside_down", "inverted", "photograph", "accepted", "rejections")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ImageGate.Kind]
        KIND_CHEST_XRAY: _ClassVar[ImageGate.Kind]
        KIND_HEAD_CT: _ClassVar[ImageGate.Kind]
        KIND_OTHER: _ClassVar[ImageGate.Kind]
    KIND_UNSPECIFIED: ImageGate.Kind
    KIND_CHEST_XRAY: ImageGate.Kind
    KIND_HEAD_CT: ImageGate.Kind
    KIND_OTHER: ImageGate.Kind
    class Rejection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REJECTION_UNSPECIFIED: _ClassVar[ImageGate.Rejection]
        REJECTION_NOT_EXPECTED_KIND: _ClassVar[ImageGate.Rejection]
        REJECTION_UPSIDE_DOWN: _ClassVar[ImageGate.Rejection]
        REJECTION_COLOUR: _ClassVar[ImageGate.Rejection]
        REJECTION_PHOTOGRAPH: _ClassVar[ImageGate.Rejection]
        REJECTION_SCREENSHOT: _ClassVar[ImageGate.Rejection]
        REJECTION_BLURRED: _ClassVar[ImageGate.Rejection]
        REJECTION_COVERED: _ClassVar[ImageGate.Rejection]
        REJECTION_CROPPED: _ClassVar[ImageGate.Rejection]
        REJECTION_DEGRADED: _ClassVar[ImageGate.Rejection]
        REJECTION_DRAWN: _ClassVar[ImageGate.Rejection]
    REJECTION_UNSPECIFIED: ImageGate.Rejection
    REJECTION_NOT_EXPECTED_KIND: ImageGate.Rejection
    REJECTION_UPSIDE_DOWN: ImageGate.Rejection
    REJECTION_COLOUR: ImageGate.Rejection
    REJECTION_PHOTOGRAPH: ImageGate.Rejection
    REJECTION_SCREENSHOT: ImageGate.Rejection
    REJECTION_BLURRED: ImageGate.Rejection
    REJECTION_COVERED: ImageGate.Rejection
    REJECTION_CROPPED: ImageGate.Rejection
    REJECTION_DEGRADED: ImageGate.Rejection
    REJECTION_DRAWN: ImageGate.Rejection
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    UPSIDE_DOWN_FIELD_NUMBER: _ClassVar[int]
    INVERTED_FIELD_NUMBER: _ClassVar[int]
    PHOTOGRAPH_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    kind: ImageGate.Kind
    probability: float
    upside_down: bool
    inverted: bool
    photograph: bool
    accepted: bool
    rejections: _containers.RepeatedScalarFieldContainer[ImageGate.Rejection]
    def __init__(self, kind: _Optional[_Union[ImageGate.Kind, str]] = ..., probability: _Optional[float] = ..., upside_down: _Optional[bool] = ..., inverted: _Optional[bool] = ..., photograph: _Optional[bool] = ..., accepted: _Optional[bool] = ..., rejections: _Optional[_Iterable[_Union[ImageGate.Rejection, str]]] = ...) -> None: ...

class ImageProperties(_message.Message):
    __slots__ = ("format", "height_px", "width_px", "photometric_interpretation", "sha256")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    PHOTOMETRIC_INTERPRETATION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    format: str
    height_px: int
    width_px: int
    photometric_interpretation: str
    sha256: str
    def __init__(self, format: _Optional[str] = ..., height_px: _Optional[int] = ..., width_px: _Optional[int] = ..., photometric_interpretation: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...
