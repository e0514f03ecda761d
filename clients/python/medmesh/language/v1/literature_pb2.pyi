from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublicationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLICATION_KIND_UNSPECIFIED: _ClassVar[PublicationKind]
    PUBLICATION_KIND_GUIDELINE: _ClassVar[PublicationKind]
    PUBLICATION_KIND_SYSTEMATIC_REVIEW: _ClassVar[PublicationKind]
    PUBLICATION_KIND_META_ANALYSIS: _ClassVar[PublicationKind]
    PUBLICATION_KIND_RANDOMIZED_TRIAL: _ClassVar[PublicationKind]
    PUBLICATION_KIND_CLINICAL_TRIAL: _ClassVar[PublicationKind]
    PUBLICATION_KIND_OBSERVATIONAL_STUDY: _ClassVar[PublicationKind]
    PUBLICATION_KIND_CASE_REPORT: _ClassVar[PublicationKind]
    PUBLICATION_KIND_REVIEW: _ClassVar[PublicationKind]
    PUBLICATION_KIND_OPINION: _ClassVar[PublicationKind]
    PUBLICATION_KIND_ARTICLE: _ClassVar[PublicationKind]
    PUBLICATION_KIND_RETRACTED: _ClassVar[PublicationKind]

class PublicationOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLICATION_OUTCOME_UNSPECIFIED: _ClassVar[PublicationOutcome]
    PUBLICATION_OUTCOME_ADDED: _ClassVar[PublicationOutcome]
    PUBLICATION_OUTCOME_REPLACED: _ClassVar[PublicationOutcome]
    PUBLICATION_OUTCOME_UNCHANGED: _ClassVar[PublicationOutcome]
    PUBLICATION_OUTCOME_REFUSED: _ClassVar[PublicationOutcome]

class LiteratureMatching(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LITERATURE_MATCHING_UNSPECIFIED: _ClassVar[LiteratureMatching]
    LITERATURE_MATCHING_WORDS: _ClassVar[LiteratureMatching]
    LITERATURE_MATCHING_MEANING: _ClassVar[LiteratureMatching]
PUBLICATION_KIND_UNSPECIFIED: PublicationKind
PUBLICATION_KIND_GUIDELINE: PublicationKind
PUBLICATION_KIND_SYSTEMATIC_REVIEW: PublicationKind
PUBLICATION_KIND_META_ANALYSIS: PublicationKind
PUBLICATION_KIND_RANDOMIZED_TRIAL: PublicationKind
PUBLICATION_KIND_CLINICAL_TRIAL: PublicationKind
PUBLICATION_KIND_OBSERVATIONAL_STUDY: PublicationKind
PUBLICATION_KIND_CASE_REPORT: PublicationKind
PUBLICATION_KIND_REVIEW: PublicationKind
PUBLICATION_KIND_OPINION: PublicationKind
PUBLICATION_KIND_ARTICLE: PublicationKind
PUBLICATION_KIND_RETRACTED: PublicationKind
PUBLICATION_OUTCOME_UNSPECIFIED: PublicationOutcome
PUBLICATION_OUTCOME_ADDED: PublicationOutcome
PUBLICATION_OUTCOME_REPLACED: PublicationOutcome
PUBLICATION_OUTCOME_UNCHANGED: PublicationOutcome
PUBLICATION_OUTCOME_REFUSED: PublicationOutcome
LITERATURE_MATCHING_UNSPECIFIED: LiteratureMatching
LITERATURE_MATCHING_WORDS: LiteratureMatching
LITERATURE_MATCHING_MEANING: LiteratureMatching

class Publication(_message.Message):
    __slots__ = ("id", "title", "text", "authors", "journal", "year", "pmid", "kinds")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AUTHORS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    YEAR_FIELD_NUMBER: _ClassVar[int]
    PMID_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    text: str
    authors: _containers.RepeatedScalarFieldContainer[str]
    journal: str
    year: int
    pmid: str
    kinds: _containers.RepeatedScalarFieldContainer[PublicationKind]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., authors: _Optional[_Iterable[str]] = ..., journal: _Optional[str] = ..., year: _Optional[int] = ..., pmid: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[PublicationKind, str]]] = ...) -> None: ...

class AddLiteratureRequest(_message.Message):
    __slots__ = ("corpus", "publications", "words_only")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    WORDS_ONLY_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    publications: _containers.RepeatedCompositeFieldContainer[Publication]
    words_only: bool
    def __init__(self, corpus: _Optional[str] = ..., publications: _Optional[_Iterable[_Union[Publication, _Mapping]]] = ..., words_only: _Optional[bool] = ...) -> None: ...

