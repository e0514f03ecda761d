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

class IcuUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ICU_UNIT_UNSPECIFIED: _ClassVar[IcuUnit]
    ICU_UNIT_CORONARY_CARE: _ClassVar[IcuUnit]
    ICU_UNIT_CARDIAC_SURGERY: _ClassVar[IcuUnit]
    ICU_UNIT_MEDICAL: _ClassVar[IcuUnit]
    ICU_UNIT_SURGICAL: _ClassVar[IcuUnit]

class IcuVariable(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ICU_VARIABLE_UNSPECIFIED: _ClassVar[IcuVariable]
    ICU_VARIABLE_ALBUMIN: _ClassVar[IcuVariable]
    ICU_VARIABLE_ALKALINE_PHOSPHATASE: _ClassVar[IcuVariable]
    ICU_VARIABLE_ALT: _ClassVar[IcuVariable]
    ICU_VARIABLE_AST: _ClassVar[IcuVariable]
    ICU_VARIABLE_BILIRUBIN: _ClassVar[IcuVariable]
    ICU_VARIABLE_BLOOD_UREA_NITROGEN: _ClassVar[IcuVariable]
    ICU_VARIABLE_CHOLESTEROL: _ClassVar[IcuVariable]
    ICU_VARIABLE_CREATININE: _ClassVar[IcuVariable]
    ICU_VARIABLE_DIASTOLIC_PRESSURE_INVASIVE: _ClassVar[IcuVariable]
    ICU_VARIABLE_INSPIRED_OXYGEN_FRACTION: _ClassVar[IcuVariable]
    ICU_VARIABLE_GLASGOW_COMA_SCORE: _ClassVar[IcuVariable]
    ICU_VARIABLE_GLUCOSE: _ClassVar[IcuVariable]
    ICU_VARIABLE_BICARBONATE: _ClassVar[IcuVariable]
    ICU_VARIABLE_HAEMATOCRIT: _ClassVar[IcuVariable]
    ICU_VARIABLE_HEART_RATE: _ClassVar[IcuVariable]
    ICU_VARIABLE_POTASSIUM: _ClassVar[IcuVariable]
    ICU_VARIABLE_LACTATE: _ClassVar[IcuVariable]
    ICU_VARIABLE_MAGNESIUM: _ClassVar[IcuVariable]
    ICU_VARIABLE_MEAN_PRESSURE_INVASIVE: _ClassVar[IcuVariable]
    ICU_VARIABLE_MECHANICAL_VENTILATION: _ClassVar[IcuVariable]
    ICU_VARIABLE_SODIUM: _ClassVar[IcuVariable]
    ICU_VARIABLE_DIASTOLIC_PRESSURE: _ClassVar[IcuVariable]
    ICU_VARIABLE_MEAN_PRESSURE: _ClassVar[IcuVariable]
    ICU_VARIABLE_SYSTOLIC_PRESSURE: _ClassVar[IcuVariable]
    ICU_VARIABLE_ARTERIAL_CO2: _ClassVar[IcuVariable]
    ICU_VARIABLE_ARTERIAL_O2: _ClassVar[IcuVariable]
    ICU_VARIABLE_PH: _ClassVar[IcuVariable]
    ICU_VARIABLE_PLATELETS: _ClassVar[IcuVariable]
    ICU_VARIABLE_RESPIRATION_RATE: _ClassVar[IcuVariable]
    ICU_VARIABLE_OXYGEN_SATURATION: _ClassVar[IcuVariable]
    ICU_VARIABLE_SYSTOLIC_PRESSURE_INVASIVE: _ClassVar[IcuVariable]
    ICU_VARIABLE_TEMPERATURE: _ClassVar[IcuVariable]
    ICU_VARIABLE_TROPONIN_I: _ClassVar[IcuVariable]
    ICU_VARIABLE_TROPONIN_T: _ClassVar[IcuVariable]
    ICU_VARIABLE_URINE_OUTPUT: _ClassVar[IcuVariable]
    ICU_VARIABLE_WHITE_CELLS: _ClassVar[IcuVariable]
    ICU_VARIABLE_WEIGHT: _ClassVar[IcuVariable]
TREATMENT_KIND_UNSPECIFIED: TreatmentKind
TREATMENT_KIND_MEDICATION: TreatmentKind
TREATMENT_KIND_PROCEDURE: TreatmentKind
TREATMENT_KIND_CARE_PLAN: TreatmentKind
ICU_UNIT_UNSPECIFIED: IcuUnit
ICU_UNIT_CORONARY_CARE: IcuUnit
ICU_UNIT_CARDIAC_SURGERY: IcuUnit
ICU_UNIT_MEDICAL: IcuUnit
ICU_UNIT_SURGICAL: IcuUnit
ICU_VARIABLE_UNSPECIFIED: IcuVariable
ICU_VARIABLE_ALBUMIN: IcuVariable
ICU_VARIABLE_ALKALINE_PHOSPHATASE: IcuVariable
ICU_VARIABLE_ALT: IcuVariable
ICU_VARIABLE_AST: IcuVariable
ICU_VARIABLE_BILIRUBIN: IcuVariable
ICU_VARIABLE_BLOOD_UREA_NITROGEN: IcuVariable
ICU_VARIABLE_CHOLESTEROL: IcuVariable
ICU_VARIABLE_CREATININE: IcuVariable
ICU_VARIABLE_DIASTOLIC_PRESSURE_INVASIVE: IcuVariable
ICU_VARIABLE_INSPIRED_OXYGEN_FRACTION: IcuVariable
ICU_VARIABLE_GLASGOW_COMA_SCORE: IcuVariable
ICU_VARIABLE_GLUCOSE: IcuVariable
ICU_VARIABLE_BICARBONATE: IcuVariable
ICU_VARIABLE_HAEMATOCRIT: IcuVariable
ICU_VARIABLE_HEART_RATE: IcuVariable
ICU_VARIABLE_POTASSIUM: IcuVariable
ICU_VARIABLE_LACTATE: IcuVariable
ICU_VARIABLE_MAGNESIUM: IcuVariable
ICU_VARIABLE_MEAN_PRESSURE_INVASIVE: IcuVariable
ICU_VARIABLE_MECHANICAL_VENTILATION: IcuVariable
ICU_VARIABLE_SODIUM: IcuVariable
ICU_VARIABLE_DIASTOLIC_PRESSURE: IcuVariable
ICU_VARIABLE_MEAN_PRESSURE: IcuVariable
ICU_VARIABLE_SYSTOLIC_PRESSURE: IcuVariable
ICU_VARIABLE_ARTERIAL_CO2: IcuVariable
ICU_VARIABLE_ARTERIAL_O2: IcuVariable
ICU_VARIABLE_PH: IcuVariable
ICU_VARIABLE_PLATELETS: IcuVariable
ICU_VARIABLE_RESPIRATION_RATE: IcuVariable
ICU_VARIABLE_OXYGEN_SATURATION: IcuVariable
ICU_VARIABLE_SYSTOLIC_PRESSURE_INVASIVE: IcuVariable
ICU_VARIABLE_TEMPERATURE: IcuVariable
ICU_VARIABLE_TROPONIN_I: IcuVariable
ICU_VARIABLE_TROPONIN_T: IcuVariable
ICU_VARIABLE_URINE_OUTPUT: IcuVariable
ICU_VARIABLE_WHITE_CELLS: IcuVariable
ICU_VARIABLE_WEIGHT: IcuVariable

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
    __slots__ = ("patient", "further_conditions", "max_result_count", "further_allergies")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    FURTHER_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FURTHER_ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    further_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    max_result_count: int
    further_allergies: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., further_conditions: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., max_result_count: _Optional[int] = ..., further_allergies: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ...) -> None: ...

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

