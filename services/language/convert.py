"""The language service's dataclasses to its messages; requests are plain strings and need no conversion."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.language.v1 import language_pb2 as pb
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import Concept
from services.language.allergies import allergy_notices
from services.language.embedding import Embeddings
from services.language.entities import Assertion, Entity, EntityType, Trigger
from services.language.legibility import legibility_notices
from services.language.ranking import PassageRanking

_TYPES = {EntityType.DISEASE: pb.ENTITY_TYPE_DISEASE, EntityType.CHEMICAL: pb.ENTITY_TYPE_CHEMICAL}
_ASSERTIONS = {
    Assertion.PRESENT: pb.ASSERTION_PRESENT,
    Assertion.ABSENT: pb.ASSERTION_ABSENT,
    Assertion.POSSIBLE: pb.ASSERTION_POSSIBLE,
    Assertion.HISTORICAL: pb.ASSERTION_HISTORICAL,
    Assertion.FAMILY: pb.ASSERTION_FAMILY,
    Assertion.HYPOTHETICAL: pb.ASSERTION_HYPOTHETICAL,
    Assertion.ALLERGY: pb.ASSERTION_ALLERGY,
}


def note_message(note: str, entities: Sequence[Entity], provenance: Provenance) -> pb.AnalyzeNoteResponse:
    """The answer of AnalyzeNote, with notices of what could not be read and of what the terminology added.

    The triggers' words are cut from `note`.
    """
    notices = [*legibility_notices(note), *allergy_notices(note, entities)]
    if recovered := [str(index) for index, entity in enumerate(entities) if entity.from_terminology]:
        message = (
            "The terminology, not the model, decided extent or type of the entities with index "
            f"{', '.join(recovered)}; their confidence is a constant."
        )
        notices.append(Notice("ENTITIES_FROM_TERMINOLOGY", message))
    return pb.AnalyzeNoteResponse(
        entities=[_entity(note, entity) for entity in entities],
        notices=notice_messages(notices),
        provenance=provenance,
    )


def embeddings_message(embeddings: Embeddings, provenance: Provenance) -> pb.EmbedTextsResponse:
    """The answer of EmbedTexts, with a notice when a text was longer than the model reads."""
    notices = []
    if embeddings.truncated:
        indices = ", ".join(map(str, embeddings.truncated))
        message = f"Only the first 254 word pieces count of the texts with index {indices}."
        places = tuple(f"texts[{index}]" for index in embeddings.truncated)
        notices.append(Notice("TEXT_TRUNCATED", message, places=places))
    rows = [pb.Embedding(values=row.tolist()) for row in embeddings.values]
    return pb.EmbedTextsResponse(embeddings=rows, notices=notice_messages(notices), provenance=provenance)


def ranking_message(ranking: PassageRanking, provenance: Provenance) -> pb.RankPassagesResponse:
    """The answer of RankPassages, with notices of what stands last, was not compared, or not read."""
    notices = []
    if against := [str(item.index) for item in ranking.passages if item.contradicts_query]:
        message = (
            f"The passages with index {', '.join(against)} say otherwise of a concept of the query than the "
            "query does, and stand last."
        )
        places = tuple(f"passages[{index}]" for index in against)
        notices.append(Notice("PASSAGES_CONTRADICT_QUERY", message, places=places))
    if not ranking.query_states_something:
        message = (
            "The query asks, or names no known concept: passages that contradict it were not looked for."
        )
        notices.append(Notice("ASSERTIONS_NOT_COMPARED", message))
    cut = [*(["query"] if ranking.query_truncated else []), *(f"passages[{i}]" for i in ranking.truncated)]
    if cut:
        message = f"Only the first 254 word pieces count of {', '.join(cut)}."
        notices.append(Notice("TEXT_TRUNCATED", message, places=tuple(cut)))
    passages = [
        pb.RankedPassage(
            index=item.index, similarity=item.similarity, contradicts_query=item.contradicts_query
        )
        for item in ranking.passages
    ]
    return pb.RankPassagesResponse(passages=passages, provenance=provenance, notices=notice_messages(notices))


def _entity(note: str, entity: Entity) -> pb.Entity:
    message = pb.Entity(
        text=entity.text,
        start_offset=entity.span.start,
        end_offset=entity.span.end,
        type=_TYPES[entity.span.type],
        confidence=entity.confidence,
        assertion=_ASSERTIONS[entity.assertion],
        triggers=[_trigger(note, trigger) for trigger in entity.triggers],
        equivalent_concepts=[_concept(concept) for concept in entity.equivalents],
    )
    if entity.concept is not None:
        message.concept.CopyFrom(_concept(entity.concept))
    return message


def _trigger(note: str, trigger: Trigger) -> pb.Trigger:
    return pb.Trigger(
        text=note[trigger.start : trigger.end],
        start_offset=trigger.start,
        end_offset=trigger.end,
        assertion=_ASSERTIONS[trigger.kind],
    )


def _concept(concept: Concept) -> ConceptMessage:
    return ConceptMessage(system=concept.system, code=concept.code, display=concept.display)
