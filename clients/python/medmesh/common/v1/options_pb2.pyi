from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor
PHI_FIELD_NUMBER: _ClassVar[int]
phi: _descriptor.FieldDescriptor
LIMITS_FIELD_NUMBER: _ClassVar[int]
limits: _descriptor.FieldDescriptor
ONE_REQUIRED_FIELD_NUMBER: _ClassVar[int]
one_required: _descriptor.FieldDescriptor

class Limits(_message.Message):
    __slots__ = ("required", "max_count", "max_length", "max_bytes", "min", "max", "pattern")
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    required: bool
    max_count: int
    max_length: int
    max_bytes: int
    min: float
    max: float
    pattern: str
    def __init__(self, required: _Optional[bool] = ..., max_count: _Optional[int] = ..., max_length: _Optional[int] = ..., max_bytes: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., pattern: _Optional[str] = ...) -> None: ...
