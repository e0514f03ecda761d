import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import patient_pb2 as _patient_pb2
from medmesh.imaging.v1 import imaging_pb2 as _imaging_pb2
from medmesh.language.v1 import language_pb2 as _language_pb2
from medmesh.recommendation.v1 import recommendation_pb2 as _recommendation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Completeness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPLETENESS_UNSPECIFIED: _ClassVar[Completeness]
    COMPLETENESS_COMPLETE: _ClassVar[Completeness]
    COMPLETENESS_PARTIAL: _ClassVar[Completeness]

class Modality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_UNSPECIFIED: _ClassVar[Modality]
    MODALITY_PRIOR: _ClassVar[Modality]
    MODALITY_IMAGE: _ClassVar[Modality]
    MODALITY_NOTE: _ClassVar[Modality]
    MODALITY_RECORD: _ClassVar[Modality]
COMPLETENESS_UNSPECIFIED: Completeness
COMPLETENESS_COMPLETE: Completeness
COMPLETENESS_PARTIAL: Completeness
MODALITY_UNSPECIFIED: Modality
MODALITY_PRIOR: Modality
MODALITY_IMAGE: Modality
MODALITY_NOTE: Modality
MODALITY_RECORD: Modality

class ImageInput(_message.Message):
    __slots__ = ("image", "options")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    options: _imaging_pb2.ImageOptions
    def __init__(self, image: _Optional[bytes] = ..., options: _Optional[_Union[_imaging_pb2.ImageOptions, _Mapping]] = ...) -> None: ...

class DiagnosticCase(_message.Message):
    __slots__ = ("images", "note", "patient", "max_treatment_count")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_TREATMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImageInput]
    note: str
    patient: _patient_pb2.PatientInput
    max_treatment_count: int
    def __init__(self, images: _Optional[_Iterable[_Union[ImageInput, _Mapping]]] = ..., note: _Optional[str] = ..., patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., max_treatment_count: _Optional[int] = ...) -> None: ...

class DiagnoseRequest(_message.Message):
    __slots__ = ("case",)
    CASE_FIELD_NUMBER: _ClassVar[int]
    case: DiagnosticCase
    def __init__(self, case: _Optional[_Union[DiagnosticCase, _Mapping]] = ...) -> None: ...

class DiagnoseStreamRequest(_message.Message):
    __slots__ = ("case",)
    CASE_FIELD_NUMBER: _ClassVar[int]
    case: DiagnosticCase
    def __init__(self, case: _Optional[_Union[DiagnosticCase, _Mapping]] = ...) -> None: ...

