from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import serving_pb2 as _serving_pb2
from medmesh.imaging.v1 import deidentification_pb2 as _deidentification_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GateDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATE_DECISION_UNSPECIFIED: _ClassVar[GateDecision]
    GATE_DECISION_NOT_ASKED: _ClassVar[GateDecision]
    GATE_DECISION_NOT_JUDGED: _ClassVar[GateDecision]
    GATE_DECISION_ACCEPTED: _ClassVar[GateDecision]
    GATE_DECISION_REJECTED: _ClassVar[GateDecision]

class Rejection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REJECTION_UNSPECIFIED: _ClassVar[Rejection]
    REJECTION_NOT_EXPECTED_KIND: _ClassVar[Rejection]
    REJECTION_UPSIDE_DOWN: _ClassVar[Rejection]
    REJECTION_COLOR: _ClassVar[Rejection]
    REJECTION_PHOTOGRAPH: _ClassVar[Rejection]
    REJECTION_SCREENSHOT: _ClassVar[Rejection]
    REJECTION_BLURRED: _ClassVar[Rejection]
    REJECTION_COVERED: _ClassVar[Rejection]
    REJECTION_CROPPED: _ClassVar[Rejection]
    REJECTION_DEGRADED: _ClassVar[Rejection]
    REJECTION_DRAWN: _ClassVar[Rejection]
GATE_DECISION_UNSPECIFIED: GateDecision
GATE_DECISION_NOT_ASKED: GateDecision
GATE_DECISION_NOT_JUDGED: GateDecision
GATE_DECISION_ACCEPTED: GateDecision
GATE_DECISION_REJECTED: GateDecision
REJECTION_UNSPECIFIED: Rejection
REJECTION_NOT_EXPECTED_KIND: Rejection
REJECTION_UPSIDE_DOWN: Rejection
REJECTION_COLOR: Rejection
REJECTION_PHOTOGRAPH: Rejection
REJECTION_SCREENSHOT: Rejection
REJECTION_BLURRED: Rejection
REJECTION_COVERED: Rejection
REJECTION_CROPPED: Rejection
REJECTION_DEGRADED: Rejection
REJECTION_DRAWN: Rejection

class ImageSource(_message.Message):
    __slots__ = ("content", "uri", "upload_id")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    uri: str
    upload_id: str
    def __init__(self, content: _Optional[bytes] = ..., uri: _Optional[str] = ..., upload_id: _Optional[str] = ...) -> None: ...

class ImageOptions(_message.Message):
    __slots__ = ("body_part", "models", "include_heat_map", "include_overlay", "digest_key")
    BODY_PART_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OVERLAY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_KEY_FIELD_NUMBER: _ClassVar[int]
    body_part: str
    models: _containers.RepeatedScalarFieldContainer[str]
    include_heat_map: bool
    include_overlay: bool
    digest_key: bytes
    def __init__(self, body_part: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., include_heat_map: _Optional[bool] = ..., include_overlay: _Optional[bool] = ..., digest_key: _Optional[bytes] = ...) -> None: ...

