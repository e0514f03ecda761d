from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EntityType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTITY_TYPE_UNSPECIFIED: _ClassVar[EntityType]
    ENTITY_TYPE_DISEASE: _ClassVar[EntityType]
    ENTITY_TYPE_CHEMICAL: _ClassVar[EntityType]

class Assertion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASSERTION_UNSPECIFIED: _ClassVar[Assertion]
    ASSERTION_PRESENT: _ClassVar[Assertion]
    ASSERTION_ABSENT: _ClassVar[Assertion]
    ASSERTION_POSSIBLE: _ClassVar[Assertion]
    ASSERTION_HISTORICAL: _ClassVar[Assertion]
    ASSERTION_FAMILY: _ClassVar[Assertion]
    ASSERTION_HYPOTHETICAL: _ClassVar[Assertion]
    ASSERTION_ALLERGY: _ClassVar[Assertion]
ENTITY_TYPE_UNSPECIFIED: EntityType
ENTITY_TYPE_DISEASE: EntityType
ENTITY_TYPE_CHEMICAL: EntityType
ASSERTION_UNSPECIFIED: Assertion
ASSERTION_PRESENT: Assertion
ASSERTION_ABSENT: Assertion
ASSERTION_POSSIBLE: Assertion
ASSERTION_HISTORICAL: Assertion
ASSERTION_FAMILY: Assertion
ASSERTION_HYPOTHETICAL: Assertion
ASSERTION_ALLERGY: Assertion

class AnalyzeNoteRequest(_message.Message):
    __slots__ = ("note",)
    NOTE_FIELD_NUMBER: _ClassVar[int]
    note: str
    def __init__(self, note: _Optional[str] = ...) -> None: ...

class AnalyzeNoteResponse(_message.Message):
    __slots__ = ("entities", "notices", "provenance")
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    entities: _containers.RepeatedCompositeFieldContainer[Entity]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, entities: _Optional[_Iterable[_Union[Entity, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("text", "start_offset", "end_offset", "type", "confidence", "assertion", "triggers", "concept", "equivalent_concepts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ASSERTION_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    EQUIVALENT_CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_offset: int
    end_offset: int
    type: EntityType
    confidence: float
    assertion: Assertion
    triggers: _containers.RepeatedCompositeFieldContainer[Trigger]
    concept: _concept_pb2.Concept
    equivalent_concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    def __init__(self, text: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., type: _Optional[_Union[EntityType, str]] = ..., confidence: _Optional[float] = ..., assertion: _Optional[_Union[Assertion, str]] = ..., triggers: _Optional[_Iterable[_Union[Trigger, _Mapping]]] = ..., concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., equivalent_concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ...) -> None: ...

class Trigger(_message.Message):
    __slots__ = ("text", "start_offset", "end_offset", "assertion")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ASSERTION_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_offset: int
    end_offset: int
    assertion: Assertion
    def __init__(self, text: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., assertion: _Optional[_Union[Assertion, str]] = ...) -> None: ...

class EmbedTextsRequest(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class EmbedTextsResponse(_message.Message):
    __slots__ = ("embeddings", "notices", "provenance")
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    embeddings: _containers.RepeatedCompositeFieldContainer[Embedding]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, embeddings: _Optional[_Iterable[_Union[Embedding, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class RankPassagesRequest(_message.Message):
    __slots__ = ("query", "passages", "max_result_count")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    query: str
    passages: _containers.RepeatedScalarFieldContainer[str]
    max_result_count: int
    def __init__(self, query: _Optional[str] = ..., passages: _Optional[_Iterable[str]] = ..., max_result_count: _Optional[int] = ...) -> None: ...

class RankPassagesResponse(_message.Message):
    __slots__ = ("passages", "provenance", "notices")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[RankedPassage]
    provenance: _answer_pb2.Provenance
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, passages: _Optional[_Iterable[_Union[RankedPassage, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class RankedPassage(_message.Message):
    __slots__ = ("index", "similarity", "contradicts_query")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTS_QUERY_FIELD_NUMBER: _ClassVar[int]
    index: int
    similarity: float
    contradicts_query: bool
    def __init__(self, index: _Optional[int] = ..., similarity: _Optional[float] = ..., contradicts_query: _Optional[bool] = ...) -> None: ...
