from medmesh.common.v1 import answer_pb2 as _answer_pb2
from medmesh.common.v1 import concept_pb2 as _concept_pb2
from medmesh.common.v1 import options_pb2 as _options_pb2
from medmesh.common.v1 import serving_pb2 as _serving_pb2
from medmesh.language.v1 import bundle_deidentification_pb2 as _bundle_deidentification_pb2
from medmesh.language.v1 import deidentification_pb2 as _deidentification_pb2
from medmesh.language.v1 import literature_pb2 as _literature_pb2
from medmesh.language.v1 import report_pb2 as _report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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

class EntityOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTITY_ORIGIN_UNSPECIFIED: _ClassVar[EntityOrigin]
    ENTITY_ORIGIN_MODEL: _ClassVar[EntityOrigin]
    ENTITY_ORIGIN_MODEL_RETYPED: _ClassVar[EntityOrigin]
    ENTITY_ORIGIN_TERMINOLOGY: _ClassVar[EntityOrigin]

class TextUse(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_USE_UNSPECIFIED: _ClassVar[TextUse]
    TEXT_USE_PASSAGE: _ClassVar[TextUse]
    TEXT_USE_QUERY: _ClassVar[TextUse]
ASSERTION_UNSPECIFIED: Assertion
ASSERTION_PRESENT: Assertion
ASSERTION_ABSENT: Assertion
ASSERTION_POSSIBLE: Assertion
ASSERTION_HISTORICAL: Assertion
ASSERTION_FAMILY: Assertion
ASSERTION_HYPOTHETICAL: Assertion
ASSERTION_ALLERGY: Assertion
ENTITY_ORIGIN_UNSPECIFIED: EntityOrigin
ENTITY_ORIGIN_MODEL: EntityOrigin
ENTITY_ORIGIN_MODEL_RETYPED: EntityOrigin
ENTITY_ORIGIN_TERMINOLOGY: EntityOrigin
TEXT_USE_UNSPECIFIED: TextUse
TEXT_USE_PASSAGE: TextUse
TEXT_USE_QUERY: TextUse

class AnalyzeNoteRequest(_message.Message):
    __slots__ = ("note", "models")
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    note: str
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, note: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class AnalyzeNoteResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: NoteAnalysis
    def __init__(self, analysis: _Optional[_Union[NoteAnalysis, _Mapping]] = ...) -> None: ...

class NoteAnalysis(_message.Message):
    __slots__ = ("results", "mentions", "notices")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[NoteModelResult]
    mentions: _containers.RepeatedCompositeFieldContainer[Mention]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, results: _Optional[_Iterable[_Union[NoteModelResult, _Mapping]]] = ..., mentions: _Optional[_Iterable[_Union[Mention, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class NoteModelResult(_message.Message):
    __slots__ = ("provenance", "entities", "labels", "calibrated", "prediction_set", "notices")
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    provenance: _answer_pb2.Provenance
    entities: _containers.RepeatedCompositeFieldContainer[Entity]
    labels: _containers.RepeatedCompositeFieldContainer[TextLabel]
    calibrated: bool
    prediction_set: _answer_pb2.PredictionSet
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    def __init__(self, provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[Entity, _Mapping]]] = ..., labels: _Optional[_Iterable[_Union[TextLabel, _Mapping]]] = ..., calibrated: _Optional[bool] = ..., prediction_set: _Optional[_Union[_answer_pb2.PredictionSet, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ...) -> None: ...

class Mention(_message.Message):
    __slots__ = ("type", "start_offset", "end_offset", "entities")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    type: str
    start_offset: int
    end_offset: int
    entities: _containers.RepeatedCompositeFieldContainer[EntityReference]
    def __init__(self, type: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., entities: _Optional[_Iterable[_Union[EntityReference, _Mapping]]] = ...) -> None: ...

class EntityReference(_message.Message):
    __slots__ = ("result_index", "entity_index")
    RESULT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTITY_INDEX_FIELD_NUMBER: _ClassVar[int]
    result_index: int
    entity_index: int
    def __init__(self, result_index: _Optional[int] = ..., entity_index: _Optional[int] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("text", "start_offset", "end_offset", "type", "confidence", "assertion", "triggers", "concept", "equivalent_concepts", "origin")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ASSERTION_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    EQUIVALENT_CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_offset: int
    end_offset: int
    type: str
    confidence: float
    assertion: Assertion
    triggers: _containers.RepeatedCompositeFieldContainer[Trigger]
    concept: _concept_pb2.Concept
    equivalent_concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    origin: EntityOrigin
    def __init__(self, text: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., type: _Optional[str] = ..., confidence: _Optional[float] = ..., assertion: _Optional[_Union[Assertion, str]] = ..., triggers: _Optional[_Iterable[_Union[Trigger, _Mapping]]] = ..., concept: _Optional[_Union[_concept_pb2.Concept, _Mapping]] = ..., equivalent_concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ..., origin: _Optional[_Union[EntityOrigin, str]] = ...) -> None: ...

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

class TextLabel(_message.Message):
    __slots__ = ("name", "meaning", "probability", "found", "concepts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    meaning: _serving_pb2.LabelMeaning
    probability: float
    found: bool
    concepts: _containers.RepeatedCompositeFieldContainer[_concept_pb2.Concept]
    def __init__(self, name: _Optional[str] = ..., meaning: _Optional[_Union[_serving_pb2.LabelMeaning, str]] = ..., probability: _Optional[float] = ..., found: _Optional[bool] = ..., concepts: _Optional[_Iterable[_Union[_concept_pb2.Concept, _Mapping]]] = ...) -> None: ...

class EmbedTextsRequest(_message.Message):
    __slots__ = ("texts", "model", "use")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USE_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    model: str
    use: TextUse
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., use: _Optional[_Union[TextUse, str]] = ...) -> None: ...

class EmbedTextsResponse(_message.Message):
    __slots__ = ("embeddings",)
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    embeddings: TextEmbeddings
    def __init__(self, embeddings: _Optional[_Union[TextEmbeddings, _Mapping]] = ...) -> None: ...

class TextEmbeddings(_message.Message):
    __slots__ = ("embeddings", "truncated_indices", "notices", "provenance")
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_INDICES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    embeddings: _containers.RepeatedCompositeFieldContainer[Embedding]
    truncated_indices: _containers.RepeatedScalarFieldContainer[int]
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, embeddings: _Optional[_Iterable[_Union[Embedding, _Mapping]]] = ..., truncated_indices: _Optional[_Iterable[int]] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class RankPassagesRequest(_message.Message):
    __slots__ = ("query", "passages", "max_passage_count", "model")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    query: str
    passages: _containers.RepeatedScalarFieldContainer[str]
    max_passage_count: int
    model: str
    def __init__(self, query: _Optional[str] = ..., passages: _Optional[_Iterable[str]] = ..., max_passage_count: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class RankPassagesResponse(_message.Message):
    __slots__ = ("ranking",)
    RANKING_FIELD_NUMBER: _ClassVar[int]
    ranking: PassageRanking
    def __init__(self, ranking: _Optional[_Union[PassageRanking, _Mapping]] = ...) -> None: ...

class PassageRanking(_message.Message):
    __slots__ = ("passages", "contradictions_sought", "query_truncated", "notices", "provenance")
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTIONS_SOUGHT_FIELD_NUMBER: _ClassVar[int]
    QUERY_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    passages: _containers.RepeatedCompositeFieldContainer[RankedPassage]
    contradictions_sought: bool
    query_truncated: bool
    notices: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Notice]
    provenance: _answer_pb2.Provenance
    def __init__(self, passages: _Optional[_Iterable[_Union[RankedPassage, _Mapping]]] = ..., contradictions_sought: _Optional[bool] = ..., query_truncated: _Optional[bool] = ..., notices: _Optional[_Iterable[_Union[_answer_pb2.Notice, _Mapping]]] = ..., provenance: _Optional[_Union[_answer_pb2.Provenance, _Mapping]] = ...) -> None: ...

class RankedPassage(_message.Message):
    __slots__ = ("index", "similarity", "contradicts_query", "truncated")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTS_QUERY_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    index: int
    similarity: float
    contradicts_query: bool
    truncated: bool
    def __init__(self, index: _Optional[int] = ..., similarity: _Optional[float] = ..., contradicts_query: _Optional[bool] = ..., truncated: _Optional[bool] = ...) -> None: ...