class AnalyzeImageRequest(_message.Message):
    __slots__ = ("sources", "options")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[ImageSource]
    options: ImageOptions
    def __init__(self, sources: _Optional[_Iterable[_Union[ImageSource, _Mapping]]] = ..., options: _Optional[_Union[ImageOptions, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("results", "gates", "body_part", "properties", "series", "digests", "notices")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    GATES_FIELD_NUMBER: _ClassVar[int]
    BODY_PART_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImageModelResult]
    gates: _containers.RepeatedCompositeFieldContainer[GateVerdict]
    body_part: str
    properties: ImageProperties
    series: SeriesProperties
    digests: ImageDigests
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, results: _Optional[_Iterable[_Union[ImageModelResult, _Mapping]]] = ..., gates: _Optional[_Iterable[_Union[GateVerdict, _Mapping]]] = ..., body_part: _Optional[str] = ..., properties: _Optional[_Union[ImageProperties, _Mapping]] = ..., series: _Optional[_Union[SeriesProperties, _Mapping]] = ..., digests: _Optional[_Union[ImageDigests, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class ImageModelResult(_message.Message):
    __slots__ = ("provenance", "findings", "exclusive", "calibrated", "prediction_set", "abstained", "gate_decision", "rejections", "explanation", "masks", "overlay_png", "key_slices", "notices")
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    GATE_DECISION_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_PNG_FIELD_NUMBER: _ClassVar[int]
    KEY_SLICES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    provenance: _answer_pb2.Provenance
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    exclusive: bool
    calibrated: bool
    prediction_set: _answer_pb2.PredictionSet
    abstained: bool
    gate_decision: GateDecision
    rejections: _containers.RepeatedScalarFieldContainer[Rejection]
    explanation: Explanation
    masks: _containers.RepeatedCompositeFieldContainer[SegmentationMask]
    overlay_png: bytes
    key_slices: _containers.RepeatedCompositeFieldContainer[KeySlice]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., exclusive: _Optional[bool] = ..., calibrated: _Optional[bool] = ..., prediction_set: _Optional[_Union[_answer_pb2.PredictionSet, _Mapping]] = ..., abstained: _Optional[bool] = ..., gate_decision: _Optional[_Union[GateDecision, str]] = ..., rejections: _Optional[_Iterable[_Union[Rejection, str]]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., masks: _Optional[_Iterable[_Union[SegmentationMask, _Mapping]]] = ..., overlay_png: _Optional[bytes] = ..., key_slices: _Optional[_Iterable[_Union[KeySlice, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("label", "meaning", "concepts", "probability", "threshold", "heat_map")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    label: str
    meaning: _serving_pb2.LabelMeaning
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    probability: float
    threshold: float
    heat_map: HeatMap
    def __init__(self, label: _Optional[str] = ..., meaning: _Optional[_Union[_serving_pb2.LabelMeaning, str]] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., probability: _Optional[float] = ..., threshold: _Optional[float] = ..., heat_map: _Optional[_Union[HeatMap, _Mapping]] = ...) -> None: ...

class HeatMap(_message.Message):
    __slots__ = ("row_count", "column_count", "values")
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    COLUMN_COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    column_count: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, row_count: _Optional[int] = ..., column_count: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("method", "extra_inference_count")
    class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        METHOD_UNSPECIFIED: _ClassVar[Explanation.Method]
        METHOD_ACTIVATION_MAP: _ClassVar[Explanation.Method]
        METHOD_OCCLUSION: _ClassVar[Explanation.Method]
    METHOD_UNSPECIFIED: Explanation.Method
    METHOD_ACTIVATION_MAP: Explanation.Method
    METHOD_OCCLUSION: Explanation.Method
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EXTRA_INFERENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    method: Explanation.Method
    extra_inference_count: int
    def __init__(self, method: _Optional[_Union[Explanation.Method, str]] = ..., extra_inference_count: _Optional[int] = ...) -> None: ...

class SegmentationMask(_message.Message):
    __slots__ = ("label", "meaning", "concepts", "mask_png", "slice_index", "pixel_count", "area_mm2", "volume_ml")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    MASK_PNG_FIELD_NUMBER: _ClassVar[int]
    SLICE_INDEX_FIELD_NUMBER: _ClassVar[int]
    PIXEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    AREA_MM2_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ML_FIELD_NUMBER: _ClassVar[int]
    label: str
    meaning: _serving_pb2.LabelMeaning
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    mask_png: bytes
    slice_index: int
    pixel_count: int
    area_mm2: float
    volume_ml: float
    def __init__(self, label: _Optional[str] = ..., meaning: _Optional[_Union[_serving_pb2.LabelMeaning, str]] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., mask_png: _Optional[bytes] = ..., slice_index: _Optional[int] = ..., pixel_count: _Optional[int] = ..., area_mm2: _Optional[float] = ..., volume_ml: _Optional[float] = ...) -> None: ...

class KeySlice(_message.Message):
    __slots__ = ("index", "instance_number", "sop_instance_uid", "findings")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SOP_INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    index: int
    instance_number: int
    sop_instance_uid: str
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, index: _Optional[int] = ..., instance_number: _Optional[int] = ..., sop_instance_uid: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class GateVerdict(_message.Message):
    __slots__ = ("provenance", "kind", "probability", "body_parts", "inverted", "flaws")
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    BODY_PARTS_FIELD_NUMBER: _ClassVar[int]
    INVERTED_FIELD_NUMBER: _ClassVar[int]
    FLAWS_FIELD_NUMBER: _ClassVar[int]
    provenance: _answer_pb2.Provenance
    kind: str
    probability: float
    body_parts: _containers.RepeatedScalarFieldContainer[str]
    inverted: bool
    flaws: _containers.RepeatedScalarFieldContainer[Rejection]
    def __init__(self, provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., kind: _Optional[str] = ..., probability: _Optional[float] = ..., body_parts: _Optional[_Iterable[str]] = ..., inverted: _Optional[bool] = ..., flaws: _Optional[_Iterable[_Union[Rejection, str]]] = ...) -> None: ...

class ImageProperties(_message.Message):
    __slots__ = ("format", "height_px", "width_px", "photometric_interpretation", "modality", "view", "row_spacing_mm", "column_spacing_mm")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    PHOTOMETRIC_INTERPRETATION_FIELD_NUMBER: _ClassVar[int]
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    ROW_SPACING_MM_FIELD_NUMBER: _ClassVar[int]
    COLUMN_SPACING_MM_FIELD_NUMBER: _ClassVar[int]
    format: str
    height_px: int
    width_px: int
    photometric_interpretation: str
    modality: str
    view: str
    row_spacing_mm: float
    column_spacing_mm: float
    def __init__(self, format: _Optional[str] = ..., height_px: _Optional[int] = ..., width_px: _Optional[int] = ..., photometric_interpretation: _Optional[str] = ..., modality: _Optional[str] = ..., view: _Optional[str] = ..., row_spacing_mm: _Optional[float] = ..., column_spacing_mm: _Optional[float] = ...) -> None: ...

class SeriesProperties(_message.Message):
    __slots__ = ("slice_count", "slice_spacing_mm")
    SLICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SLICE_SPACING_MM_FIELD_NUMBER: _ClassVar[int]
    slice_count: int
    slice_spacing_mm: float
    def __init__(self, slice_count: _Optional[int] = ..., slice_spacing_mm: _Optional[float] = ...) -> None: ...

class ImageDigests(_message.Message):
    __slots__ = ("file_hmac_sha256", "content_hmac_sha256")
    FILE_HMAC_SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HMAC_SHA256_FIELD_NUMBER: _ClassVar[int]
    file_hmac_sha256: str
    content_hmac_sha256: str
    def __init__(self, file_hmac_sha256: _Optional[str] = ..., content_hmac_sha256: _Optional[str] = ...) -> None: ...
