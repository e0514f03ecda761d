from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import patient_pb2 as _patient_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TreatmentKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TREATMENT_KIND_UNSPECIFIED: _ClassVar[TreatmentKind]
    TREATMENT_KIND_MEDICATION: _ClassVar[TreatmentKind]
    TREATMENT_KIND_PROCEDURE: _ClassVar[TreatmentKind]
    TREATMENT_KIND_CARE_PLAN: _ClassVar[TreatmentKind]
TREATMENT_KIND_UNSPECIFIED: TreatmentKind
TREATMENT_KIND_MEDICATION: TreatmentKind
TREATMENT_KIND_PROCEDURE: TreatmentKind
TREATMENT_KIND_CARE_PLAN: TreatmentKind

class ReadRecordRequest(_message.Message):
    __slots__ = ("patient",)
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ...) -> None: ...

class ReadRecordResponse(_message.Message):
    __slots__ = ("record", "notices")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    record: _patient_pb2.PatientRecord
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, record: _Optional[_Union[_patient_pb2.PatientRecord, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class RankTreatmentsRequest(_message.Message):
    __slots__ = ("patient", "further_conditions", "max_result_count")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    FURTHER_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    further_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    max_result_count: int
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., further_conditions: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., max_result_count: _Optional[int] = ...) -> None: ...

class RankTreatmentsResponse(_message.Message):
    __slots__ = ("recommendations", "known_conditions", "unknown_conditions", "notices", "provenance")
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[Recommendation]
    known_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    unknown_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, recommendations: _Optional[_Iterable[_Union[Recommendation, _Mapping]]] = ..., known_conditions: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., unknown_conditions: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Recommendation(_message.Message):
    __slots__ = ("treatment", "kind", "score", "drivers", "alerts", "contraindicated")
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    CONTRAINDICATED_FIELD_NUMBER: _ClassVar[int]
    treatment: _concept_pb2.Concept
    kind: TreatmentKind
    score: float
    drivers: _containers.RepeatedCompositeFieldContainer[Driver]
    alerts: _containers.RepeatedCompositeFieldContainer[SafetyAlert]
    contraindicated: bool
    def __init__(self, treatment: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., kind: _Optional[_Union[TreatmentKind, str]] = ..., score: _Optional[float] = ..., drivers: _Optional[_Iterable[_Union[Driver, _Mapping]]] = ..., alerts: _Optional[_Iterable[_Union[SafetyAlert, _Mapping]]] = ..., contraindicated: _Optional[bool] = ...) -> None: ...

class Driver(_message.Message):
    __slots__ = ("concept", "score_without", "contribution")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    SCORE_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    score_without: float
    contribution: float
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., score_without: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class SafetyAlert(_message.Message):
    __slots__ = ("kind", "severity", "trigger", "explanation", "source")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[SafetyAlert.Kind]
        KIND_ALLERGY: _ClassVar[SafetyAlert.Kind]
        KIND_INTERACTION: _ClassVar[SafetyAlert.Kind]
        KIND_DUPLICATE: _ClassVar[SafetyAlert.Kind]
        KIND_CONDITION: _ClassVar[SafetyAlert.Kind]
        KIND_AGE: _ClassVar[SafetyAlert.Kind]
    KIND_UNSPECIFIED: SafetyAlert.Kind
    KIND_ALLERGY: SafetyAlert.Kind
    KIND_INTERACTION: SafetyAlert.Kind
    KIND_DUPLICATE: SafetyAlert.Kind
    KIND_CONDITION: SafetyAlert.Kind
    KIND_AGE: SafetyAlert.Kind
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[SafetyAlert.Severity]
        SEVERITY_INFORMATION: _ClassVar[SafetyAlert.Severity]
        SEVERITY_CAUTION: _ClassVar[SafetyAlert.Severity]
        SEVERITY_CONTRAINDICATED: _ClassVar[SafetyAlert.Severity]
    SEVERITY_UNSPECIFIED: SafetyAlert.Severity
    SEVERITY_INFORMATION: SafetyAlert.Severity
    SEVERITY_CAUTION: SafetyAlert.Severity
    SEVERITY_CONTRAINDICATED: SafetyAlert.Severity
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    kind: SafetyAlert.Kind
    severity: SafetyAlert.Severity
    trigger: _concept_pb2.Concept
    explanation: str
    source: str
    def __init__(self, kind: _Optional[_Union[SafetyAlert.Kind, str]] = ..., severity: _Optional[_Union[SafetyAlert.Severity, str]] = ..., trigger: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., explanation: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...
