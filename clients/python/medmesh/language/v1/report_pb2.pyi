from medmesh.common.v1 import answer_pb2 as _answer_pb2
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

class EvidenceSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVIDENCE_SOURCE_UNSPECIFIED: _ClassVar[EvidenceSource]
    EVIDENCE_SOURCE_IMAGE: _ClassVar[EvidenceSource]
    EVIDENCE_SOURCE_NOTE: _ClassVar[EvidenceSource]
    EVIDENCE_SOURCE_RECORD: _ClassVar[EvidenceSource]
    EVIDENCE_SOURCE_FUSION: _ClassVar[EvidenceSource]

class FindingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_STATUS_UNSPECIFIED: _ClassVar[FindingStatus]
    FINDING_STATUS_PRESENT: _ClassVar[FindingStatus]
    FINDING_STATUS_ABSENT: _ClassVar[FindingStatus]
    FINDING_STATUS_POSSIBLE: _ClassVar[FindingStatus]
    FINDING_STATUS_HISTORICAL: _ClassVar[FindingStatus]

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_LEFT: _ClassVar[Side]
    SIDE_RIGHT: _ClassVar[Side]
    SIDE_BILATERAL: _ClassVar[Side]

class ReportSection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_SECTION_UNSPECIFIED: _ClassVar[ReportSection]
    REPORT_SECTION_INDICATION: _ClassVar[ReportSection]
    REPORT_SECTION_FINDINGS: _ClassVar[ReportSection]
    REPORT_SECTION_IMPRESSION: _ClassVar[ReportSection]
    REPORT_SECTION_RECOMMENDATION: _ClassVar[ReportSection]
    REPORT_SECTION_SUMMARY: _ClassVar[ReportSection]

class SectionStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SECTION_STYLE_UNSPECIFIED: _ClassVar[SectionStyle]
    SECTION_STYLE_PROSE: _ClassVar[SectionStyle]
    SECTION_STYLE_LIST: _ClassVar[SectionStyle]

class SentenceOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENTENCE_ORIGIN_UNSPECIFIED: _ClassVar[SentenceOrigin]
    SENTENCE_ORIGIN_WRITTEN: _ClassVar[SentenceOrigin]
    SENTENCE_ORIGIN_REWRITTEN: _ClassVar[SentenceOrigin]
    SENTENCE_ORIGIN_ADDED: _ClassVar[SentenceOrigin]

class DropReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DROP_REASON_UNSPECIFIED: _ClassVar[DropReason]
    DROP_REASON_FINDING_NOT_IN_EVIDENCE: _ClassVar[DropReason]
    DROP_REASON_CONTRADICTS_EVIDENCE: _ClassVar[DropReason]
    DROP_REASON_CERTAINTY_DIFFERS: _ClassVar[DropReason]
    DROP_REASON_SIDE_DIFFERS: _ClassVar[DropReason]
    DROP_REASON_SEVERITY_DIFFERS: _ClassVar[DropReason]
    DROP_REASON_REGION_DIFFERS: _ClassVar[DropReason]
    DROP_REASON_NUMBER_NOT_IN_EVIDENCE: _ClassVar[DropReason]
    DROP_REASON_DRUG_NOT_IN_EVIDENCE: _ClassVar[DropReason]
    DROP_REASON_NOT_ACCOUNTED_FOR: _ClassVar[DropReason]
    DROP_REASON_NO_EVIDENCE: _ClassVar[DropReason]
    DROP_REASON_REPEATED: _ClassVar[DropReason]
    DROP_REASON_UNFINISHED: _ClassVar[DropReason]
    DROP_REASON_SAYS_LESS: _ClassVar[DropReason]
