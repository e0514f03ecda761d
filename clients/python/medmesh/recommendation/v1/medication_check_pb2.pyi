from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import patient_pb2 as _patient_pb2
from medmesh.common.v1 import quantity_pb2 as _quantity_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckMedicationsRequest(_message.Message):
    __slots__ = ("patient", "orders", "further_conditions", "further_allergies", "further_medications")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    FURTHER_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    FURTHER_ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    FURTHER_MEDICATIONS_FIELD_NUMBER: _ClassVar[int]
    patient: _patient_pb2.PatientInput
    orders: _containers.RepeatedCompositeFieldContainer[DraftOrder]
    further_conditions: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    further_allergies: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    further_medications: _containers.RepeatedCompositeFieldContainer[_concept_pb2.CodedConcept]
    def __init__(self, patient: _Optional[_Union[_patient_pb2.PatientInput, _Mapping]] = ..., orders: _Optional[_Iterable[_Union[DraftOrder, _Mapping]]] = ..., further_conditions: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ..., further_allergies: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ..., further_medications: _Optional[_Iterable[_Union[_concept_pb2.CodedConcept, _Mapping]]] = ...) -> None: ...

class DraftOrder(_message.Message):
    __slots__ = ("order", "fhir_medication_request")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    FHIR_MEDICATION_REQUEST_FIELD_NUMBER: _ClassVar[int]
    order: MedicationOrder
    fhir_medication_request: bytes
    def __init__(self, order: _Optional[_Union[MedicationOrder, _Mapping]] = ..., fhir_medication_request: _Optional[bytes] = ...) -> None: ...

class MedicationOrder(_message.Message):
    __slots__ = ("code", "dosage")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DOSAGE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    dosage: OrderedDosage
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., dosage: _Optional[_Union[OrderedDosage, _Mapping]] = ...) -> None: ...

class OrderedDosage(_message.Message):
    __slots__ = ("dose", "times_per_day", "route")
    DOSE_FIELD_NUMBER: _ClassVar[int]
    TIMES_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    dose: _quantity_pb2.Quantity
    times_per_day: float
    route: str
    def __init__(self, dose: _Optional[_Union[_quantity_pb2.Quantity, _Mapping]] = ..., times_per_day: _Optional[float] = ..., route: _Optional[str] = ...) -> None: ...

class CheckMedicationsResponse(_message.Message):
    __slots__ = ("check",)
    CHECK_FIELD_NUMBER: _ClassVar[int]
    check: MedicationCheck
    def __init__(self, check: _Optional[_Union[MedicationCheck, _Mapping]] = ...) -> None: ...

