from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProfileOption(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFILE_OPTION_UNSPECIFIED: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_FULL_DATES: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_MODIFIED_DATES: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_PATIENT_CHARACTERISTICS: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_DEVICE_IDENTITY: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_UIDS: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_SAFE_PRIVATE: _ClassVar[ProfileOption]
    PROFILE_OPTION_RETAIN_INSTITUTION_IDENTITY: _ClassVar[ProfileOption]
    PROFILE_OPTION_CLEAN_DESCRIPTORS: _ClassVar[ProfileOption]

class BurnedInText(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BURNED_IN_TEXT_UNSPECIFIED: _ClassVar[BurnedInText]
    BURNED_IN_TEXT_MASKED: _ClassVar[BurnedInText]
    BURNED_IN_TEXT_MARKERS_KEPT: _ClassVar[BurnedInText]
    BURNED_IN_TEXT_KEPT: _ClassVar[BurnedInText]
PROFILE_OPTION_UNSPECIFIED: ProfileOption
PROFILE_OPTION_RETAIN_FULL_DATES: ProfileOption
PROFILE_OPTION_RETAIN_MODIFIED_DATES: ProfileOption
PROFILE_OPTION_RETAIN_PATIENT_CHARACTERISTICS: ProfileOption
PROFILE_OPTION_RETAIN_DEVICE_IDENTITY: ProfileOption
PROFILE_OPTION_RETAIN_UIDS: ProfileOption
PROFILE_OPTION_RETAIN_SAFE_PRIVATE: ProfileOption
PROFILE_OPTION_RETAIN_INSTITUTION_IDENTITY: ProfileOption
PROFILE_OPTION_CLEAN_DESCRIPTORS: ProfileOption
BURNED_IN_TEXT_UNSPECIFIED: BurnedInText
BURNED_IN_TEXT_MASKED: BurnedInText
BURNED_IN_TEXT_MARKERS_KEPT: BurnedInText
BURNED_IN_TEXT_KEPT: BurnedInText

class ImageDeidentificationOptions(_message.Message):
    __slots__ = ("key", "patient", "profile_options", "burned_in_text")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    PROFILE_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    BURNED_IN_TEXT_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    patient: str
    profile_options: _containers.RepeatedScalarFieldContainer[ProfileOption]
    burned_in_text: BurnedInText
    def __init__(self, key: _Optional[bytes] = ..., patient: _Optional[str] = ..., profile_options: _Optional[_Iterable[_Union[ProfileOption, str]]] = ..., burned_in_text: _Optional[_Union[BurnedInText, str]] = ...) -> None: ...

class DeidentifyImageRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: ImageDeidentificationOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[ImageDeidentificationOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DeidentifyImageResponse(_message.Message):
    __slots__ = ("deidentification", "chunk")
    DEIDENTIFICATION_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    deidentification: ImageDeidentification
    chunk: bytes
    def __init__(self, deidentification: _Optional[_Union[ImageDeidentification, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImageDeidentification(_message.Message):
    __slots__ = ("format", "transfer_syntax_uid", "sop_instance_uid", "changes", "masked_regions", "examined_frame_count", "frame_count", "provenance", "notices")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_SYNTAX_UID_FIELD_NUMBER: _ClassVar[int]
    SOP_INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MASKED_REGIONS_FIELD_NUMBER: _ClassVar[int]
    EXAMINED_FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    format: str
    transfer_syntax_uid: str
    sop_instance_uid: str
    changes: _containers.RepeatedCompositeFieldContainer[AttributeChange]
    masked_regions: _containers.RepeatedCompositeFieldContainer[MaskedRegion]
    examined_frame_count: int
    frame_count: int
    provenance: _answer_pb2.Provenance
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, format: _Optional[str] = ..., transfer_syntax_uid: _Optional[str] = ..., sop_instance_uid: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[AttributeChange, _Mapping]]] = ..., masked_regions: _Optional[_Iterable[_Union[MaskedRegion, _Mapping]]] = ..., examined_frame_count: _Optional[int] = ..., frame_count: _Optional[int] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class AttributeChange(_message.Message):
    __slots__ = ("tag", "name", "action", "reason", "count")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[AttributeChange.Action]
        ACTION_REMOVED: _ClassVar[AttributeChange.Action]
        ACTION_EMPTIED: _ClassVar[AttributeChange.Action]
        ACTION_REPLACED: _ClassVar[AttributeChange.Action]
        ACTION_UID_MAPPED: _ClassVar[AttributeChange.Action]
        ACTION_DATE_SHIFTED: _ClassVar[AttributeChange.Action]
        ACTION_CLEANED: _ClassVar[AttributeChange.Action]
    ACTION_UNSPECIFIED: AttributeChange.Action
    ACTION_REMOVED: AttributeChange.Action
    ACTION_EMPTIED: AttributeChange.Action
    ACTION_REPLACED: AttributeChange.Action
    ACTION_UID_MAPPED: AttributeChange.Action
    ACTION_DATE_SHIFTED: AttributeChange.Action
    ACTION_CLEANED: AttributeChange.Action
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[AttributeChange.Reason]
        REASON_PROFILE: _ClassVar[AttributeChange.Reason]
        REASON_PRIVATE: _ClassVar[AttributeChange.Reason]
        REASON_FREE_TEXT: _ClassVar[AttributeChange.Reason]
        REASON_UNKNOWN: _ClassVar[AttributeChange.Reason]
        REASON_EMBEDDED: _ClassVar[AttributeChange.Reason]
        REASON_PICTURE_METADATA: _ClassVar[AttributeChange.Reason]
    REASON_UNSPECIFIED: AttributeChange.Reason
    REASON_PROFILE: AttributeChange.Reason
    REASON_PRIVATE: AttributeChange.Reason
    REASON_FREE_TEXT: AttributeChange.Reason
    REASON_UNKNOWN: AttributeChange.Reason
    REASON_EMBEDDED: AttributeChange.Reason
    REASON_PICTURE_METADATA: AttributeChange.Reason
    TAG_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    tag: str
    name: str
    action: AttributeChange.Action
    reason: AttributeChange.Reason
    count: int
    def __init__(self, tag: _Optional[str] = ..., name: _Optional[str] = ..., action: _Optional[_Union[AttributeChange.Action, str]] = ..., reason: _Optional[_Union[AttributeChange.Reason, str]] = ..., count: _Optional[int] = ...) -> None: ...

class MaskedRegion(_message.Message):
    __slots__ = ("left_px", "top_px", "width_px", "height_px", "cause")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[MaskedRegion.Cause]
        CAUSE_TEXT: _ClassVar[MaskedRegion.Cause]
        CAUSE_OUTSIDE_ULTRASOUND_REGIONS: _ClassVar[MaskedRegion.Cause]
    CAUSE_UNSPECIFIED: MaskedRegion.Cause
    CAUSE_TEXT: MaskedRegion.Cause
    CAUSE_OUTSIDE_ULTRASOUND_REGIONS: MaskedRegion.Cause
    LEFT_PX_FIELD_NUMBER: _ClassVar[int]
    TOP_PX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    left_px: int
    top_px: int
    width_px: int
    height_px: int
    cause: MaskedRegion.Cause
    def __init__(self, left_px: _Optional[int] = ..., top_px: _Optional[int] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., cause: _Optional[_Union[MaskedRegion.Cause, str]] = ...) -> None: ...
