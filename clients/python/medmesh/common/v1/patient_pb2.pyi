import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
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

class Comparator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPARATOR_UNSPECIFIED: _ClassVar[Comparator]
    COMPARATOR_LESS: _ClassVar[Comparator]
    COMPARATOR_LESS_OR_EQUAL: _ClassVar[Comparator]
    COMPARATOR_GREATER_OR_EQUAL: _ClassVar[Comparator]
    COMPARATOR_GREATER: _ClassVar[Comparator]
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
ALLERGY_TYPE_UNSPECIFIED: AllergyType
ALLERGY_TYPE_ALLERGY: AllergyType
ALLERGY_TYPE_INTOLERANCE: AllergyType
CRITICALITY_UNSPECIFIED: Criticality
CRITICALITY_LOW: Criticality
CRITICALITY_HIGH: Criticality
CRITICALITY_UNABLE_TO_ASSESS: Criticality
COMPARATOR_UNSPECIFIED: Comparator
COMPARATOR_LESS: Comparator
COMPARATOR_LESS_OR_EQUAL: Comparator
COMPARATOR_GREATER_OR_EQUAL: Comparator
COMPARATOR_GREATER: Comparator

class Condition(_message.Message):
    __slots__ = ("concept", "active", "onset_time", "abatement_time", "code", "clinical_status", "verification_status", "place")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ONSET_TIME_FIELD_NUMBER: _ClassVar[int]
    ABATEMENT_TIME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CLINICAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_STATUS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    active: bool
    onset_time: _timestamp_pb2.Timestamp
    abatement_time: _timestamp_pb2.Timestamp
    code: _concept_pb2.CodedConcept
    clinical_status: ClinicalStatus
    verification_status: VerificationStatus
    place: str
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., active: _Optional[bool] = ..., onset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., abatement_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., clinical_status: _Optional[_Union[ClinicalStatus, str]] = ..., verification_status: _Optional[_Union[VerificationStatus, str]] = ..., place: _Optional[str] = ...) -> None: ...

class Medication(_message.Message):
    __slots__ = ("concept", "active", "authored_time", "reason", "code", "place")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    AUTHORED_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    active: bool
    authored_time: _timestamp_pb2.Timestamp
    reason: _concept_pb2.Concept
    code: _concept_pb2.CodedConcept
    place: str
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., active: _Optional[bool] = ..., authored_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class Procedure(_message.Message):
    __slots__ = ("concept", "performed_time", "code", "place")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PERFORMED_TIME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    performed_time: _timestamp_pb2.Timestamp
    code: _concept_pb2.CodedConcept
    place: str
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., performed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class Allergy(_message.Message):
    __slots__ = ("concept", "code", "verification_status", "type", "criticality", "place")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    code: _concept_pb2.CodedConcept
    verification_status: VerificationStatus
    type: AllergyType
    criticality: Criticality
    place: str
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., verification_status: _Optional[_Union[VerificationStatus, str]] = ..., type: _Optional[_Union[AllergyType, str]] = ..., criticality: _Optional[_Union[Criticality, str]] = ..., place: _Optional[str] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("concept", "value", "unit", "observed_time", "code", "comparator", "place")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_TIME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COMPARATOR_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    value: float
    unit: str
    observed_time: _timestamp_pb2.Timestamp
    code: _concept_pb2.CodedConcept
    comparator: Comparator
    place: str
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., value: _Optional[float] = ..., unit: _Optional[str] = ..., observed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., comparator: _Optional[_Union[Comparator, str]] = ..., place: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "value", "observed_time", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_TIME_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: _concept_pb2.CodedConcept
    value: _concept_pb2.CodedConcept
    observed_time: _timestamp_pb2.Timestamp
    place: str
    def __init__(self, code: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., value: _Optional[_Union[_concept_pb2.CodedConcept, _Mapping]] = ..., observed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., place: _Optional[str] = ...) -> None: ...

class PatientRecord(_message.Message):
    __slots__ = ("age_years", "gender", "conditions", "medications", "procedures", "allergies", "observations", "findings")
    AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MEDICATIONS_FIELD_NUMBER: _ClassVar[int]
    PROCEDURES_FIELD_NUMBER: _ClassVar[int]
    ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    age_years: int
    gender: AdministrativeGender
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    medications: _containers.RepeatedCompositeFieldContainer[Medication]
    procedures: _containers.RepeatedCompositeFieldContainer[Procedure]
    allergies: _containers.RepeatedCompositeFieldContainer[Allergy]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, age_years: _Optional[int] = ..., gender: _Optional[_Union[AdministrativeGender, str]] = ..., conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., medications: _Optional[_Iterable[_Union[Medication, _Mapping]]] = ..., procedures: _Optional[_Iterable[_Union[Procedure, _Mapping]]] = ..., allergies: _Optional[_Iterable[_Union[Allergy, _Mapping]]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class PatientInput(_message.Message):
    __slots__ = ("record", "fhir_bundle")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    FHIR_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    record: PatientRecord
    fhir_bundle: bytes
    def __init__(self, record: _Optional[_Union[PatientRecord, _Mapping]] = ..., fhir_bundle: _Optional[bytes] = ...) -> None: ...