class FindSimilarPatientsRequest(_message.Message):
    __slots__ = ("patient", "max_result_count")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    max_result_count: int
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., max_result_count: _Optional[int] = ...) -> None: ...

class FindSimilarPatientsResponse(_message.Message):
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
    shared_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    def __init__(self, reference_id: _Optional[str] = ..., similarity: _Optional[float] = ..., shared_conditions: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ...) -> None: ...

class IcuMeasurement(_message.Message):
    __slots__ = ("variable", "hour", "value")
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    HOUR_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    variable: IcuVariable
    hour: float
    value: float
    def __init__(self, variable: _Optional[_Union[IcuVariable, str]] = ..., hour: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...

class IcuStay(_message.Message):
    __slots__ = ("age_years", "gender", "height_cm", "unit", "measurements")
    AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_CM_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    age_years: int
    gender: _patient_pb2.AdministrativeGender
    height_cm: float
    unit: IcuUnit
    measurements: _containers.RepeatedCompositeFieldContainer[IcuMeasurement]
    def __init__(self, age_years: _Optional[int] = ..., gender: _Optional[_Union[_patient_pb2.AdministrativeGender, str]] = ..., height_cm: _Optional[float] = ..., unit: _Optional[_Union[IcuUnit, str]] = ..., measurements: _Optional[_Iterable[_Union[IcuMeasurement, _Mapping]]] = ...) -> None: ...

class PredictOutcomeRequest(_message.Message):
    __slots__ = ("stay",)
    STAY_FIELD_NUMBER: _ClassVar[int]
    stay: IcuStay
    def __init__(self, stay: _Optional[_Union[IcuStay, _Mapping]] = ...) -> None: ...

class PredictOutcomeResponse(_message.Message):
    __slots__ = ("death_probability", "prediction_set", "abstained", "variables", "periods", "notices", "provenance")
    DEATH_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    death_probability: float
    prediction_set: _answer_pb2.PredictionSet
    abstained: bool
    variables: _containers.RepeatedCompositeFieldContainer[OutcomeDriver]
    periods: _containers.RepeatedCompositeFieldContainer[OutcomePeriod]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, death_probability: _Optional[float] = ..., prediction_set: _Optional[_Union[_answer_pb2.PredictionSet, _Mapping]] = ..., abstained: _Optional[bool] = ..., variables: _Optional[_Iterable[_Union[OutcomeDriver, _Mapping]]] = ..., periods: _Optional[_Iterable[_Union[OutcomePeriod, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class OutcomeDriver(_message.Message):
    __slots__ = ("variable", "probability_without", "log_odds")
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    variable: IcuVariable
    probability_without: float
    log_odds: float
    def __init__(self, variable: _Optional[_Union[IcuVariable, str]] = ..., probability_without: _Optional[float] = ..., log_odds: _Optional[float] = ...) -> None: ...

class OutcomePeriod(_message.Message):
    __slots__ = ("start_hour", "end_hour", "probability_without", "log_odds")
    START_HOUR_FIELD_NUMBER: _ClassVar[int]
    END_HOUR_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    start_hour: int
    end_hour: int
    probability_without: float
    log_odds: float
    def __init__(self, start_hour: _Optional[int] = ..., end_hour: _Optional[int] = ..., probability_without: _Optional[float] = ..., log_odds: _Optional[float] = ...) -> None: ...