EVIDENCE_SOURCE_UNSPECIFIED: EvidenceSource
EVIDENCE_SOURCE_IMAGE: EvidenceSource
EVIDENCE_SOURCE_NOTE: EvidenceSource
EVIDENCE_SOURCE_RECORD: EvidenceSource
EVIDENCE_SOURCE_FUSION: EvidenceSource
FINDING_STATUS_UNSPECIFIED: FindingStatus
FINDING_STATUS_PRESENT: FindingStatus
FINDING_STATUS_ABSENT: FindingStatus
FINDING_STATUS_POSSIBLE: FindingStatus
FINDING_STATUS_HISTORICAL: FindingStatus
SIDE_UNSPECIFIED: Side
SIDE_LEFT: Side
SIDE_RIGHT: Side
SIDE_BILATERAL: Side
REPORT_SECTION_UNSPECIFIED: ReportSection
REPORT_SECTION_INDICATION: ReportSection
REPORT_SECTION_FINDINGS: ReportSection
REPORT_SECTION_IMPRESSION: ReportSection
REPORT_SECTION_RECOMMENDATION: ReportSection
REPORT_SECTION_SUMMARY: ReportSection
SECTION_STYLE_UNSPECIFIED: SectionStyle
SECTION_STYLE_PROSE: SectionStyle
SECTION_STYLE_LIST: SectionStyle
SENTENCE_ORIGIN_UNSPECIFIED: SentenceOrigin
SENTENCE_ORIGIN_WRITTEN: SentenceOrigin
SENTENCE_ORIGIN_REWRITTEN: SentenceOrigin
SENTENCE_ORIGIN_ADDED: SentenceOrigin
DROP_REASON_UNSPECIFIED: DropReason
DROP_REASON_FINDING_NOT_IN_EVIDENCE: DropReason
DROP_REASON_CONTRADICTS_EVIDENCE: DropReason
DROP_REASON_CERTAINTY_DIFFERS: DropReason
DROP_REASON_SIDE_DIFFERS: DropReason
DROP_REASON_SEVERITY_DIFFERS: DropReason
DROP_REASON_REGION_DIFFERS: DropReason
DROP_REASON_NUMBER_NOT_IN_EVIDENCE: DropReason
DROP_REASON_DRUG_NOT_IN_EVIDENCE: DropReason
DROP_REASON_NOT_ACCOUNTED_FOR: DropReason
DROP_REASON_NO_EVIDENCE: DropReason
DROP_REASON_REPEATED: DropReason
DROP_REASON_UNFINISHED: DropReason
DROP_REASON_SAYS_LESS: DropReason

class GenerateReportRequest(_message.Message):
    __slots__ = ("evidence", "options")
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    evidence: ReportEvidence
    options: ReportOptions
    def __init__(self, evidence: _Optional[_Union[ReportEvidence, _Mapping]] = ..., options: _Optional[_Union[ReportOptions, _Mapping]] = ...) -> None: ...

class GenerateReportResponse(_message.Message):
    __slots__ = ("sentence", "draft")
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    sentence: DraftSentence
    draft: Draft
    def __init__(self, sentence: _Optional[_Union[DraftSentence, _Mapping]] = ..., draft: _Optional[_Union[Draft, _Mapping]] = ...) -> None: ...

class SummarizeRequest(_message.Message):
    __slots__ = ("kind", "text", "model", "max_token_count")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[SummarizeRequest.Kind]
        KIND_IMPRESSION: _ClassVar[SummarizeRequest.Kind]
        KIND_SUMMARY: _ClassVar[SummarizeRequest.Kind]
    KIND_UNSPECIFIED: SummarizeRequest.Kind
    KIND_IMPRESSION: SummarizeRequest.Kind
    KIND_SUMMARY: SummarizeRequest.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: SummarizeRequest.Kind
    text: str
    model: str
    max_token_count: int
    def __init__(self, kind: _Optional[_Union[SummarizeRequest.Kind, str]] = ..., text: _Optional[str] = ..., model: _Optional[str] = ..., max_token_count: _Optional[int] = ...) -> None: ...

class SummarizeResponse(_message.Message):
    __slots__ = ("sentence", "draft")
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    sentence: DraftSentence
    draft: Draft
    def __init__(self, sentence: _Optional[_Union[DraftSentence, _Mapping]] = ..., draft: _Optional[_Union[Draft, _Mapping]] = ...) -> None: ...

