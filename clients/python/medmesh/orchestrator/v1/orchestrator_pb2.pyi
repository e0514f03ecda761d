import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import patient_pb2 as _patient_pb2
from medmesh.imaging.v1 import imaging_pb2 as _imaging_pb2
from medmesh.language.v1 import language_pb2 as _language_pb2
from medmesh.language.v1 import report_pb2 as _report_pb2
from medmesh.orchestrator.v1 import receipt_pb2 as _receipt_pb2
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

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_PRIOR: _ClassVar[Source]
    SOURCE_IMAGE: _ClassVar[Source]
    SOURCE_NOTE: _ClassVar[Source]
    SOURCE_RECORD: _ClassVar[Source]
COMPLETENESS_UNSPECIFIED: Completeness
COMPLETENESS_COMPLETE: Completeness
COMPLETENESS_PARTIAL: Completeness
SOURCE_UNSPECIFIED: Source
SOURCE_PRIOR: Source
SOURCE_IMAGE: Source
SOURCE_NOTE: Source
SOURCE_RECORD: Source

class CaseImage(_message.Message):
    __slots__ = ("sources", "options")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[_imaging_pb2.ImageSource]
    options: _imaging_pb2.ImageOptions
    def __init__(self, sources: _Optional[_Iterable[_Union[_imaging_pb2.ImageSource, _Mapping]]] = ..., options: _Optional[_Union[_imaging_pb2.ImageOptions, _Mapping]] = ...) -> None: ...

class DiagnosticCase(_message.Message):
    __slots__ = ("images", "note", "patient", "max_treatment_count", "draft_report", "required_branches")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_TREATMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_REPORT_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_BRANCHES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[CaseImage]
    note: str
    patient: _patient_pb2.PatientInput
    max_treatment_count: int
    draft_report: _report_pb2.ReportOptions
    required_branches: _containers.RepeatedScalarFieldContainer[Branch.Kind]
    def __init__(self, images: _Optional[_Iterable[_Union[CaseImage, _Mapping]]] = ..., note: _Optional[str] = ..., patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., max_treatment_count: _Optional[int] = ..., draft_report: _Optional[_Union[_report_pb2.ReportOptions, _Mapping]] = ..., required_branches: _Optional[_Iterable[_Union[Branch.Kind, str]]] = ...) -> None: ...

class DiagnoseRequest(_message.Message):
    __slots__ = ("case", "request_id", "receipt_salt")
    CASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_SALT_FIELD_NUMBER: _ClassVar[int]
    case: DiagnosticCase
    request_id: str
    receipt_salt: str
    def __init__(self, case: _Optional[_Union[DiagnosticCase, _Mapping]] = ..., request_id: _Optional[str] = ..., receipt_salt: _Optional[str] = ...) -> None: ...

class DiagnoseStreamRequest(_message.Message):
    __slots__ = ("case", "request_id", "receipt_salt")
    CASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_SALT_FIELD_NUMBER: _ClassVar[int]
    case: DiagnosticCase
    request_id: str
    receipt_salt: str
    def __init__(self, case: _Optional[_Union[DiagnosticCase, _Mapping]] = ..., request_id: _Optional[str] = ..., receipt_salt: _Optional[str] = ...) -> None: ...

