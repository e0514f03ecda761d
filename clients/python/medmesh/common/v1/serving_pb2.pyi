from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LabelMeaning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_MEANING_UNSPECIFIED: _ClassVar[LabelMeaning]
    LABEL_MEANING_FINDING: _ClassVar[LabelMeaning]
    LABEL_MEANING_NORMAL: _ClassVar[LabelMeaning]
    LABEL_MEANING_QUALITY: _ClassVar[LabelMeaning]

class Activation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVATION_UNSPECIFIED: _ClassVar[Activation]
    ACTIVATION_NONE: _ClassVar[Activation]
    ACTIVATION_SOFTMAX: _ClassVar[Activation]
    ACTIVATION_SIGMOID: _ClassVar[Activation]

class ImageExtent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_EXTENT_UNSPECIFIED: _ClassVar[ImageExtent]
    IMAGE_EXTENT_IMAGE: _ClassVar[ImageExtent]
    IMAGE_EXTENT_VOLUME: _ClassVar[ImageExtent]

class TaggingScheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAGGING_SCHEME_UNSPECIFIED: _ClassVar[TaggingScheme]
    TAGGING_SCHEME_IOB2: _ClassVar[TaggingScheme]
    TAGGING_SCHEME_BIOES: _ClassVar[TaggingScheme]
    TAGGING_SCHEME_IO: _ClassVar[TaggingScheme]
LABEL_MEANING_UNSPECIFIED: LabelMeaning
LABEL_MEANING_FINDING: LabelMeaning
LABEL_MEANING_NORMAL: LabelMeaning
LABEL_MEANING_QUALITY: LabelMeaning
ACTIVATION_UNSPECIFIED: Activation
ACTIVATION_NONE: Activation
ACTIVATION_SOFTMAX: Activation
ACTIVATION_SIGMOID: Activation
IMAGE_EXTENT_UNSPECIFIED: ImageExtent
IMAGE_EXTENT_IMAGE: ImageExtent
IMAGE_EXTENT_VOLUME: ImageExtent
TAGGING_SCHEME_UNSPECIFIED: TaggingScheme
TAGGING_SCHEME_IOB2: TaggingScheme
TAGGING_SCHEME_BIOES: TaggingScheme
TAGGING_SCHEME_IO: TaggingScheme