class ReportEvidence(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EvidenceItem]
    def __init__(self, items: _Optional[_Iterable[_Union[EvidenceItem, _Mapping]]] = ...) -> None: ...

class EvidenceItem(_message.Message):
    __slots__ = ("finding", "measurement", "medication", "normal_study", "indication", "recommendation", "disagreement", "source", "reference", "probability")
    FINDING_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    MEDICATION_FIELD_NUMBER: _ClassVar[int]
    NORMAL_STUDY_FIELD_NUMBER: _ClassVar[int]
    INDICATION_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    finding: FindingEvidence
    measurement: MeasurementEvidence
    medication: MedicationEvidence
    normal_study: NormalStudyEvidence
    indication: IndicationEvidence
    recommendation: RecommendationEvidence
    disagreement: DisagreementEvidence
    source: EvidenceSource
    reference: str
    probability: float
    def __init__(self, finding: _Optional[_Union[FindingEvidence, _Mapping]] = ..., measurement: _Optional[_Union[MeasurementEvidence, _Mapping]] = ..., medication: _Optional[_Union[MedicationEvidence, _Mapping]] = ..., normal_study: _Optional[_Union[NormalStudyEvidence, _Mapping]] = ..., indication: _Optional[_Union[IndicationEvidence, _Mapping]] = ..., recommendation: _Optional[_Union[RecommendationEvidence, _Mapping]] = ..., disagreement: _Optional[_Union[DisagreementEvidence, _Mapping]] = ..., source: _Optional[_Union[EvidenceSource, str]] = ..., reference: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class FindingEvidence(_message.Message):
    __slots__ = ("name", "concepts", "status", "side", "severity", "region", "extent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    status: FindingStatus
    side: Side
    severity: str
    region: str
    extent: _quantity_pb2.Quantity
    def __init__(self, name: _Optional[str] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., status: _Optional[_Union[FindingStatus, str]] = ..., side: _Optional[_Union[Side, str]] = ..., severity: _Optional[str] = ..., region: _Optional[str] = ..., extent: _Optional[_Union[_quantity_pb2.Quantity, _Mapping]] = ...) -> None: ...

class MeasurementEvidence(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: _quantity_pb2.Quantity
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_quantity_pb2.Quantity, _Mapping]] = ...) -> None: ...

class MedicationEvidence(_message.Message):
    __slots__ = ("name", "dose")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOSE_FIELD_NUMBER: _ClassVar[int]
    name: str
    dose: str
    def __init__(self, name: _Optional[str] = ..., dose: _Optional[str] = ...) -> None: ...