class DiagnoseResponse(_message.Message):
    __slots__ = ("diagnosis",)
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    diagnosis: Diagnosis
    def __init__(self, diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class DiagnoseStreamResponse(_message.Message):
    __slots__ = ("branch", "diagnosis", "draft_sentence")
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    DRAFT_SENTENCE_FIELD_NUMBER: _ClassVar[int]
    branch: Branch
    diagnosis: Diagnosis
    draft_sentence: _report_pb2.DraftSentence
    def __init__(self, branch: _Optional[_Union[Branch, _Mapping]] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ..., draft_sentence: _Optional[_Union[_report_pb2.DraftSentence, _Mapping]] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ("completeness", "intended_use", "assessments", "disagreements", "review_required", "branches", "images", "note", "treatments", "receipt", "correlation_id", "elapsed", "notices", "report")
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
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    completeness: Completeness
    intended_use: str
    assessments: _containers.RepeatedCompositeFieldContainer[ConditionAssessment]
    disagreements: _containers.RepeatedCompositeFieldContainer[Disagreement]
    review_required: bool
    branches: _containers.RepeatedCompositeFieldContainer[Branch]
    images: _containers.RepeatedCompositeFieldContainer[AnalyzedImage]
    note: _language_pb2.NoteAnalysis
    treatments: _recommendation_pb2.TreatmentRanking
    receipt: _receipt_pb2.EvidenceReceipt
    correlation_id: str
    elapsed: _duration_pb2.Duration
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    report: ReportDraft
    def __init__(self, completeness: _Optional[_Union[Completeness, str]] = ..., intended_use: _Optional[str] = ..., assessments: _Optional[_Iterable[_Union[ConditionAssessment, _Mapping]]] = ..., disagreements: _Optional[_Iterable[_Union[Disagreement, _Mapping]]] = ..., review_required: _Optional[bool] = ..., branches: _Optional[_Iterable[_Union[Branch, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[AnalyzedImage, _Mapping]]] = ..., note: _Optional[_Union[_language_pb2.NoteAnalysis, _Mapping]] = ..., treatments: _Optional[_Union[_recommendation_pb2.TreatmentRanking, _Mapping]] = ..., receipt: _Optional[_Union[_receipt_pb2.EvidenceReceipt, _Mapping]] = ..., correlation_id: _Optional[str] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., report: _Optional[_Union[ReportDraft, _Mapping]] = ...) -> None: ...

class ReportDraft(_message.Message):
    __slots__ = ("draft", "evidence")
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    draft: _report_pb2.Draft
    evidence: _report_pb2.ReportEvidence
    def __init__(self, draft: _Optional[_Union[_report_pb2.Draft, _Mapping]] = ..., evidence: _Optional[_Union[_report_pb2.ReportEvidence, _Mapping]] = ...) -> None: ...

class AnalyzedImage(_message.Message):
    __slots__ = ("index", "analysis")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    index: int
    analysis: _imaging_pb2.ImageAnalysis
    def __init__(self, index: _Optional[int] = ..., analysis: _Optional[_Union[_imaging_pb2.ImageAnalysis, _Mapping]] = ...) -> None: ...

class Branch(_message.Message):
    __slots__ = ("kind", "index", "state", "reason", "message", "effect", "elapsed", "budget")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Branch.Kind]
        KIND_IMAGE: _ClassVar[Branch.Kind]
        KIND_NOTE: _ClassVar[Branch.Kind]
        KIND_RECORD: _ClassVar[Branch.Kind]
        KIND_TREATMENTS: _ClassVar[Branch.Kind]
        KIND_REPORT: _ClassVar[Branch.Kind]
    KIND_UNSPECIFIED: Branch.Kind
    KIND_IMAGE: Branch.Kind
    KIND_NOTE: Branch.Kind
    KIND_RECORD: Branch.Kind
    KIND_TREATMENTS: Branch.Kind
    KIND_REPORT: Branch.Kind
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
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    kind: Branch.Kind
    index: int
    state: Branch.State
    reason: str
    message: str
    effect: str
    elapsed: _duration_pb2.Duration
    budget: _duration_pb2.Duration
    def __init__(self, kind: _Optional[_Union[Branch.Kind, str]] = ..., index: _Optional[int] = ..., state: _Optional[_Union[Branch.State, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., effect: _Optional[str] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., budget: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConditionAssessment(_message.Message):
    __slots__ = ("condition", "probability", "probability_low", "probability_high", "contributions", "leave_one_out", "uncounted", "broader_condition")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_LOW_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_HIGH_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    LEAVE_ONE_OUT_FIELD_NUMBER: _ClassVar[int]
    UNCOUNTED_FIELD_NUMBER: _ClassVar[int]
    BROADER_CONDITION_FIELD_NUMBER: _ClassVar[int]
    condition: _concept_pb2.Concept
    probability: float
    probability_low: float
    probability_high: float
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    leave_one_out: _containers.RepeatedCompositeFieldContainer[LeaveOneOut]
    uncounted: _containers.RepeatedCompositeFieldContainer[Contribution]
    broader_condition: _concept_pb2.Concept
    def __init__(self, condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., probability: _Optional[float] = ..., probability_low: _Optional[float] = ..., probability_high: _Optional[float] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., leave_one_out: _Optional[_Iterable[_Union[LeaveOneOut, _Mapping]]] = ..., uncounted: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., broader_condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("source", "description", "evidence", "log_odds", "reliability", "share")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    description: str
    evidence: EvidenceReference
    log_odds: float
    reliability: float
    share: float
    def __init__(self, source: _Optional[_Union[Source, str]] = ..., description: _Optional[str] = ..., evidence: _Optional[_Union[EvidenceReference, _Mapping]] = ..., log_odds: _Optional[float] = ..., reliability: _Optional[float] = ..., share: _Optional[float] = ...) -> None: ...

class LeaveOneOut(_message.Message):
    __slots__ = ("source", "probability")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    source: Source
    probability: float
    def __init__(self, source: _Optional[_Union[Source, str]] = ..., probability: _Optional[float] = ...) -> None: ...

class EvidenceReference(_message.Message):
    __slots__ = ("image_finding", "note_entity", "note_finding", "record_entry")
    class ImageFinding(_message.Message):
        __slots__ = ("image_index", "model_name", "labels")
        IMAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
        MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
        LABELS_FIELD_NUMBER: _ClassVar[int]
        image_index: int
        model_name: str
        labels: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, image_index: _Optional[int] = ..., model_name: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...
    class NoteEntity(_message.Message):
        __slots__ = ("model_name", "entity_index")
        MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
        ENTITY_INDEX_FIELD_NUMBER: _ClassVar[int]
        model_name: str
        entity_index: int
        def __init__(self, model_name: _Optional[str] = ..., entity_index: _Optional[int] = ...) -> None: ...
    class NoteFinding(_message.Message):
        __slots__ = ("model_name", "labels")
        MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
        LABELS_FIELD_NUMBER: _ClassVar[int]
        model_name: str
        labels: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, model_name: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...
    IMAGE_FINDING_FIELD_NUMBER: _ClassVar[int]
    NOTE_ENTITY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FINDING_FIELD_NUMBER: _ClassVar[int]
    RECORD_ENTRY_FIELD_NUMBER: _ClassVar[int]
    image_finding: EvidenceReference.ImageFinding
    note_entity: EvidenceReference.NoteEntity
    note_finding: EvidenceReference.NoteFinding
    record_entry: _patient_pb2.RecordReference
    def __init__(self, image_finding: _Optional[_Union[EvidenceReference.ImageFinding, _Mapping]] = ..., note_entity: _Optional[_Union[EvidenceReference.NoteEntity, _Mapping]] = ..., note_finding: _Optional[_Union[EvidenceReference.NoteFinding, _Mapping]] = ..., record_entry: _Optional[_Union[_patient_pb2.RecordReference, _Mapping]] = ...) -> None: ...

class Disagreement(_message.Message):
    __slots__ = ("condition", "supporting", "opposing", "message")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    SUPPORTING_FIELD_NUMBER: _ClassVar[int]
    OPPOSING_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    condition: _concept_pb2.Concept
    supporting: EvidenceReference
    opposing: EvidenceReference
    message: str
    def __init__(self, condition: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., supporting: _Optional[_Union[EvidenceReference, _Mapping]] = ..., opposing: _Optional[_Union[EvidenceReference, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...