class MedicationCheck(_message.Message):
    __slots__ = ("orders", "kidney_function", "notices", "knowledge_digest")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    KIDNEY_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    KNOWLEDGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[CheckedOrder]
    kidney_function: KidneyFunction
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    knowledge_digest: str
    def __init__(self, orders: _Optional[_Iterable[_Union[CheckedOrder, _Mapping]]] = ..., kidney_function: _Optional[_Union[KidneyFunction, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., knowledge_digest: _Optional[str] = ...) -> None: ...

class CheckedOrder(_message.Message):
    __slots__ = ("order", "recognised_drugs", "alerts", "minor_alerts")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    RECOGNISED_DRUGS_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    MINOR_ALERTS_FIELD_NUMBER: _ClassVar[int]
    order: _patient_pb2.RecordReference
    recognised_drugs: _containers.RepeatedScalarFieldContainer[str]
    alerts: _containers.RepeatedCompositeFieldContainer[MedicationAlert]
    minor_alerts: _containers.RepeatedCompositeFieldContainer[MedicationAlert]
    def __init__(self, order: _Optional[_Union[_patient_pb2.RecordReference, _Mapping]] = ..., recognised_drugs: _Optional[_Iterable[str]] = ..., alerts: _Optional[_Iterable[_Union[MedicationAlert, _Mapping]]] = ..., minor_alerts: _Optional[_Iterable[_Union[MedicationAlert, _Mapping]]] = ...) -> None: ...

class MedicationAlert(_message.Message):
    __slots__ = ("kind", "severity", "evidence", "priority", "rule_id", "triggers", "explanation", "remedy", "source")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[MedicationAlert.Kind]
        KIND_ALLERGY: _ClassVar[MedicationAlert.Kind]
        KIND_INTERACTION: _ClassVar[MedicationAlert.Kind]
        KIND_DUPLICATE: _ClassVar[MedicationAlert.Kind]
        KIND_CONDITION: _ClassVar[MedicationAlert.Kind]
        KIND_PREGNANCY: _ClassVar[MedicationAlert.Kind]
        KIND_LACTATION: _ClassVar[MedicationAlert.Kind]
        KIND_AGE: _ClassVar[MedicationAlert.Kind]
        KIND_KIDNEY: _ClassVar[MedicationAlert.Kind]
        KIND_LIVER: _ClassVar[MedicationAlert.Kind]
        KIND_MEASUREMENT: _ClassVar[MedicationAlert.Kind]
        KIND_DOSE: _ClassVar[MedicationAlert.Kind]
        KIND_QT: _ClassVar[MedicationAlert.Kind]
        KIND_GENE: _ClassVar[MedicationAlert.Kind]
        KIND_HABIT: _ClassVar[MedicationAlert.Kind]
    KIND_UNSPECIFIED: MedicationAlert.Kind
    KIND_ALLERGY: MedicationAlert.Kind
    KIND_INTERACTION: MedicationAlert.Kind
    KIND_DUPLICATE: MedicationAlert.Kind
    KIND_CONDITION: MedicationAlert.Kind
    KIND_PREGNANCY: MedicationAlert.Kind
    KIND_LACTATION: MedicationAlert.Kind
    KIND_AGE: MedicationAlert.Kind
    KIND_KIDNEY: MedicationAlert.Kind
    KIND_LIVER: MedicationAlert.Kind
    KIND_MEASUREMENT: MedicationAlert.Kind
    KIND_DOSE: MedicationAlert.Kind
    KIND_QT: MedicationAlert.Kind
    KIND_GENE: MedicationAlert.Kind
    KIND_HABIT: MedicationAlert.Kind
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[MedicationAlert.Severity]
        SEVERITY_INFORMATION: _ClassVar[MedicationAlert.Severity]
        SEVERITY_CAUTION: _ClassVar[MedicationAlert.Severity]
        SEVERITY_CONTRAINDICATED: _ClassVar[MedicationAlert.Severity]
    SEVERITY_UNSPECIFIED: MedicationAlert.Severity
    SEVERITY_INFORMATION: MedicationAlert.Severity
    SEVERITY_CAUTION: MedicationAlert.Severity
    SEVERITY_CONTRAINDICATED: MedicationAlert.Severity
    class Evidence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EVIDENCE_UNSPECIFIED: _ClassVar[MedicationAlert.Evidence]
        EVIDENCE_LOW: _ClassVar[MedicationAlert.Evidence]
        EVIDENCE_MODERATE: _ClassVar[MedicationAlert.Evidence]
        EVIDENCE_HIGH: _ClassVar[MedicationAlert.Evidence]
    EVIDENCE_UNSPECIFIED: MedicationAlert.Evidence
    EVIDENCE_LOW: MedicationAlert.Evidence
    EVIDENCE_MODERATE: MedicationAlert.Evidence
    EVIDENCE_HIGH: MedicationAlert.Evidence
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    kind: MedicationAlert.Kind
    severity: MedicationAlert.Severity
    evidence: MedicationAlert.Evidence
    priority: int
    rule_id: str
    triggers: _containers.RepeatedCompositeFieldContainer[_patient_pb2.RecordReference]
    explanation: str
    remedy: str
    source: str
    def __init__(self, kind: _Optional[_Union[MedicationAlert.Kind, str]] = ..., severity: _Optional[_Union[MedicationAlert.Severity, str]] = ..., evidence: _Optional[_Union[MedicationAlert.Evidence, str]] = ..., priority: _Optional[int] = ..., rule_id: _Optional[str] = ..., triggers: _Optional[_Iterable[_Union[_patient_pb2.RecordReference, _Mapping]]] = ..., explanation: _Optional[str] = ..., remedy: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class KidneyFunction(_message.Message):
    __slots__ = ("filtration_rate", "method", "effective", "entry")
    class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        METHOD_UNSPECIFIED: _ClassVar[KidneyFunction.Method]
        METHOD_REPORTED: _ClassVar[KidneyFunction.Method]
        METHOD_CKD_EPI_2021: _ClassVar[KidneyFunction.Method]
        METHOD_BEDSIDE_SCHWARTZ: _ClassVar[KidneyFunction.Method]
    METHOD_UNSPECIFIED: KidneyFunction.Method
    METHOD_REPORTED: KidneyFunction.Method
    METHOD_CKD_EPI_2021: KidneyFunction.Method
    METHOD_BEDSIDE_SCHWARTZ: KidneyFunction.Method
    FILTRATION_RATE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    filtration_rate: float
    method: KidneyFunction.Method
    effective: _quantity_pb2.PartialDate
    entry: _patient_pb2.RecordReference
    def __init__(self, filtration_rate: _Optional[float] = ..., method: _Optional[_Union[KidneyFunction.Method, str]] = ..., effective: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., entry: _Optional[_Union[_patient_pb2.RecordReference, _Mapping]] = ...) -> None: ...