class AddLiteratureResponse(_message.Message):
    __slots__ = ("publications", "provenance")
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    publications: _containers.RepeatedCompositeFieldContainer[AddedPublication]
    provenance: _answer_pb2.Provenance
    def __init__(self, publications: _Optional[_Iterable[_Union[AddedPublication, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class AddedPublication(_message.Message):
    __slots__ = ("outcome", "problem", "passage_count", "truncated_passage_count")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    outcome: PublicationOutcome
    problem: str
    passage_count: int
    truncated_passage_count: int
    def __init__(self, outcome: _Optional[_Union[PublicationOutcome, str]] = ..., problem: _Optional[str] = ..., passage_count: _Optional[int] = ..., truncated_passage_count: _Optional[int] = ...) -> None: ...

class ListLiteratureRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLiteratureResponse(_message.Message):
    __slots__ = ("corpora",)
    CORPORA_FIELD_NUMBER: _ClassVar[int]
    corpora: _containers.RepeatedCompositeFieldContainer[LiteratureCorpus]
    def __init__(self, corpora: _Optional[_Iterable[_Union[LiteratureCorpus, _Mapping]]] = ...) -> None: ...

class LiteratureCorpus(_message.Message):
    __slots__ = ("name", "publication_count", "passage_count", "embedded_passage_count", "provenance", "size_bytes", "embeddings_usable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLICATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDINGS_USABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    publication_count: int
    passage_count: int
    embedded_passage_count: int
    provenance: _answer_pb2.Provenance
    size_bytes: int
    embeddings_usable: bool
    def __init__(self, name: _Optional[str] = ..., publication_count: _Optional[int] = ..., passage_count: _Optional[int] = ..., embedded_passage_count: _Optional[int] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., size_bytes: _Optional[int] = ..., embeddings_usable: _Optional[bool] = ...) -> None: ...

class RemoveLiteratureRequest(_message.Message):
    __slots__ = ("corpus", "ids")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, corpus: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveLiteratureResponse(_message.Message):
    __slots__ = ("removed_publication_count",)
    REMOVED_PUBLICATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    removed_publication_count: int
    def __init__(self, removed_publication_count: _Optional[int] = ...) -> None: ...

class SearchLiteratureRequest(_message.Message):
    __slots__ = ("query", "corpus", "from_year", "to_year", "kinds", "max_passage_count", "max_passages_per_publication", "draft_answer", "matching")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    FROM_YEAR_FIELD_NUMBER: _ClassVar[int]
    TO_YEAR_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_PASSAGES_PER_PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_ANSWER_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    query: str
    corpus: str
    from_year: int
    to_year: int
    kinds: _containers.RepeatedScalarFieldContainer[PublicationKind]
    max_passage_count: int
    max_passages_per_publication: int
    draft_answer: bool
    matching: LiteratureMatching
    def __init__(self, query: _Optional[str] = ..., corpus: _Optional[str] = ..., from_year: _Optional[int] = ..., to_year: _Optional[int] = ..., kinds: _Optional[_Iterable[_Union[PublicationKind, str]]] = ..., max_passage_count: _Optional[int] = ..., max_passages_per_publication: _Optional[int] = ..., draft_answer: _Optional[bool] = ..., matching: _Optional[_Union[LiteratureMatching, str]] = ...) -> None: ...

class SearchLiteratureResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: LiteratureFindings
    def __init__(self, findings: _Optional[_Union[LiteratureFindings, _Mapping]] = ...) -> None: ...

class LiteratureFindings(_message.Message):
    __slots__ = ("passages", "answer", "contradictions_sought", "notices", "provenance")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTIONS_SOUGHT_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[LiteraturePassage]
    answer: LiteratureAnswer
    contradictions_sought: bool
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, passages: _Optional[_Iterable[_Union[LiteraturePassage, _Mapping]]] = ..., answer: _Optional[_Union[LiteratureAnswer, _Mapping]] = ..., contradictions_sought: _Optional[bool] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class LiteraturePassage(_message.Message):
    __slots__ = ("publication", "text", "start_offset", "end_offset", "score", "words_score", "similarity", "contradicts_query", "retracted")
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    WORDS_SCORE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTS_QUERY_FIELD_NUMBER: _ClassVar[int]
    RETRACTED_FIELD_NUMBER: _ClassVar[int]
    publication: Publication
    text: str
    start_offset: int
    end_offset: int
    score: float
    words_score: float
    similarity: float
    contradicts_query: bool
    retracted: bool
    def __init__(self, publication: _Optional[_Union[Publication, _Mapping]] = ..., text: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., score: _Optional[float] = ..., words_score: _Optional[float] = ..., similarity: _Optional[float] = ..., contradicts_query: _Optional[bool] = ..., retracted: _Optional[bool] = ...) -> None: ...

class LiteratureAnswer(_message.Message):
    __slots__ = ("label", "sentences")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    label: str
    sentences: _containers.RepeatedCompositeFieldContainer[CitedSentence]
    def __init__(self, label: _Optional[str] = ..., sentences: _Optional[_Iterable[_Union[CitedSentence, _Mapping]]] = ...) -> None: ...

class CitedSentence(_message.Message):
    __slots__ = ("text", "passage_index", "start_offset", "end_offset")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PASSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    text: str
    passage_index: int
    start_offset: int
    end_offset: int
    def __init__(self, text: _Optional[str] = ..., passage_index: _Optional[int] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ...) -> None: ...