class NormalStudyEvidence(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class IndicationEvidence(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class RecommendationEvidence(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class DisagreementEvidence(_message.Message):
    __slots__ = ("name", "concepts", "supporting", "opposing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTING_FIELD_NUMBER: _ClassVar[int]
    OPPOSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    supporting: EvidenceSource
    opposing: EvidenceSource
    def __init__(self, name: _Optional[str] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., supporting: _Optional[_Union[EvidenceSource, str]] = ..., opposing: _Optional[_Union[EvidenceSource, str]] = ...) -> None: ...

class ReportOptions(_message.Message):
    __slots__ = ("template_name", "template", "model", "max_token_count")
    TEMPLATE_NAME_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    template_name: str
    template: ReportTemplate
    model: str
    max_token_count: int
    def __init__(self, template_name: _Optional[str] = ..., template: _Optional[_Union[ReportTemplate, _Mapping]] = ..., model: _Optional[str] = ..., max_token_count: _Optional[int] = ...) -> None: ...

class ReportTemplate(_message.Message):
    __slots__ = ("sections", "style")
    SECTIONS_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    sections: _containers.RepeatedCompositeFieldContainer[TemplateSection]
    style: SectionStyle
    def __init__(self, sections: _Optional[_Iterable[_Union[TemplateSection, _Mapping]]] = ..., style: _Optional[_Union[SectionStyle, str]] = ...) -> None: ...

class TemplateSection(_message.Message):
    __slots__ = ("kind", "heading", "when_empty")
    KIND_FIELD_NUMBER: _ClassVar[int]
    HEADING_FIELD_NUMBER: _ClassVar[int]
    WHEN_EMPTY_FIELD_NUMBER: _ClassVar[int]
    kind: ReportSection
    heading: str
    when_empty: str
    def __init__(self, kind: _Optional[_Union[ReportSection, str]] = ..., heading: _Optional[str] = ..., when_empty: _Optional[str] = ...) -> None: ...

class Draft(_message.Message):
    __slots__ = ("text", "mark", "sentences", "dropped", "counts", "notices", "provenance")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    mark: str
    sentences: _containers.RepeatedCompositeFieldContainer[DraftSentence]
    dropped: _containers.RepeatedCompositeFieldContainer[DroppedSentence]
    counts: DraftCounts
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, text: _Optional[str] = ..., mark: _Optional[str] = ..., sentences: _Optional[_Iterable[_Union[DraftSentence, _Mapping]]] = ..., dropped: _Optional[_Iterable[_Union[DroppedSentence, _Mapping]]] = ..., counts: _Optional[_Union[DraftCounts, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class DraftSentence(_message.Message):
    __slots__ = ("section", "text", "start_offset", "end_offset", "origin", "support")
    SECTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    section: ReportSection
    text: str
    start_offset: int
    end_offset: int
    origin: SentenceOrigin
    support: _containers.RepeatedCompositeFieldContainer[SentenceSupport]
    def __init__(self, section: _Optional[_Union[ReportSection, str]] = ..., text: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., origin: _Optional[_Union[SentenceOrigin, str]] = ..., support: _Optional[_Iterable[_Union[SentenceSupport, _Mapping]]] = ...) -> None: ...

class SentenceSupport(_message.Message):
    __slots__ = ("item_index", "source_span")
    ITEM_INDEX_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SPAN_FIELD_NUMBER: _ClassVar[int]
    item_index: int
    source_span: SourceSpan
    def __init__(self, item_index: _Optional[int] = ..., source_span: _Optional[_Union[SourceSpan, _Mapping]] = ...) -> None: ...

class SourceSpan(_message.Message):
    __slots__ = ("start_offset", "end_offset")
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    start_offset: int
    end_offset: int
    def __init__(self, start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ...) -> None: ...

class DroppedSentence(_message.Message):
    __slots__ = ("section", "text", "reason", "rewritten")
    SECTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REWRITTEN_FIELD_NUMBER: _ClassVar[int]
    section: ReportSection
    text: str
    reason: DropReason
    rewritten: bool
    def __init__(self, section: _Optional[_Union[ReportSection, str]] = ..., text: _Optional[str] = ..., reason: _Optional[_Union[DropReason, str]] = ..., rewritten: _Optional[bool] = ...) -> None: ...

class DraftCounts(_message.Message):
    __slots__ = ("written_count", "kept_count", "rewritten_count", "dropped_count", "added_count", "reasons")
    WRITTEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REWRITTEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ADDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    written_count: int
    kept_count: int
    rewritten_count: int
    dropped_count: int
    added_count: int
    reasons: _containers.RepeatedCompositeFieldContainer[DropReasonCount]
    def __init__(self, written_count: _Optional[int] = ..., kept_count: _Optional[int] = ..., rewritten_count: _Optional[int] = ..., dropped_count: _Optional[int] = ..., added_count: _Optional[int] = ..., reasons: _Optional[_Iterable[_Union[DropReasonCount, _Mapping]]] = ...) -> None: ...

class DropReasonCount(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: DropReason
    count: int
    def __init__(self, reason: _Optional[_Union[DropReason, str]] = ..., count: _Optional[int] = ...) -> None: ...
