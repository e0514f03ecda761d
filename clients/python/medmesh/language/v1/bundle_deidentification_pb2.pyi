from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeidentifyBundleRequest(_message.Message):
    __slots__ = ("fhir_bundle", "key", "patient")
    FHIR_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    fhir_bundle: bytes
    key: bytes
    patient: str
    def __init__(self, fhir_bundle: _Optional[bytes] = ..., key: _Optional[bytes] = ..., patient: _Optional[str] = ...) -> None: ...

class DeidentifyBundleResponse(_message.Message):
    __slots__ = ("fhir_bundle", "deidentification")
    FHIR_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    DEIDENTIFICATION_FIELD_NUMBER: _ClassVar[int]
    fhir_bundle: bytes
    deidentification: BundleDeidentification
    def __init__(self, fhir_bundle: _Optional[bytes] = ..., deidentification: _Optional[_Union[BundleDeidentification, _Mapping]] = ...) -> None: ...

class BundleDeidentification(_message.Message):
    __slots__ = ("changes", "notices")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[ElementChange]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, changes: _Optional[_Iterable[_Union[ElementChange, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class ElementChange(_message.Message):
    __slots__ = ("element", "action", "count")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[ElementChange.Action]
        ACTION_REMOVED: _ClassVar[ElementChange.Action]
        ACTION_ID_MAPPED: _ClassVar[ElementChange.Action]
        ACTION_DATE_SHIFTED: _ClassVar[ElementChange.Action]
        ACTION_TEXT_DEIDENTIFIED: _ClassVar[ElementChange.Action]
        ACTION_GENERALISED: _ClassVar[ElementChange.Action]
    ACTION_UNSPECIFIED: ElementChange.Action
    ACTION_REMOVED: ElementChange.Action
    ACTION_ID_MAPPED: ElementChange.Action
    ACTION_DATE_SHIFTED: ElementChange.Action
    ACTION_TEXT_DEIDENTIFIED: ElementChange.Action
    ACTION_GENERALISED: ElementChange.Action
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    element: str
    action: ElementChange.Action
    count: int
    def __init__(self, element: _Optional[str] = ..., action: _Optional[_Union[ElementChange.Action, str]] = ..., count: _Optional[int] = ...) -> None: ...