class ModelServing(_message.Message):
    __slots__ = ("default_answer", "required", "preprocessing_version", "image_classification", "image_segmentation", "image_gate", "token_classification", "text_classification", "text_embedding", "text_generation", "record_ranking", "record_embedding", "time_series_risk", "text_detection", "evidence", "files")
    DEFAULT_ANSWER_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SEGMENTATION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_GATE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    TEXT_CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    TEXT_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    TEXT_GENERATION_FIELD_NUMBER: _ClassVar[int]
    RECORD_RANKING_FIELD_NUMBER: _ClassVar[int]
    RECORD_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    TIME_SERIES_RISK_FIELD_NUMBER: _ClassVar[int]
    TEXT_DETECTION_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    default_answer: bool
    required: bool
    preprocessing_version: str
    image_classification: ImageClassification
    image_segmentation: ImageSegmentation
    image_gate: ImageGate
    token_classification: TokenClassification
    text_classification: TextClassification
    text_embedding: TextEmbedding
    text_generation: TextGeneration
    record_ranking: RecordRanking
    record_embedding: RecordEmbedding
    time_series_risk: TimeSeriesRisk
    text_detection: TextDetection
    evidence: _containers.RepeatedCompositeFieldContainer[ConditionEvidence]
    files: _containers.RepeatedCompositeFieldContainer[FileDigest]
    def __init__(self, default_answer: _Optional[bool] = ..., required: _Optional[bool] = ..., preprocessing_version: _Optional[str] = ..., image_classification: _Optional[_Union[ImageClassification, _Mapping]] = ..., image_segmentation: _Optional[_Union[ImageSegmentation, _Mapping]] = ..., image_gate: _Optional[_Union[ImageGate, _Mapping]] = ..., token_classification: _Optional[_Union[TokenClassification, _Mapping]] = ..., text_classification: _Optional[_Union[TextClassification, _Mapping]] = ..., text_embedding: _Optional[_Union[TextEmbedding, _Mapping]] = ..., text_generation: _Optional[_Union[TextGeneration, _Mapping]] = ..., record_ranking: _Optional[_Union[RecordRanking, _Mapping]] = ..., record_embedding: _Optional[_Union[RecordEmbedding, _Mapping]] = ..., time_series_risk: _Optional[_Union[TimeSeriesRisk, _Mapping]] = ..., text_detection: _Optional[_Union[TextDetection, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[ConditionEvidence, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[FileDigest, _Mapping]]] = ...) -> None: ...

class FileDigest(_message.Message):
    __slots__ = ("path", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    sha256: str
    def __init__(self, path: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "meaning", "concepts", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    meaning: LabelMeaning
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    threshold: float
    def __init__(self, name: _Optional[str] = ..., meaning: _Optional[_Union[LabelMeaning, str]] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., threshold: _Optional[float] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("curves", "description")
    class Curve(_message.Message):
        __slots__ = ("label", "rise", "fall", "offset")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        RISE_FIELD_NUMBER: _ClassVar[int]
        FALL_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        label: str
        rise: float
        fall: float
        offset: float
        def __init__(self, label: _Optional[str] = ..., rise: _Optional[float] = ..., fall: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...
    CURVES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    curves: _containers.RepeatedCompositeFieldContainer[Calibration.Curve]
    description: str
    def __init__(self, curves: _Optional[_Iterable[_Union[Calibration.Curve, _Mapping]]] = ..., description: _Optional[str] = ...) -> None: ...

class Conformal(_message.Message):
    __slots__ = ("coverage", "thresholds")
    class Threshold(_message.Message):
        __slots__ = ("label", "group", "max_improbability")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        GROUP_FIELD_NUMBER: _ClassVar[int]
        MAX_IMPROBABILITY_FIELD_NUMBER: _ClassVar[int]
        label: str
        group: str
        max_improbability: float
        def __init__(self, label: _Optional[str] = ..., group: _Optional[str] = ..., max_improbability: _Optional[float] = ...) -> None: ...
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    coverage: float
    thresholds: _containers.RepeatedCompositeFieldContainer[Conformal.Threshold]
    def __init__(self, coverage: _Optional[float] = ..., thresholds: _Optional[_Iterable[_Union[Conformal.Threshold, _Mapping]]] = ...) -> None: ...

class ConditionEvidence(_message.Message):
    __slots__ = ("condition", "labels", "metric", "calibrated_share", "held_out_positive_count", "held_out_negative_count", "outside_population_factor", "within", "holds_for_series")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_SHARE_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_POSITIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_NEGATIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_POPULATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FOR_SERIES_FIELD_NUMBER: _ClassVar[int]
    condition: _concept_pb2.Concept
    labels: _containers.RepeatedScalarFieldContainer[str]
    metric: str
    calibrated_share: float
    held_out_positive_count: int
    held_out_negative_count: int
    outside_population_factor: float
    within: _concept_pb2.Concept
    holds_for_series: bool
    def __init__(self, condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ..., metric: _Optional[str] = ..., calibrated_share: _Optional[float] = ..., held_out_positive_count: _Optional[int] = ..., held_out_negative_count: _Optional[int] = ..., outside_population_factor: _Optional[float] = ..., within: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., holds_for_series: _Optional[bool] = ...) -> None: ...

class ImageApplicability(_message.Message):
    __slots__ = ("modalities", "body_parts", "views", "age", "gate_kinds")
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    BODY_PARTS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    GATE_KINDS_FIELD_NUMBER: _ClassVar[int]
    modalities: _containers.RepeatedScalarFieldContainer[str]
    body_parts: _containers.RepeatedScalarFieldContainer[str]
    views: _containers.RepeatedScalarFieldContainer[str]
    age: AgeRange
    gate_kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, modalities: _Optional[_Iterable[str]] = ..., body_parts: _Optional[_Iterable[str]] = ..., views: _Optional[_Iterable[str]] = ..., age: _Optional[_Union[AgeRange, _Mapping]] = ..., gate_kinds: _Optional[_Iterable[str]] = ...) -> None: ...

class AgeRange(_message.Message):
    __slots__ = ("min_years", "max_years")
    MIN_YEARS_FIELD_NUMBER: _ClassVar[int]
    MAX_YEARS_FIELD_NUMBER: _ClassVar[int]
    min_years: int
    max_years: int
    def __init__(self, min_years: _Optional[int] = ..., max_years: _Optional[int] = ...) -> None: ...

class SliceAggregation(_message.Message):
    __slots__ = ("method", "top_count", "max_key_slice_count")
    class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        METHOD_UNSPECIFIED: _ClassVar[SliceAggregation.Method]
        METHOD_MAXIMUM: _ClassVar[SliceAggregation.Method]
        METHOD_TOP_MEAN: _ClassVar[SliceAggregation.Method]
    METHOD_UNSPECIFIED: SliceAggregation.Method
    METHOD_MAXIMUM: SliceAggregation.Method
    METHOD_TOP_MEAN: SliceAggregation.Method
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TOP_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_KEY_SLICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    method: SliceAggregation.Method
    top_count: int
    max_key_slice_count: int
    def __init__(self, method: _Optional[_Union[SliceAggregation.Method, str]] = ..., top_count: _Optional[int] = ..., max_key_slice_count: _Optional[int] = ...) -> None: ...

class ImageStep(_message.Message):
    __slots__ = ("grey", "window", "hounsfield", "color", "invert", "resize", "center_crop", "spacing", "orientation", "clip", "rescale", "normalize", "standardize", "channels", "scale_intensity")
    class Grey(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Window(_message.Message):
        __slots__ = ("center_hu", "width_hu", "required")
        CENTER_HU_FIELD_NUMBER: _ClassVar[int]
        WIDTH_HU_FIELD_NUMBER: _ClassVar[int]
        REQUIRED_FIELD_NUMBER: _ClassVar[int]
        center_hu: float
        width_hu: float
        required: bool
        def __init__(self, center_hu: _Optional[float] = ..., width_hu: _Optional[float] = ..., required: _Optional[bool] = ...) -> None: ...
    class Hounsfield(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Invert(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Color(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Resize(_message.Message):
        __slots__ = ("height_px", "width_px", "mode", "interpolation", "fill", "depth")
        class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            MODE_UNSPECIFIED: _ClassVar[ImageStep.Resize.Mode]
            MODE_STRETCH: _ClassVar[ImageStep.Resize.Mode]
            MODE_LETTERBOX: _ClassVar[ImageStep.Resize.Mode]
            MODE_SHORTEST_EDGE: _ClassVar[ImageStep.Resize.Mode]
            MODE_CENTER_CROP: _ClassVar[ImageStep.Resize.Mode]
        MODE_UNSPECIFIED: ImageStep.Resize.Mode
        MODE_STRETCH: ImageStep.Resize.Mode
        MODE_LETTERBOX: ImageStep.Resize.Mode
        MODE_SHORTEST_EDGE: ImageStep.Resize.Mode
        MODE_CENTER_CROP: ImageStep.Resize.Mode
        class Interpolation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            INTERPOLATION_UNSPECIFIED: _ClassVar[ImageStep.Resize.Interpolation]
            INTERPOLATION_NEAREST: _ClassVar[ImageStep.Resize.Interpolation]
            INTERPOLATION_BILINEAR: _ClassVar[ImageStep.Resize.Interpolation]
            INTERPOLATION_BICUBIC: _ClassVar[ImageStep.Resize.Interpolation]
            INTERPOLATION_LANCZOS: _ClassVar[ImageStep.Resize.Interpolation]
            INTERPOLATION_AREA: _ClassVar[ImageStep.Resize.Interpolation]
        INTERPOLATION_UNSPECIFIED: ImageStep.Resize.Interpolation
        INTERPOLATION_NEAREST: ImageStep.Resize.Interpolation
        INTERPOLATION_BILINEAR: ImageStep.Resize.Interpolation
        INTERPOLATION_BICUBIC: ImageStep.Resize.Interpolation
        INTERPOLATION_LANCZOS: ImageStep.Resize.Interpolation
        INTERPOLATION_AREA: ImageStep.Resize.Interpolation
        HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
        WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        INTERPOLATION_FIELD_NUMBER: _ClassVar[int]
        FILL_FIELD_NUMBER: _ClassVar[int]
        DEPTH_FIELD_NUMBER: _ClassVar[int]
        height_px: int
        width_px: int
        mode: ImageStep.Resize.Mode
        interpolation: ImageStep.Resize.Interpolation
        fill: float
        depth: int
        def __init__(self, height_px: _Optional[int] = ..., width_px: _Optional[int] = ..., mode: _Optional[_Union[ImageStep.Resize.Mode, str]] = ..., interpolation: _Optional[_Union[ImageStep.Resize.Interpolation, str]] = ..., fill: _Optional[float] = ..., depth: _Optional[int] = ...) -> None: ...
    class CenterCrop(_message.Message):
        __slots__ = ("height_px", "width_px")
        HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
        WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
        height_px: int
        width_px: int
        def __init__(self, height_px: _Optional[int] = ..., width_px: _Optional[int] = ...) -> None: ...
    class Spacing(_message.Message):
        __slots__ = ("depth_mm", "height_mm", "width_mm")
        DEPTH_MM_FIELD_NUMBER: _ClassVar[int]
        HEIGHT_MM_FIELD_NUMBER: _ClassVar[int]
        WIDTH_MM_FIELD_NUMBER: _ClassVar[int]
        depth_mm: float
        height_mm: float
        width_mm: float
        def __init__(self, depth_mm: _Optional[float] = ..., height_mm: _Optional[float] = ..., width_mm: _Optional[float] = ...) -> None: ...
    class Orientation(_message.Message):
        __slots__ = ("axis_codes",)
        AXIS_CODES_FIELD_NUMBER: _ClassVar[int]
        axis_codes: str
        def __init__(self, axis_codes: _Optional[str] = ...) -> None: ...
    class Clip(_message.Message):
        __slots__ = ("min", "max")
        MIN_FIELD_NUMBER: _ClassVar[int]
        MAX_FIELD_NUMBER: _ClassVar[int]
        min: float
        max: float
        def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
    class Rescale(_message.Message):
        __slots__ = ("factor", "offset")
        FACTOR_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        factor: float
        offset: float
        def __init__(self, factor: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...
    class Normalize(_message.Message):
        __slots__ = ("mean", "std")
        MEAN_FIELD_NUMBER: _ClassVar[int]
        STD_FIELD_NUMBER: _ClassVar[int]
        mean: _containers.RepeatedScalarFieldContainer[float]
        std: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, mean: _Optional[_Iterable[float]] = ..., std: _Optional[_Iterable[float]] = ...) -> None: ...
    class Standardize(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class ScaleIntensity(_message.Message):
        __slots__ = ("min", "max")
        MIN_FIELD_NUMBER: _ClassVar[int]
        MAX_FIELD_NUMBER: _ClassVar[int]
        min: float
        max: float
        def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
    class Channels(_message.Message):
        __slots__ = ("count",)
        COUNT_FIELD_NUMBER: _ClassVar[int]
        count: int
        def __init__(self, count: _Optional[int] = ...) -> None: ...
    GREY_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    HOUNSFIELD_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    INVERT_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    CENTER_CROP_FIELD_NUMBER: _ClassVar[int]
    SPACING_FIELD_NUMBER: _ClassVar[int]
    ORIENTATION_FIELD_NUMBER: _ClassVar[int]
    CLIP_FIELD_NUMBER: _ClassVar[int]
    RESCALE_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_FIELD_NUMBER: _ClassVar[int]
    STANDARDIZE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SCALE_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    grey: ImageStep.Grey
    window: ImageStep.Window
    hounsfield: ImageStep.Hounsfield
    color: ImageStep.Color
    invert: ImageStep.Invert
    resize: ImageStep.Resize
    center_crop: ImageStep.CenterCrop
    spacing: ImageStep.Spacing
    orientation: ImageStep.Orientation
    clip: ImageStep.Clip
    rescale: ImageStep.Rescale
    normalize: ImageStep.Normalize
    standardize: ImageStep.Standardize
    channels: ImageStep.Channels
    scale_intensity: ImageStep.ScaleIntensity
    def __init__(self, grey: _Optional[_Union[ImageStep.Grey, _Mapping]] = ..., window: _Optional[_Union[ImageStep.Window, _Mapping]] = ..., hounsfield: _Optional[_Union[ImageStep.Hounsfield, _Mapping]] = ..., color: _Optional[_Union[ImageStep.Color, _Mapping]] = ..., invert: _Optional[_Union[ImageStep.Invert, _Mapping]] = ..., resize: _Optional[_Union[ImageStep.Resize, _Mapping]] = ..., center_crop: _Optional[_Union[ImageStep.CenterCrop, _Mapping]] = ..., spacing: _Optional[_Union[ImageStep.Spacing, _Mapping]] = ..., orientation: _Optional[_Union[ImageStep.Orientation, _Mapping]] = ..., clip: _Optional[_Union[ImageStep.Clip, _Mapping]] = ..., rescale: _Optional[_Union[ImageStep.Rescale, _Mapping]] = ..., normalize: _Optional[_Union[ImageStep.Normalize, _Mapping]] = ..., standardize: _Optional[_Union[ImageStep.Standardize, _Mapping]] = ..., channels: _Optional[_Union[ImageStep.Channels, _Mapping]] = ..., scale_intensity: _Optional[_Union[ImageStep.ScaleIntensity, _Mapping]] = ...) -> None: ...

class ImagePreprocessing(_message.Message):
    __slots__ = ("tensor", "steps", "layout")
    class Layout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LAYOUT_UNSPECIFIED: _ClassVar[ImagePreprocessing.Layout]
        LAYOUT_CHANNELS_FIRST: _ClassVar[ImagePreprocessing.Layout]
        LAYOUT_CHANNELS_LAST: _ClassVar[ImagePreprocessing.Layout]
    LAYOUT_UNSPECIFIED: ImagePreprocessing.Layout
    LAYOUT_CHANNELS_FIRST: ImagePreprocessing.Layout
    LAYOUT_CHANNELS_LAST: ImagePreprocessing.Layout
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    steps: _containers.RepeatedCompositeFieldContainer[ImageStep]
    layout: ImagePreprocessing.Layout
    def __init__(self, tensor: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[ImageStep, _Mapping]]] = ..., layout: _Optional[_Union[ImagePreprocessing.Layout, str]] = ...) -> None: ...

class ImageClassification(_message.Message):
    __slots__ = ("applies_to", "extent", "preprocessing", "scores_tensor", "activation", "activation_map_tensor", "labels", "exclusive", "calibration", "conformal", "slice_aggregation")
    APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_MAP_TENSOR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CONFORMAL_FIELD_NUMBER: _ClassVar[int]
    SLICE_AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    applies_to: ImageApplicability
    extent: ImageExtent
    preprocessing: ImagePreprocessing
    scores_tensor: str
    activation: Activation
    activation_map_tensor: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    exclusive: bool
    calibration: Calibration
    conformal: Conformal
    slice_aggregation: SliceAggregation
    def __init__(self, applies_to: _Optional[_Union[ImageApplicability, _Mapping]] = ..., extent: _Optional[_Union[ImageExtent, str]] = ..., preprocessing: _Optional[_Union[ImagePreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., activation_map_tensor: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., exclusive: _Optional[bool] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., conformal: _Optional[_Union[Conformal, _Mapping]] = ..., slice_aggregation: _Optional[_Union[SliceAggregation, _Mapping]] = ...) -> None: ...

class ImageSegmentation(_message.Message):
    __slots__ = ("applies_to", "extent", "preprocessing", "scores_tensor", "activation", "labels")
    APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    applies_to: ImageApplicability
    extent: ImageExtent
    preprocessing: ImagePreprocessing
    scores_tensor: str
    activation: Activation
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, applies_to: _Optional[_Union[ImageApplicability, _Mapping]] = ..., extent: _Optional[_Union[ImageExtent, str]] = ..., preprocessing: _Optional[_Union[ImagePreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class ImageGate(_message.Message):
    __slots__ = ("applies_to", "preprocessing", "scores_tensor", "columns", "named_flaw_min_probability", "max_colorfulness")
    class Column(_message.Message):
        __slots__ = ("name", "role", "body_parts", "min_probability", "min_sound_probability", "display")
        class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            ROLE_UNSPECIFIED: _ClassVar[ImageGate.Column.Role]
            ROLE_KIND: _ClassVar[ImageGate.Column.Role]
            ROLE_OTHER: _ClassVar[ImageGate.Column.Role]
            ROLE_UPSIDE_DOWN: _ClassVar[ImageGate.Column.Role]
            ROLE_INVERTED: _ClassVar[ImageGate.Column.Role]
            ROLE_SOUND: _ClassVar[ImageGate.Column.Role]
            ROLE_FLAW: _ClassVar[ImageGate.Column.Role]
        ROLE_UNSPECIFIED: ImageGate.Column.Role
        ROLE_KIND: ImageGate.Column.Role
        ROLE_OTHER: ImageGate.Column.Role
        ROLE_UPSIDE_DOWN: ImageGate.Column.Role
        ROLE_INVERTED: ImageGate.Column.Role
        ROLE_SOUND: ImageGate.Column.Role
        ROLE_FLAW: ImageGate.Column.Role
        NAME_FIELD_NUMBER: _ClassVar[int]
        ROLE_FIELD_NUMBER: _ClassVar[int]
        BODY_PARTS_FIELD_NUMBER: _ClassVar[int]
        MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        MIN_SOUND_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        DISPLAY_FIELD_NUMBER: _ClassVar[int]
        name: str
        role: ImageGate.Column.Role
        body_parts: _containers.RepeatedScalarFieldContainer[str]
        min_probability: float
        min_sound_probability: float
        display: str
        def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[ImageGate.Column.Role, str]] = ..., body_parts: _Optional[_Iterable[str]] = ..., min_probability: _Optional[float] = ..., min_sound_probability: _Optional[float] = ..., display: _Optional[str] = ...) -> None: ...
    APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    NAMED_FLAW_MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    MAX_COLORFULNESS_FIELD_NUMBER: _ClassVar[int]
    applies_to: ImageApplicability
    preprocessing: ImagePreprocessing
    scores_tensor: str
    columns: _containers.RepeatedCompositeFieldContainer[ImageGate.Column]
    named_flaw_min_probability: float
    max_colorfulness: float
    def __init__(self, applies_to: _Optional[_Union[ImageApplicability, _Mapping]] = ..., preprocessing: _Optional[_Union[ImagePreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[ImageGate.Column, _Mapping]]] = ..., named_flaw_min_probability: _Optional[float] = ..., max_colorfulness: _Optional[float] = ...) -> None: ...

class TextDetection(_message.Message):
    __slots__ = ("preprocessing", "scores_tensor", "min_probability")
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    preprocessing: ImagePreprocessing
    scores_tensor: str
    min_probability: float
    def __init__(self, preprocessing: _Optional[_Union[ImagePreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., min_probability: _Optional[float] = ...) -> None: ...

class TextPreprocessing(_message.Message):
    __slots__ = ("tokenizer_file", "max_token_count", "stride_token_count", "input_ids_tensor", "attention_mask_tensor", "token_type_ids_tensor", "passage_prefix", "query_prefix", "word_shape_version", "pad_token_id")
    TOKENIZER_FILE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    STRIDE_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_IDS_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_MASK_TENSOR_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_IDS_TENSOR_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    QUERY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    WORD_SHAPE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PAD_TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    tokenizer_file: str
    max_token_count: int
    stride_token_count: int
    input_ids_tensor: str
    attention_mask_tensor: str
    token_type_ids_tensor: str
    passage_prefix: str
    query_prefix: str
    word_shape_version: str
    pad_token_id: int
    def __init__(self, tokenizer_file: _Optional[str] = ..., max_token_count: _Optional[int] = ..., stride_token_count: _Optional[int] = ..., input_ids_tensor: _Optional[str] = ..., attention_mask_tensor: _Optional[str] = ..., token_type_ids_tensor: _Optional[str] = ..., passage_prefix: _Optional[str] = ..., query_prefix: _Optional[str] = ..., word_shape_version: _Optional[str] = ..., pad_token_id: _Optional[int] = ...) -> None: ...

class TokenClassification(_message.Message):
    __slots__ = ("languages", "preprocessing", "scores_tensor", "activation", "labels", "scheme", "entity_types", "calibration", "piece_aggregation", "min_probability")
    class PieceAggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PIECE_AGGREGATION_UNSPECIFIED: _ClassVar[TokenClassification.PieceAggregation]
        PIECE_AGGREGATION_MEAN: _ClassVar[TokenClassification.PieceAggregation]
        PIECE_AGGREGATION_FIRST: _ClassVar[TokenClassification.PieceAggregation]
    PIECE_AGGREGATION_UNSPECIFIED: TokenClassification.PieceAggregation
    PIECE_AGGREGATION_MEAN: TokenClassification.PieceAggregation
    PIECE_AGGREGATION_FIRST: TokenClassification.PieceAggregation
    class EntityType(_message.Message):
        __slots__ = ("label", "type")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        label: str
        type: str
        def __init__(self, label: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    ENTITY_TYPES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    PIECE_AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    languages: _containers.RepeatedScalarFieldContainer[str]
    preprocessing: TextPreprocessing
    scores_tensor: str
    activation: Activation
    labels: _containers.RepeatedScalarFieldContainer[str]
    scheme: TaggingScheme
    entity_types: _containers.RepeatedCompositeFieldContainer[TokenClassification.EntityType]
    calibration: Calibration
    piece_aggregation: TokenClassification.PieceAggregation
    min_probability: float
    def __init__(self, languages: _Optional[_Iterable[str]] = ..., preprocessing: _Optional[_Union[TextPreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., labels: _Optional[_Iterable[str]] = ..., scheme: _Optional[_Union[TaggingScheme, str]] = ..., entity_types: _Optional[_Iterable[_Union[TokenClassification.EntityType, _Mapping]]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., piece_aggregation: _Optional[_Union[TokenClassification.PieceAggregation, str]] = ..., min_probability: _Optional[float] = ...) -> None: ...

class TextClassification(_message.Message):
    __slots__ = ("languages", "preprocessing", "scores_tensor", "activation", "labels", "exclusive", "calibration", "conformal", "window_aggregation")
    class WindowAggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WINDOW_AGGREGATION_UNSPECIFIED: _ClassVar[TextClassification.WindowAggregation]
        WINDOW_AGGREGATION_MEAN: _ClassVar[TextClassification.WindowAggregation]
        WINDOW_AGGREGATION_MAXIMUM: _ClassVar[TextClassification.WindowAggregation]
    WINDOW_AGGREGATION_UNSPECIFIED: TextClassification.WindowAggregation
    WINDOW_AGGREGATION_MEAN: TextClassification.WindowAggregation
    WINDOW_AGGREGATION_MAXIMUM: TextClassification.WindowAggregation
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CONFORMAL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    languages: _containers.RepeatedScalarFieldContainer[str]
    preprocessing: TextPreprocessing
    scores_tensor: str
    activation: Activation
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    exclusive: bool
    calibration: Calibration
    conformal: Conformal
    window_aggregation: TextClassification.WindowAggregation
    def __init__(self, languages: _Optional[_Iterable[str]] = ..., preprocessing: _Optional[_Union[TextPreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., exclusive: _Optional[bool] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., conformal: _Optional[_Union[Conformal, _Mapping]] = ..., window_aggregation: _Optional[_Union[TextClassification.WindowAggregation, str]] = ...) -> None: ...

class TextEmbedding(_message.Message):
    __slots__ = ("languages", "preprocessing", "embedding_tensor", "pooling")
    class Pooling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        POOLING_UNSPECIFIED: _ClassVar[TextEmbedding.Pooling]
        POOLING_IN_GRAPH: _ClassVar[TextEmbedding.Pooling]
        POOLING_MEAN: _ClassVar[TextEmbedding.Pooling]
        POOLING_FIRST: _ClassVar[TextEmbedding.Pooling]
    POOLING_UNSPECIFIED: TextEmbedding.Pooling
    POOLING_IN_GRAPH: TextEmbedding.Pooling
    POOLING_MEAN: TextEmbedding.Pooling
    POOLING_FIRST: TextEmbedding.Pooling
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_TENSOR_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    languages: _containers.RepeatedScalarFieldContainer[str]
    preprocessing: TextPreprocessing
    embedding_tensor: str
    pooling: TextEmbedding.Pooling
    def __init__(self, languages: _Optional[_Iterable[str]] = ..., preprocessing: _Optional[_Union[TextPreprocessing, _Mapping]] = ..., embedding_tensor: _Optional[str] = ..., pooling: _Optional[_Union[TextEmbedding.Pooling, str]] = ...) -> None: ...

class TextGeneration(_message.Message):
    __slots__ = ("prompt_tensor", "text_tensor", "chat_template_file", "max_token_count", "stop_texts", "stream_tensor", "sampling_parameters_tensor", "return_finish_reason_tensor", "finish_reason_tensor", "tokenizer_file", "max_new_token_count", "temperature", "external")
    PROMPT_TENSOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_TENSOR_FIELD_NUMBER: _ClassVar[int]
    CHAT_TEMPLATE_FILE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    STOP_TEXTS_FIELD_NUMBER: _ClassVar[int]
    STREAM_TENSOR_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PARAMETERS_TENSOR_FIELD_NUMBER: _ClassVar[int]
    RETURN_FINISH_REASON_TENSOR_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_TENSOR_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FILE_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    prompt_tensor: str
    text_tensor: str
    chat_template_file: str
    max_token_count: int
    stop_texts: _containers.RepeatedScalarFieldContainer[str]
    stream_tensor: str
    sampling_parameters_tensor: str
    return_finish_reason_tensor: str
    finish_reason_tensor: str
    tokenizer_file: str
    max_new_token_count: int
    temperature: float
    external: bool
    def __init__(self, prompt_tensor: _Optional[str] = ..., text_tensor: _Optional[str] = ..., chat_template_file: _Optional[str] = ..., max_token_count: _Optional[int] = ..., stop_texts: _Optional[_Iterable[str]] = ..., stream_tensor: _Optional[str] = ..., sampling_parameters_tensor: _Optional[str] = ..., return_finish_reason_tensor: _Optional[str] = ..., finish_reason_tensor: _Optional[str] = ..., tokenizer_file: _Optional[str] = ..., max_new_token_count: _Optional[int] = ..., temperature: _Optional[float] = ..., external: _Optional[bool] = ...) -> None: ...

class RecordPreprocessing(_message.Message):
    __slots__ = ("tensor", "vocabulary_file", "missing_value")
    class MissingValue(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MISSING_VALUE_UNSPECIFIED: _ClassVar[RecordPreprocessing.MissingValue]
        MISSING_VALUE_ZERO_WITH_INDICATOR: _ClassVar[RecordPreprocessing.MissingValue]
        MISSING_VALUE_MEAN: _ClassVar[RecordPreprocessing.MissingValue]
    MISSING_VALUE_UNSPECIFIED: RecordPreprocessing.MissingValue
    MISSING_VALUE_ZERO_WITH_INDICATOR: RecordPreprocessing.MissingValue
    MISSING_VALUE_MEAN: RecordPreprocessing.MissingValue
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_FILE_FIELD_NUMBER: _ClassVar[int]
    MISSING_VALUE_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    vocabulary_file: str
    missing_value: RecordPreprocessing.MissingValue
    def __init__(self, tensor: _Optional[str] = ..., vocabulary_file: _Optional[str] = ..., missing_value: _Optional[_Union[RecordPreprocessing.MissingValue, str]] = ...) -> None: ...

class RecordRanking(_message.Message):
    __slots__ = ("preprocessing", "scores_tensor", "activation", "age")
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    preprocessing: RecordPreprocessing
    scores_tensor: str
    activation: Activation
    age: AgeRange
    def __init__(self, preprocessing: _Optional[_Union[RecordPreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., age: _Optional[_Union[AgeRange, _Mapping]] = ...) -> None: ...

class RecordEmbedding(_message.Message):
    __slots__ = ("preprocessing", "embedding_tensor", "reference_file")
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_TENSOR_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FILE_FIELD_NUMBER: _ClassVar[int]
    preprocessing: RecordPreprocessing
    embedding_tensor: str
    reference_file: str
    def __init__(self, preprocessing: _Optional[_Union[RecordPreprocessing, _Mapping]] = ..., embedding_tensor: _Optional[str] = ..., reference_file: _Optional[str] = ...) -> None: ...

class SeriesVariable(_message.Message):
    __slots__ = ("name", "display", "codes", "unit", "min", "max")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    name: str
    display: str
    codes: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    unit: str
    min: float
    max: float
    def __init__(self, name: _Optional[str] = ..., display: _Optional[str] = ..., codes: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., unit: _Optional[str] = ..., min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...

class SeriesPreprocessing(_message.Message):
    __slots__ = ("bin_minutes", "bin_count", "variables", "static_columns", "fill", "values_tensor", "observed_tensor", "gap_hours_tensor", "static_tensor")
    class Fill(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FILL_UNSPECIFIED: _ClassVar[SeriesPreprocessing.Fill]
        FILL_LAST_VALUE: _ClassVar[SeriesPreprocessing.Fill]
        FILL_NAN: _ClassVar[SeriesPreprocessing.Fill]
    FILL_UNSPECIFIED: SeriesPreprocessing.Fill
    FILL_LAST_VALUE: SeriesPreprocessing.Fill
    FILL_NAN: SeriesPreprocessing.Fill
    BIN_MINUTES_FIELD_NUMBER: _ClassVar[int]
    BIN_COUNT_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    STATIC_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    VALUES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_TENSOR_FIELD_NUMBER: _ClassVar[int]
    GAP_HOURS_TENSOR_FIELD_NUMBER: _ClassVar[int]
    STATIC_TENSOR_FIELD_NUMBER: _ClassVar[int]
    bin_minutes: int
    bin_count: int
    variables: _containers.RepeatedCompositeFieldContainer[SeriesVariable]
    static_columns: _containers.RepeatedScalarFieldContainer[str]
    fill: SeriesPreprocessing.Fill
    values_tensor: str
    observed_tensor: str
    gap_hours_tensor: str
    static_tensor: str
    def __init__(self, bin_minutes: _Optional[int] = ..., bin_count: _Optional[int] = ..., variables: _Optional[_Iterable[_Union[SeriesVariable, _Mapping]]] = ..., static_columns: _Optional[_Iterable[str]] = ..., fill: _Optional[_Union[SeriesPreprocessing.Fill, str]] = ..., values_tensor: _Optional[str] = ..., observed_tensor: _Optional[str] = ..., gap_hours_tensor: _Optional[str] = ..., static_tensor: _Optional[str] = ...) -> None: ...

class TimeSeriesRisk(_message.Message):
    __slots__ = ("preprocessing", "scores_tensor", "activation", "outcome", "opposite", "calibration", "conformal", "age", "period_bin_count", "decision_threshold")
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OPPOSITE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CONFORMAL_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_BIN_COUNT_FIELD_NUMBER: _ClassVar[int]
    DECISION_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    preprocessing: SeriesPreprocessing
    scores_tensor: str
    activation: Activation
    outcome: Label
    opposite: Label
    calibration: Calibration
    conformal: Conformal
    age: AgeRange
    period_bin_count: int
    decision_threshold: float
    def __init__(self, preprocessing: _Optional[_Union[SeriesPreprocessing, _Mapping]] = ..., scores_tensor: _Optional[str] = ..., activation: _Optional[_Union[Activation, str]] = ..., outcome: _Optional[_Union[Label, _Mapping]] = ..., opposite: _Optional[_Union[Label, _Mapping]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., conformal: _Optional[_Union[Conformal, _Mapping]] = ..., age: _Optional[_Union[AgeRange, _Mapping]] = ..., period_bin_count: _Optional[int] = ..., decision_threshold: _Optional[float] = ...) -> None: ...
