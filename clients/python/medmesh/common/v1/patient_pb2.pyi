from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import quantity_pb2 as _quantity_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdministrativeGender(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADMINISTRATIVE_GENDER_UNSPECIFIED: _ClassVar[AdministrativeGender]
    ADMINISTRATIVE_GENDER_MALE: _ClassVar[AdministrativeGender]
    ADMINISTRATIVE_GENDER_FEMALE: _ClassVar[AdministrativeGender]
    ADMINISTRATIVE_GENDER_OTHER: _ClassVar[AdministrativeGender]
    ADMINISTRATIVE_GENDER_UNKNOWN: _ClassVar[AdministrativeGender]

class ClinicalStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLINICAL_STATUS_UNSPECIFIED: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_ACTIVE: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_RECURRENCE: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_RELAPSE: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_INACTIVE: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_REMISSION: _ClassVar[ClinicalStatus]
    CLINICAL_STATUS_RESOLVED: _ClassVar[ClinicalStatus]

class VerificationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERIFICATION_STATUS_UNSPECIFIED: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_CONFIRMED: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_PROVISIONAL: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_DIFFERENTIAL: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_UNCONFIRMED: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_REFUTED: _ClassVar[VerificationStatus]
    VERIFICATION_STATUS_ENTERED_IN_ERROR: _ClassVar[VerificationStatus]

class AllergyType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALLERGY_TYPE_UNSPECIFIED: _ClassVar[AllergyType]
    ALLERGY_TYPE_ALLERGY: _ClassVar[AllergyType]
    ALLERGY_TYPE_INTOLERANCE: _ClassVar[AllergyType]

class Criticality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CRITICALITY_UNSPECIFIED: _ClassVar[Criticality]
    CRITICALITY_LOW: _ClassVar[Criticality]
    CRITICALITY_HIGH: _ClassVar[Criticality]
    CRITICALITY_UNABLE_TO_ASSESS: _ClassVar[Criticality]

class MedicationSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDICATION_SOURCE_UNSPECIFIED: _ClassVar[MedicationSource]
    MEDICATION_SOURCE_REQUEST: _ClassVar[MedicationSource]
    MEDICATION_SOURCE_STATEMENT: _ClassVar[MedicationSource]
    MEDICATION_SOURCE_DISPENSE: _ClassVar[MedicationSource]
    MEDICATION_SOURCE_ADMINISTRATION: _ClassVar[MedicationSource]

class MedicationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDICATION_STATUS_UNSPECIFIED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_ACTIVE: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_ON_HOLD: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_IN_PROGRESS: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_COMPLETED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_ENDED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_STOPPED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_CANCELLED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_DRAFT: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_INTENDED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_NOT_TAKEN: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_NOT_DONE: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_PREPARATION: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_DECLINED: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_ENTERED_IN_ERROR: _ClassVar[MedicationStatus]
    MEDICATION_STATUS_UNKNOWN: _ClassVar[MedicationStatus]

class MedicationIntent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDICATION_INTENT_UNSPECIFIED: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_PROPOSAL: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_PLAN: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_ORDER: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_ORIGINAL_ORDER: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_REFLEX_ORDER: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_FILLER_ORDER: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_INSTANCE_ORDER: _ClassVar[MedicationIntent]
    MEDICATION_INTENT_OPTION: _ClassVar[MedicationIntent]
ADMINISTRATIVE_GENDER_UNSPECIFIED: AdministrativeGender
ADMINISTRATIVE_GENDER_MALE: AdministrativeGender
ADMINISTRATIVE_GENDER_FEMALE: AdministrativeGender
ADMINISTRATIVE_GENDER_OTHER: AdministrativeGender
ADMINISTRATIVE_GENDER_UNKNOWN: AdministrativeGender
CLINICAL_STATUS_UNSPECIFIED: ClinicalStatus
CLINICAL_STATUS_ACTIVE: ClinicalStatus
CLINICAL_STATUS_RECURRENCE: ClinicalStatus
CLINICAL_STATUS_RELAPSE: ClinicalStatus
CLINICAL_STATUS_INACTIVE: ClinicalStatus
CLINICAL_STATUS_REMISSION: ClinicalStatus
CLINICAL_STATUS_RESOLVED: ClinicalStatus
VERIFICATION_STATUS_UNSPECIFIED: VerificationStatus
VERIFICATION_STATUS_CONFIRMED: VerificationStatus
VERIFICATION_STATUS_PROVISIONAL: VerificationStatus
VERIFICATION_STATUS_DIFFERENTIAL: VerificationStatus
VERIFICATION_STATUS_UNCONFIRMED: VerificationStatus
VERIFICATION_STATUS_REFUTED: VerificationStatus
VERIFICATION_STATUS_ENTERED_IN_ERROR: VerificationStatus
ALLERGY_TYPE_UNSPECIFIED: AllergyType
ALLERGY_TYPE_ALLERGY: AllergyType
ALLERGY_TYPE_INTOLERANCE: AllergyType
CRITICALITY_UNSPECIFIED: Criticality
CRITICALITY_LOW: Criticality
CRITICALITY_HIGH: Criticality
CRITICALITY_UNABLE_TO_ASSESS: Criticality
MEDICATION_SOURCE_UNSPECIFIED: MedicationSource
MEDICATION_SOURCE_REQUEST: MedicationSource
MEDICATION_SOURCE_STATEMENT: MedicationSource
MEDICATION_SOURCE_DISPENSE: MedicationSource
MEDICATION_SOURCE_ADMINISTRATION: MedicationSource
MEDICATION_STATUS_UNSPECIFIED: MedicationStatus
MEDICATION_STATUS_ACTIVE: MedicationStatus
MEDICATION_STATUS_ON_HOLD: MedicationStatus
MEDICATION_STATUS_IN_PROGRESS: MedicationStatus
MEDICATION_STATUS_COMPLETED: MedicationStatus
MEDICATION_STATUS_ENDED: MedicationStatus
MEDICATION_STATUS_STOPPED: MedicationStatus
MEDICATION_STATUS_CANCELLED: MedicationStatus
MEDICATION_STATUS_DRAFT: MedicationStatus
MEDICATION_STATUS_INTENDED: MedicationStatus
MEDICATION_STATUS_NOT_TAKEN: MedicationStatus
MEDICATION_STATUS_NOT_DONE: MedicationStatus
MEDICATION_STATUS_PREPARATION: MedicationStatus
MEDICATION_STATUS_DECLINED: MedicationStatus
MEDICATION_STATUS_ENTERED_IN_ERROR: MedicationStatus
MEDICATION_STATUS_UNKNOWN: MedicationStatus
MEDICATION_INTENT_UNSPECIFIED: MedicationIntent
MEDICATION_INTENT_PROPOSAL: MedicationIntent
MEDICATION_INTENT_PLAN: MedicationIntent
MEDICATION_INTENT_ORDER: MedicationIntent
MEDICATION_INTENT_ORIGINAL_ORDER: MedicationIntent
MEDICATION_INTENT_REFLEX_ORDER: MedicationIntent
MEDICATION_INTENT_FILLER_ORDER: MedicationIntent
MEDICATION_INTENT_INSTANCE_ORDER: MedicationIntent
MEDICATION_INTENT_OPTION: MedicationIntent

class Condition(_message.Message):
    __slots__ = ("code", "clinical_status", "verification_status", "onset", "abated_on", "abated", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CLINICAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_STATUS_FIELD_NUMBER: _ClassVar[int]
    ONSET_FIELD_NUMBER: _ClassVar[int]
    ABATED_ON_FIELD_NUMBER: _ClassVar[int]
    ABATED_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    clinical_status: ClinicalStatus
    verification_status: VerificationStatus
    onset: _quantity_pb2.PartialDate
    abated_on: _quantity_pb2.PartialDate
    abated: bool
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., clinical_status: _Optional[_Union[ClinicalStatus, str]] = ..., verification_status: _Optional[_Union[VerificationStatus, str]] = ..., onset: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., abated_on: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., abated: _Optional[bool] = ..., place: _Optional[str] = ...) -> None: ...

class Medication(_message.Message):
    __slots__ = ("code", "source", "status", "intent", "reported", "authored", "supplied_until", "reason", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    AUTHORED_FIELD_NUMBER: _ClassVar[int]
    SUPPLIED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    source: MedicationSource
    status: MedicationStatus
    intent: MedicationIntent
    reported: bool
    authored: _quantity_pb2.PartialDate
    supplied_until: _quantity_pb2.PartialDate
    reason: _concept_pb2.CodedConcept
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., source: _Optional[_Union[MedicationSource, str]] = ..., status: _Optional[_Union[MedicationStatus, str]] = ..., intent: _Optional[_Union[MedicationIntent, str]] = ..., reported: _Optional[bool] = ..., authored: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., supplied_until: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., reason: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class Procedure(_message.Message):
    __slots__ = ("code", "performed", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    PERFORMED_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    performed: _quantity_pb2.PartialDate
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., performed: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class Allergy(_message.Message):
    __slots__ = ("code", "clinical_status", "verification_status", "type", "criticality", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CLINICAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    clinical_status: ClinicalStatus
    verification_status: VerificationStatus
    type: AllergyType
    criticality: Criticality
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., clinical_status: _Optional[_Union[ClinicalStatus, str]] = ..., verification_status: _Optional[_Union[VerificationStatus, str]] = ..., type: _Optional[_Union[AllergyType, str]] = ..., criticality: _Optional[_Union[Criticality, str]] = ..., place: _Optional[str] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("code", "quantity", "coded", "effective", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CODED_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    quantity: _quantity_pb2.Quantity
    coded: _concept_pb2.CodedConcept
    effective: _quantity_pb2.PartialDate
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., quantity: _Optional[_Union[_quantity_pb2.Quantity, _Mapping]] = ..., coded: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., effective: _Optional[_Union[_quantity_pb2.PartialDate, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class PatientRecord(_message.Message):
    __slots__ = ("age", "gender", "conditions", "medications", "procedures", "allergies", "observations")
    AGE_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MEDICATIONS_FIELD_NUMBER: _ClassVar[int]
    PROCEDURES_FIELD_NUMBER: _ClassVar[int]
    ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    age: _quantity_pb2.PatientAge
    gender: AdministrativeGender
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    medications: _containers.RepeatedCompositeFieldContainer[Medication]
    procedures: _containers.RepeatedCompositeFieldContainer[Procedure]
    allergies: _containers.RepeatedCompositeFieldContainer[Allergy]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    def __init__(self, age: _Optional[_Union[_quantity_pb2.PatientAge, _Mapping]] = ..., gender: _Optional[_Union[AdministrativeGender, str]] = ..., conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., medications: _Optional[_Iterable[_Union[Medication, _Mapping]]] = ..., procedures: _Optional[_Iterable[_Union[Procedure, _Mapping]]] = ..., allergies: _Optional[_Iterable[_Union[Allergy, _Mapping]]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ...) -> None: ...

class RecordReference(_message.Message):
    __slots__ = ("place", "concept")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    place: str
    concept: _concept_pb2.Concept
    def __init__(self, place: _Optional[str] = ..., concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ...) -> None: ...

class PatientInput(_message.Message):
    __slots__ = ("record", "fhir_bundle")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    FHIR_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    record: PatientRecord
    fhir_bundle: bytes
    def __init__(self, record: _Optional[_Union[PatientRecord, _Mapping]] = ..., fhir_bundle: _Optional[bytes] = ...) -> None: ...
