"""The language service's dataclasses to its messages; requests are plain strings and need no conversion."""

from __future__ import annotations

from medmesh.common.v1.answer_pb2 import PredictionSet
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.language.v1 import language_pb2 as pb
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import Concept
from services.language.entities import Assertion, Entity, Origin, Trigger
from services.language.mentions import Mention
from services.language.note_reading import ModelReading, NoteReading
from services.language.ranking import PassageRanking
from services.language.tasks.text_classification import LabelAnswer
from services.language.tasks.text_embedding import Embeddings

_ASSERTIONS = {
    None: pb.ASSERTION_UNSPECIFIED,
    Assertion.PRESENT: pb.ASSERTION_PRESENT,
    Assertion.ABSENT: pb.ASSERTION_ABSENT,
    Assertion.POSSIBLE: pb.ASSERTION_POSSIBLE,
    Assertion.HISTORICAL: pb.ASSERTION_HISTORICAL,
    Assertion.FAMILY: pb.ASSERTION_FAMILY,
    Assertion.HYPOTHETICAL: pb.ASSERTION_HYPOTHETICAL,
    Assertion.ALLERGY: pb.ASSERTION_ALLERGY,
}
_ORIGINS = {
    Origin.MODEL: pb.ENTITY_ORIGIN_MODEL,
    Origin.MODEL_RETYPED: pb.ENTITY_ORIGIN_MODEL_RETYPED,
    Origin.TERMINOLOGY: pb.ENTITY_ORIGIN_TERMINOLOGY,
}


def note_message(note: str, reading: NoteReading) -> pb.NoteAnalysis:
    """What the models read; the triggers' words are cut from `note`."""
    return pb.NoteAnalysis(
        results=[_result(note, result) for result in reading.results],
        mentions=[_mention(mention) for mention in reading.mentions],
        notices=notice_messages(reading.notices),
    )


def embeddings_message(embeddings: Embeddings) -> pb.TextEmbeddings:
    """The points, with a notice when a text was longer than the model reads."""
    notices = []
    if embeddings.truncated:
        places = [f"texts[{index}]" for index in embeddings.truncated]
        notices.append(_truncated(embeddings.token_room, places))
    return pb.TextEmbeddings(
        embeddings=[pb.Embedding(values=row.tolist()) for row in embeddings.values],
        truncated_indices=embeddings.truncated,
        notices=notice_messages(notices),
        provenance=embeddings.provenance,
    )


def ranking_message(ranking: PassageRanking) -> pb.PassageRanking:
    """The order, with notices of what stands last, was not compared, or not read."""
    notices = []
    if against := [f"passages[{item.index}]" for item in ranking.passages if item.contradicts_query]:
        message = (
            "Passages say otherwise of a concept of the query than the query does, and stand last "
            "(see `contradicts_query`)."
        )
        notices.append(Notice("PASSAGES_CONTRADICT_QUERY", message, places=tuple(against)))
    if not ranking.query_states_something:
        message = (
            "The query asks, or names no known concept: passages that contradict it were not looked for."
        )
        notices.append(Notice("ASSERTIONS_NOT_COMPARED", message))
    cut = [*(["query"] if ranking.query_truncated else []), *(f"passages[{i}]" for i in ranking.truncated)]
    if cut:
        notices.append(_truncated(ranking.token_room, cut))
    truncated = frozenset(ranking.truncated)
    return pb.PassageRanking(
        passages=[
            pb.RankedPassage(
                index=item.index,
                similarity=item.similarity,
                contradicts_query=item.contradicts_query,
                truncated=item.index in truncated,
            )
            for item in ranking.passages
        ],
        contradictions_sought=ranking.query_states_something,
        query_truncated=ranking.query_truncated,
        notices=notice_messages(notices),
        provenance=ranking.provenance,
    )


def _truncated(token_room: int, places: list[str]) -> Notice:
    message = f"Of texts that are longer, only the first {token_room} tokens count."
    return Notice("TEXT_TRUNCATED", message, places=tuple(places))


def _result(note: str, result: ModelReading) -> pb.NoteModelResult:
    message = pb.NoteModelResult(
        provenance=result.provenance,
        entities=[_entity(note, entity) for entity in result.entities],
        calibrated=result.is_calibrated,
        notices=notice_messages(result.notices),
    )
    if (classified := result.classified) is not None:
        message.labels.extend(_label(answer) for answer in classified.labels)
        if classified.not_ruled_out is not None:
            kept = PredictionSet(labels=classified.not_ruled_out, coverage=classified.coverage)
            message.prediction_set.CopyFrom(kept)
    return message


def _label(answer: LabelAnswer) -> pb.TextLabel:
    return pb.TextLabel(
        name=answer.label.name,
        meaning=answer.label.meaning,
        probability=answer.probability,
        found=answer.found,
        concepts=answer.label.concepts,
    )


def _mention(mention: Mention) -> pb.Mention:
    return pb.Mention(
        type=mention.type,
        start_offset=mention.start,
        end_offset=mention.end,
        entities=[
            pb.EntityReference(result_index=result, entity_index=entity)
            for result, entity in mention.entities
        ],
    )


def _entity(note: str, entity: Entity) -> pb.Entity:
    message = pb.Entity(
        text=entity.text,
        start_offset=entity.span.start,
        end_offset=entity.span.end,
        type=str(entity.span.type),
        confidence=entity.confidence,
        assertion=_ASSERTIONS[entity.assertion],
        triggers=[_trigger(note, trigger) for trigger in entity.triggers],
        equivalent_concepts=[_concept(concept) for concept in entity.equivalents],
        origin=_ORIGINS[entity.origin],
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