class DiagnoseResponse(_message.Message):
    __slots__ = ("diagnosis",)
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    diagnosis: Diagnosis
    def __init__(self, diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class DiagnoseStreamResponse(_message.Message):
    __slots__ = ("branch", "diagnosis")
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    branch: Branch
    diagnosis: Diagnosis
    def __init__(self, branch: _Optional[_Union[Branch, _Mapping]] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ("completeness", "intended_use", "assessments", "disagreements", "review_required", "branches", "images", "note", "treatments", "receipt", "request_id", "elapsed_ms", "notices")
    COMPLETENESS_FIELD_NUMBER: _ClassVar[int]
    INTENDED_USE_FIELD_NUMBER: _ClassVar[int]
    ASSESSMENTS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    REVIEW_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    TREATMENTS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    completeness: Completeness
    intended_use: str
    assessments: _containers.RepeatedCompositeFieldContainer[ConditionAssessment]
    disagreements: _containers.RepeatedCompositeFieldContainer[Disagreement]
    review_required: bool
    branches: _containers.RepeatedCompositeFieldContainer[Branch]
    images: _containers.RepeatedCompositeFieldContainer[ImageResult]
    note: _language_pb2.AnalyzeNoteResponse
    treatments: _recommendation_pb2.RankTreatmentsResponse
    receipt: EvidenceReceipt
    request_id: str
    elapsed_ms: float
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, completeness: _Optional[_Union[Completeness, str]] = ..., intended_use: _Optional[str] = ..., assessments: _Optional[_Iterable[_Union[ConditionAssessment, _Mapping]]] = ..., disagreements: _Optional[_Iterable[_Union[Disagreement, _Mapping]]] = ..., review_required: _Optional[bool] = ..., branches: _Optional[_Iterable[_Union[Branch, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[ImageResult, _Mapping]]] = ..., note: _Optional[_Union[_language_pb2.AnalyzeNoteResponse, _Mapping]] = ..., treatments: _Optional[_Union[_recommendation_pb2.RankTreatmentsResponse, _Mapping]] = ..., receipt: _Optional[_Union[EvidenceReceipt, _Mapping]] = ..., request_id: _Optional[str] = ..., elapsed_ms: _Optional[float] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class ImageResult(_message.Message):
    __slots__ = ("index", "analysis")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    index: int
    analysis: _imaging_pb2.ImageAnalysis
    def __init__(self, index: _Optional[int] = ..., analysis: _Optional[_Union[_imaging_pb2.ImageAnalysis, _Mapping]] = ...) -> None: ...

class Branch(_message.Message):
    __slots__ = ("name", "state", "reason", "message", "effect", "elapsed_ms", "budget_ms")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Branch.State]
        STATE_NOT_REQUESTED: _ClassVar[Branch.State]
        STATE_ANSWERED: _ClassVar[Branch.State]
        STATE_FAILED: _ClassVar[Branch.State]
    STATE_UNSPECIFIED: Branch.State
    STATE_NOT_REQUESTED: Branch.State
    STATE_ANSWERED: Branch.State
    STATE_FAILED: Branch.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Branch.State
    reason: str
    message: str
    effect: str
    elapsed_ms: float
    budget_ms: float
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Branch.State, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., effect: _Optional[str] = ..., elapsed_ms: _Optional[float] = ..., budget_ms: _Optional[float] = ...) -> None: ...

class ConditionAssessment(_message.Message):
    __slots__ = ("condition", "probability", "probability_low", "probability_high", "contributions", "leave_one_out")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_LOW_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_HIGH_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    LEAVE_ONE_OUT_FIELD_NUMBER: _ClassVar[int]
    condition: _concept_pb2.Concept
    probability: float
    probability_low: float
    probability_high: float
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    leave_one_out: _containers.RepeatedCompositeFieldContainer[LeaveOneOut]
    def __init__(self, condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., probability: _Optional[float] = ..., probability_low: _Optional[float] = ..., probability_high: _Optional[float] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., leave_one_out: _Optional[_Iterable[_Union[LeaveOneOut, _Mapping]]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("modality", "evidence", "log_odds", "reliability", "share")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    modality: Modality
    evidence: str
    log_odds: float
    reliability: float
    share: float
    def __init__(self, modality: _Optional[_Union[Modality, str]] = ..., evidence: _Optional[str] = ..., log_odds: _Optional[float] = ..., reliability: _Optional[float] = ..., share: _Optional[float] = ...) -> None: ...

class LeaveOneOut(_message.Message):
    __slots__ = ("modality", "probability")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    modality: Modality
    probability: float
    def __init__(self, modality: _Optional[_Union[Modality, str]] = ..., probability: _Optional[float] = ...) -> None: ...

class Disagreement(_message.Message):
    __slots__ = ("kind", "condition", "message")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Disagreement.Kind]
        KIND_IMAGE_POSITIVE_NOTE_NEGATIVE: _ClassVar[Disagreement.Kind]
        KIND_NOTE_POSITIVE_IMAGE_NEGATIVE: _ClassVar[Disagreement.Kind]
        KIND_RECORD_POSITIVE_NOTE_NEGATIVE: _ClassVar[Disagreement.Kind]
        KIND_IMAGES_DIFFER: _ClassVar[Disagreement.Kind]
    KIND_UNSPECIFIED: Disagreement.Kind
    KIND_IMAGE_POSITIVE_NOTE_NEGATIVE: Disagreement.Kind
    KIND_NOTE_POSITIVE_IMAGE_NEGATIVE: Disagreement.Kind
    KIND_RECORD_POSITIVE_NOTE_NEGATIVE: Disagreement.Kind
    KIND_IMAGES_DIFFER: Disagreement.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: Disagreement.Kind
    condition: _concept_pb2.Concept
    message: str
    def __init__(self, kind: _Optional[_Union[Disagreement.Kind, str]] = ..., condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...

class EvidenceReceipt(_message.Message):
    __slots__ = ("receipt_id", "create_time", "inputs", "outputs", "models", "fusion_sha256", "salt", "previous_sha256", "record_sha256")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    FUSION_SHA256_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SHA256_FIELD_NUMBER: _ClassVar[int]
    RECORD_SHA256_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    create_time: _timestamp_pb2.Timestamp
    inputs: _containers.RepeatedCompositeFieldContainer[Digest]
    outputs: _containers.RepeatedCompositeFieldContainer[Digest]
    models: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Provenance]
    fusion_sha256: str
    salt: str
    previous_sha256: str
    record_sha256: str
    def __init__(self, receipt_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[_answer_pb2.Provenance, _Mapping]]] = ..., fusion_sha256: _Optional[str] = ..., salt: _Optional[str] = ..., previous_sha256: _Optional[str] = ..., record_sha256: _Optional[str] = ...) -> None: ...

class Digest(_message.Message):
    __slots__ = ("name", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...
