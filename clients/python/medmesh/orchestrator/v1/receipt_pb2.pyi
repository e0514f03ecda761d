import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvidenceReceipt(_message.Message):
    __slots__ = ("payload_type", "payload", "signatures")
    PAYLOAD_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    payload_type: str
    payload: bytes
    signatures: _containers.RepeatedCompositeFieldContainer[Signature]
    def __init__(self, payload_type: _Optional[str] = ..., payload: _Optional[bytes] = ..., signatures: _Optional[_Iterable[_Union[Signature, _Mapping]]] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("keyid", "sig")
    KEYID_FIELD_NUMBER: _ClassVar[int]
    SIG_FIELD_NUMBER: _ClassVar[int]
    keyid: str
    sig: bytes
    def __init__(self, keyid: _Optional[str] = ..., sig: _Optional[bytes] = ...) -> None: ...

class ReceiptStatement(_message.Message):
    __slots__ = ("type", "subject", "predicate_type", "predicate")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_TYPE_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    type: str
    subject: _containers.RepeatedCompositeFieldContainer[StatementSubject]
    predicate_type: str
    predicate: DiagnosisReceipt
    def __init__(self, type: _Optional[str] = ..., subject: _Optional[_Iterable[_Union[StatementSubject, _Mapping]]] = ..., predicate_type: _Optional[str] = ..., predicate: _Optional[_Union[DiagnosisReceipt, _Mapping]] = ...) -> None: ...

class StatementSubject(_message.Message):
    __slots__ = ("name", "digest")
    class DigestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DiagnosisReceipt(_message.Message):
    __slots__ = ("receipt_id", "create_time", "salt", "inputs", "models", "fusion_sha256", "previous_payload_sha256", "partial")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    FUSION_SHA256_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_PAYLOAD_SHA256_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    create_time: _timestamp_pb2.Timestamp
    salt: str
    inputs: _containers.RepeatedCompositeFieldContainer[InputDigest]
    models: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Provenance]
    fusion_sha256: str
    previous_payload_sha256: str
    partial: bool
    def __init__(self, receipt_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., salt: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[InputDigest, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[_answer_pb2.Provenance, _Mapping]]] = ..., fusion_sha256: _Optional[str] = ..., previous_payload_sha256: _Optional[str] = ..., partial: _Optional[bool] = ...) -> None: ...

class InputDigest(_message.Message):
    __slots__ = ("kind", "image_index", "hmac_sha256")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[InputDigest.Kind]
        KIND_IMAGE_FILE: _ClassVar[InputDigest.Kind]
        KIND_IMAGE_CONTENT: _ClassVar[InputDigest.Kind]
        KIND_NOTE: _ClassVar[InputDigest.Kind]
        KIND_RECORD: _ClassVar[InputDigest.Kind]
        KIND_OPTIONS: _ClassVar[InputDigest.Kind]
    KIND_UNSPECIFIED: InputDigest.Kind
    KIND_IMAGE_FILE: InputDigest.Kind
    KIND_IMAGE_CONTENT: InputDigest.Kind
    KIND_NOTE: InputDigest.Kind
    KIND_RECORD: InputDigest.Kind
    KIND_OPTIONS: InputDigest.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    IMAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    HMAC_SHA256_FIELD_NUMBER: _ClassVar[int]
    kind: InputDigest.Kind
    image_index: int
    hmac_sha256: str
    def __init__(self, kind: _Optional[_Union[InputDigest.Kind, str]] = ..., image_index: _Optional[int] = ..., hmac_sha256: _Optional[str] = ...) -> None: ...
