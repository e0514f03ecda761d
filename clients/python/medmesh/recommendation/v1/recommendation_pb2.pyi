import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import patient_pb2 as _patient_pb2
from medmesh.common.v1 import quantity_pb2 as _quantity_pb2
from medmesh.recommendation.v1 import medication_check_pb2 as _medication_check_pb2
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
    __slots__ = ("reading",)
    READING_FIELD_NUMBER: _ClassVar[int]
    reading: RecordReading
    def __init__(self, reading: _Optional[_Union[RecordReading, _Mapping]] = ...) -> None: ...

class RecordReading(_message.Message):
    __slots__ = ("record", "notices")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    record: _patient_pb2.PatientRecord
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, record: _Optional[_Union[_patient_pb2.PatientRecord, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class RankTreatmentsRequest(_message.Message):
    __slots__ = ("patient", "further_conditions", "further_allergies", "max_treatment_count", "model", "further_medications")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    FURTHER_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    FURTHER_ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    MAX_TREATMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FURTHER_MEDICATIONS_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    further_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    further_allergies: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    max_treatment_count: int
    model: str
    further_medications: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., further_conditions: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ..., further_allergies: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ..., max_treatment_count: _Optional[int] = ..., model: _Optional[str] = ..., further_medications: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ...) -> None: ...

class RankTreatmentsResponse(_message.Message):
    __slots__ = ("ranking",)
    RANKING_FIELD_NUMBER: _ClassVar[int]
    ranking: TreatmentRanking
    def __init__(self, ranking: _Optional[_Union[TreatmentRanking, _Mapping]] = ...) -> None: ...

class TreatmentRanking(_message.Message):
    __slots__ = ("treatments", "known_conditions", "unknown_conditions", "notices", "provenance")
    TREATMENTS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    treatments: _containers.RepeatedCompositeFieldContainer[RankedTreatment]
    known_conditions: _containers.RepeatedCompositeFieldContainer[_patient_pb2.RecordReference]
    unknown_conditions: _containers.RepeatedCompositeFieldContainer[_patient_pb2.RecordReference]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, treatments: _Optional[_Iterable[_Union[RankedTreatment, _Mapping]]] = ..., known_conditions: _Optional[_Iterable[_Union[_patient_pb2.RecordReference, _Mapping]]] = ..., unknown_conditions: _Optional[_Iterable[_Union[_patient_pb2.RecordReference, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class RankedTreatment(_message.Message):
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
    drivers: _containers.RepeatedCompositeFieldContainer[TreatmentDriver]
    alerts: _containers.RepeatedCompositeFieldContainer[SafetyAlert]
    contraindicated: bool
    def __init__(self, treatment: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., kind: _Optional[_Union[TreatmentKind, str]] = ..., score: _Optional[float] = ..., drivers: _Optional[_Iterable[_Union[TreatmentDriver, _Mapping]]] = ..., alerts: _Optional[_Iterable[_Union[SafetyAlert, _Mapping]]] = ..., contraindicated: _Optional[bool] = ...) -> None: ...

class TreatmentDriver(_message.Message):
    __slots__ = ("entry", "score_without", "contribution")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    SCORE_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    entry: _patient_pb2.RecordReference
    score_without: float
    contribution: float
    def __init__(self, entry: _Optional[_Union[_patient_pb2.RecordReference, _Mapping]] = ..., score_without: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class SafetyAlert(_message.Message):
    __slots__ = ("kind", "severity", "rule_id", "trigger", "explanation", "source")
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
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    kind: SafetyAlert.Kind
    severity: SafetyAlert.Severity
    rule_id: str
    trigger: _patient_pb2.RecordReference
    explanation: str
    source: str
    def __init__(self, kind: _Optional[_Union[SafetyAlert.Kind, str]] = ..., severity: _Optional[_Union[SafetyAlert.Severity, str]] = ..., rule_id: _Optional[str] = ..., trigger: _Optional[_Union[_patient_pb2.RecordReference, _Mapping]] = ..., explanation: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class FindSimilarPatientsRequest(_message.Message):
    __slots__ = ("patient", "max_patient_count", "model")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_PATIENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    max_patient_count: int
    model: str
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., max_patient_count: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class FindSimilarPatientsResponse(_message.Message):
    __slots__ = ("similar_patients",)
    SIMILAR_PATIENTS_FIELD_NUMBER: _ClassVar[int]
    similar_patients: SimilarPatients
    def __init__(self, similar_patients: _Optional[_Union[SimilarPatients, _Mapping]] = ...) -> None: ...

class SimilarPatients(_message.Message):
    __slots__ = ("patients", "notices", "provenance")
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    patients: _containers.RepeatedCompositeFieldContainer[SimilarPatient]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, patients: _Optional[_Iterable[_Union[SimilarPatient, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class SimilarPatient(_message.Message):
    __slots__ = ("reference_id", "similarity", "shared_conditions")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    SHARED_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    similarity: float
    shared_conditions: _containers.RepeatedCompositeFieldContainer[_patient_pb2.RecordReference]
    def __init__(self, reference_id: _Optional[str] = ..., similarity: _Optional[float] = ..., shared_conditions: _Optional[_Iterable[_Union[_patient_pb2.RecordReference, _Mapping]]] = ...) -> None: ...

class StayMeasurement(_message.Message):
    __slots__ = ("code", "value", "since_start")
    CODE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SINCE_START_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.Concept
    value: _quantity_pb2.Quantity
    since_start: _duration_pb2.Duration
    def __init__(self, code: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., value: _Optional[_Union[_quantity_pb2.Quantity, _Mapping]] = ..., since_start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HospitalStay(_message.Message):
    __slots__ = ("age", "gender", "height_cm", "care_unit", "measurements")
    AGE_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_CM_FIELD_NUMBER: _ClassVar[int]
    CARE_UNIT_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    age: _quantity_pb2.PatientAge
    gender: _patient_pb2.AdministrativeGender
    height_cm: float
    care_unit: str
    measurements: _containers.RepeatedCompositeFieldContainer[StayMeasurement]
    def __init__(self, age: _Optional[_Union[_quantity_pb2.PatientAge, _Mapping]] = ..., gender: _Optional[_Union[_patient_pb2.AdministrativeGender, str]] = ..., height_cm: _Optional[float] = ..., care_unit: _Optional[str] = ..., measurements: _Optional[_Iterable[_Union[StayMeasurement, _Mapping]]] = ...) -> None: ...

class PredictOutcomeRequest(_message.Message):
    __slots__ = ("stay", "model")
    STAY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    stay: HospitalStay
    model: str
    def __init__(self, stay: _Optional[_Union[HospitalStay, _Mapping]] = ..., model: _Optional[str] = ...) -> None: ...

class PredictOutcomeResponse(_message.Message):
    __slots__ = ("prediction",)
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    prediction: OutcomePrediction
    def __init__(self, prediction: _Optional[_Union[OutcomePrediction, _Mapping]] = ...) -> None: ...

class OutcomePrediction(_message.Message):
    __slots__ = ("outcome", "outcome_concepts", "probability", "calibrated", "prediction_set", "abstained", "decision_threshold", "variables", "periods", "notices", "provenance")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    DECISION_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    outcome_concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    probability: float
    calibrated: bool
    prediction_set: _answer_pb2.PredictionSet
    abstained: bool
    decision_threshold: float
    variables: _containers.RepeatedCompositeFieldContainer[VariableInfluence]
    periods: _containers.RepeatedCompositeFieldContainer[PeriodInfluence]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, outcome: _Optional[str] = ..., outcome_concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., probability: _Optional[float] = ..., calibrated: _Optional[bool] = ..., prediction_set: _Optional[_Union[_answer_pb2.PredictionSet, _Mapping]] = ..., abstained: _Optional[bool] = ..., decision_threshold: _Optional[float] = ..., variables: _Optional[_Iterable[_Union[VariableInfluence, _Mapping]]] = ..., periods: _Optional[_Iterable[_Union[PeriodInfluence, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class VariableInfluence(_message.Message):
    __slots__ = ("variable", "display", "concept", "probability_without", "log_odds")
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    variable: str
    display: str
    concept: _concept_pb2.Concept
    probability_without: float
    log_odds: float
    def __init__(self, variable: _Optional[str] = ..., display: _Optional[str] = ..., concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., probability_without: _Optional[float] = ..., log_odds: _Optional[float] = ...) -> None: ...

class PeriodInfluence(_message.Message):
    __slots__ = ("start", "end", "probability_without", "log_odds")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    start: _duration_pb2.Duration
    end: _duration_pb2.Duration
    probability_without: float
    log_odds: float
    def __init__(self, start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., probability_without: _Optional[float] = ..., log_odds: _Optional[float] = ...) -> None: ...
