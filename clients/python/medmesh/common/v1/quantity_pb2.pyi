from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Comparator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPARATOR_UNSPECIFIED: _ClassVar[Comparator]
    COMPARATOR_LESS: _ClassVar[Comparator]
    COMPARATOR_LESS_OR_EQUAL: _ClassVar[Comparator]
    COMPARATOR_GREATER_OR_EQUAL: _ClassVar[Comparator]
    COMPARATOR_GREATER: _ClassVar[Comparator]
COMPARATOR_UNSPECIFIED: Comparator
COMPARATOR_LESS: Comparator
COMPARATOR_LESS_OR_EQUAL: Comparator
COMPARATOR_GREATER_OR_EQUAL: Comparator
COMPARATOR_GREATER: Comparator

class Quantity(_message.Message):
    __slots__ = ("value", "unit", "comparator")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    COMPARATOR_FIELD_NUMBER: _ClassVar[int]
    value: float
    unit: str
    comparator: Comparator
    def __init__(self, value: _Optional[float] = ..., unit: _Optional[str] = ..., comparator: _Optional[_Union[Comparator, str]] = ...) -> None: ...

class PartialDate(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: str
    def __init__(self, value: _Optional[str] = ...) -> None: ...

class PatientAge(_message.Message):
    __slots__ = ("years", "months", "days")
    YEARS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    years: int
    months: int
    days: int
    def __init__(self, years: _Optional[int] = ..., months: _Optional[int] = ..., days: _Optional[int] = ...) -> None: ...
