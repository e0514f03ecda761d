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
ADMINISTRATIVE_GENDER_UNSPECIFIED: AdministrativeGender
ADMINISTRATIVE_GENDER_MALE: AdministrativeGender
ADMINISTRATIVE_GENDER_FEMALE: AdministrativeGender
ADMINISTRATIVE_GENDER_OTHER: AdministrativeGender
ADMINISTRATIVE_GENDER_UNKNOWN: AdministrativeGender

class Condition(_message.Message):
    __slots__ = ("concept", "active", "onset_time", "abatement_time")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ONSET_TIME_FIELD_NUMBER: _ClassVar[int]
    ABATEMENT_TIME_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    active: bool
    onset_time: _timestamp_pb2.Timestamp
    abatement_time: _timestamp_pb2.Timestamp
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., active: _Optional[bool] = ..., onset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., abatement_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Medication(_message.Message):
    __slots__ = ("concept", "active", "authored_time", "reason")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    AUTHORED_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    active: bool
    authored_time: _timestamp_pb2.Timestamp
    reason: _concept_pb2.Concept
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., active: _Optional[bool] = ..., authored_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ...) -> None: ...

class Procedure(_message.Message):
    __slots__ = ("concept", "performed_time")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PERFORMED_TIME_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    performed_time: _timestamp_pb2.Timestamp
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., performed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Allergy(_message.Message):
    __slots__ = ("concept",)
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("concept", "value", "unit", "observed_time")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_TIME_FIELD_NUMBER: _ClassVar[int]
    concept: _concept_pb2.Concept
    value: float
    unit: str
    observed_time: _timestamp_pb2.Timestamp
    def __init__(self, concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., value: _Optional[float] = ..., unit: _Optional[str] = ..., observed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PatientRecord(_message.Message):
    __slots__ = ("age_years", "gender", "conditions", "medications", "procedures", "allergies", "observations")
    AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MEDICATIONS_FIELD_NUMBER: _ClassVar[int]
    PROCEDURES_FIELD_NUMBER: _ClassVar[int]
    ALLERGIES_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    age_years: int
    gender: AdministrativeGender
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    medications: _containers.RepeatedCompositeFieldContainer[Medication]
    procedures: _containers.RepeatedCompositeFieldContainer[Procedure]
    allergies: _containers.RepeatedCompositeFieldContainer[Allergy]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    def __init__(self, age_years: _Optional[int] = ..., gender: _Optional[_Union[AdministrativeGender, str]] = ..., conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., medications: _Optional[_Iterable[_Union[Medication, _Mapping]]] = ..., procedures: _Optional[_Iterable[_Union[Procedure, _Mapping]]] = ..., allergies: _Optional[_Iterable[_Union[Allergy, _Mapping]]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ...) -> None: ...

class PatientInput(_message.Message):
    __slots__ = ("record", "fhir_bundle")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    FHIR_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    record: PatientRecord
    fhir_bundle: bytes
    def __init__(self, record: _Optional[_Union[PatientRecord, _Mapping]] = ..., fhir_bundle: _Optional[bytes] = ...) -> None: ...
