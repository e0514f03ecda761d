from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IdentifierKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDENTIFIER_KIND_UNSPECIFIED: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_NAME: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_LOCATION: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_DATE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_PHONE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_FAX: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_EMAIL: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_SSN: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_MEDICAL_RECORD: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_HEALTH_PLAN: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_ACCOUNT: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_LICENCE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_VEHICLE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_DEVICE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_URL: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_IP_ADDRESS: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_BIOMETRIC: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_PHOTOGRAPH: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_OTHER: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_AGE: _ClassVar[IdentifierKind]
    IDENTIFIER_KIND_ORGANISATION: _ClassVar[IdentifierKind]

class ReplacementStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLACEMENT_STYLE_UNSPECIFIED: _ClassVar[ReplacementStyle]
    REPLACEMENT_STYLE_PLACEHOLDER: _ClassVar[ReplacementStyle]
    REPLACEMENT_STYLE_SURROGATE: _ClassVar[ReplacementStyle]

class IdentifierOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDENTIFIER_ORIGIN_UNSPECIFIED: _ClassVar[IdentifierOrigin]
    IDENTIFIER_ORIGIN_RULE: _ClassVar[IdentifierOrigin]
    IDENTIFIER_ORIGIN_LIST: _ClassVar[IdentifierOrigin]
    IDENTIFIER_ORIGIN_MODEL: _ClassVar[IdentifierOrigin]
    IDENTIFIER_ORIGIN_CALLER: _ClassVar[IdentifierOrigin]
    IDENTIFIER_ORIGIN_REPEATED: _ClassVar[IdentifierOrigin]
IDENTIFIER_KIND_UNSPECIFIED: IdentifierKind
IDENTIFIER_KIND_NAME: IdentifierKind
IDENTIFIER_KIND_LOCATION: IdentifierKind
IDENTIFIER_KIND_DATE: IdentifierKind
IDENTIFIER_KIND_PHONE: IdentifierKind
IDENTIFIER_KIND_FAX: IdentifierKind
IDENTIFIER_KIND_EMAIL: IdentifierKind
IDENTIFIER_KIND_SSN: IdentifierKind
IDENTIFIER_KIND_MEDICAL_RECORD: IdentifierKind
IDENTIFIER_KIND_HEALTH_PLAN: IdentifierKind
IDENTIFIER_KIND_ACCOUNT: IdentifierKind
IDENTIFIER_KIND_LICENCE: IdentifierKind
IDENTIFIER_KIND_VEHICLE: IdentifierKind
IDENTIFIER_KIND_DEVICE: IdentifierKind
IDENTIFIER_KIND_URL: IdentifierKind
IDENTIFIER_KIND_IP_ADDRESS: IdentifierKind
IDENTIFIER_KIND_BIOMETRIC: IdentifierKind
IDENTIFIER_KIND_PHOTOGRAPH: IdentifierKind
IDENTIFIER_KIND_OTHER: IdentifierKind
IDENTIFIER_KIND_AGE: IdentifierKind
IDENTIFIER_KIND_ORGANISATION: IdentifierKind
REPLACEMENT_STYLE_UNSPECIFIED: ReplacementStyle
REPLACEMENT_STYLE_PLACEHOLDER: ReplacementStyle
REPLACEMENT_STYLE_SURROGATE: ReplacementStyle
IDENTIFIER_ORIGIN_UNSPECIFIED: IdentifierOrigin
IDENTIFIER_ORIGIN_RULE: IdentifierOrigin
IDENTIFIER_ORIGIN_LIST: IdentifierOrigin
IDENTIFIER_ORIGIN_MODEL: IdentifierOrigin
IDENTIFIER_ORIGIN_CALLER: IdentifierOrigin
IDENTIFIER_ORIGIN_REPEATED: IdentifierOrigin

class KnownIdentifier(_message.Message):
    __slots__ = ("kind", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: IdentifierKind
    text: str
    def __init__(self, kind: _Optional[_Union[IdentifierKind, str]] = ..., text: _Optional[str] = ...) -> None: ...

class DeidentifyRequest(_message.Message):
    __slots__ = ("texts", "style", "key", "patient", "kept_kinds", "known", "model")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    KEPT_KINDS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    style: ReplacementStyle
    key: bytes
    patient: str
    kept_kinds: _containers.RepeatedScalarFieldContainer[IdentifierKind]
    known: _containers.RepeatedCompositeFieldContainer[KnownIdentifier]
    model: str
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., style: _Optional[_Union[ReplacementStyle, str]] = ..., key: _Optional[bytes] = ..., patient: _Optional[str] = ..., kept_kinds: _Optional[_Iterable[_Union[IdentifierKind, str]]] = ..., known: _Optional[_Iterable[_Union[KnownIdentifier, _Mapping]]] = ..., model: _Optional[str] = ...) -> None: ...

class DeidentifyResponse(_message.Message):
    __slots__ = ("deidentification",)
    DEIDENTIFICATION_FIELD_NUMBER: _ClassVar[int]
    deidentification: Deidentification
    def __init__(self, deidentification: _Optional[_Union[Deidentification, _Mapping]] = ...) -> None: ...

class Deidentification(_message.Message):
    __slots__ = ("texts", "notices", "provenance")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedCompositeFieldContainer[DeidentifiedText]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, texts: _Optional[_Iterable[_Union[DeidentifiedText, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class DeidentifiedText(_message.Message):
    __slots__ = ("text", "replacements")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    replacements: _containers.RepeatedCompositeFieldContainer[Replacement]
    def __init__(self, text: _Optional[str] = ..., replacements: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ...) -> None: ...

class Replacement(_message.Message):
    __slots__ = ("kind", "start_offset", "end_offset", "replaced_start_offset", "replaced_end_offset", "number", "confidence", "origin")
    KIND_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    REPLACED_START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    REPLACED_END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    kind: IdentifierKind
    start_offset: int
    end_offset: int
    replaced_start_offset: int
    replaced_end_offset: int
    number: int
    confidence: float
    origin: IdentifierOrigin
    def __init__(self, kind: _Optional[_Union[IdentifierKind, str]] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., replaced_start_offset: _Optional[int] = ..., replaced_end_offset: _Optional[int] = ..., number: _Optional[int] = ..., confidence: _Optional[float] = ..., origin: _Optional[_Union[IdentifierOrigin, str]] = ...) -> None: ...
