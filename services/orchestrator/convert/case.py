"""What the branches found, as evidence is read from it: answers of the services -> `Case`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medmesh.common.v1 import patient_pb2
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from services.clinical.concepts import Concept
from services.orchestrator.cards import ModelCards
from services.orchestrator.case import (
    Assertion,
    Case,
    Mention,
    Reading,
    RecordedCondition,
    Standing,
)
from services.orchestrator.declared import Declaration
from services.orchestrator.fanout import Answers, BranchKind
from services.orchestrator.fusion import Source
from services.orchestrator.knowledge import Code
from services.orchestrator.references import NoteEntity, RecordEntry

DISEASE = "DISEASE"
CHEMICAL = "CHEMICAL"
"""The type of entity that names conditions, signs and symptoms, whichever model found it."""
_ASSERTIONS = {
    language_pb2.ASSERTION_PRESENT: Assertion.PRESENT,
    language_pb2.ASSERTION_ABSENT: Assertion.ABSENT,
    language_pb2.ASSERTION_POSSIBLE: Assertion.POSSIBLE,
    language_pb2.ASSERTION_HISTORICAL: Assertion.HISTORICAL,
    language_pb2.ASSERTION_FAMILY: Assertion.FAMILY,
}
_ACTIVE = {
    patient_pb2.CLINICAL_STATUS_ACTIVE,
    patient_pb2.CLINICAL_STATUS_RECURRENCE,
    patient_pb2.CLINICAL_STATUS_RELAPSE,
}
_TENTATIVE = {
    patient_pb2.VERIFICATION_STATUS_PROVISIONAL,
    patient_pb2.VERIFICATION_STATUS_DIFFERENTIAL,
    patient_pb2.VERIFICATION_STATUS_UNCONFIRMED,
}
_NO_FACT = {
    patient_pb2.VERIFICATION_STATUS_REFUTED,
    patient_pb2.VERIFICATION_STATUS_ENTERED_IN_ERROR,
}
_SOURCE_OF = {
    BranchKind.IMAGE: Source.IMAGE,
    BranchKind.NOTE: Source.NOTE,
    BranchKind.RECORD: Source.RECORD,
}


def case_from(answers: Answers, cards: ModelCards) -> Case:
    """What the branches found."""
    record = answers.record.answer.record if answers.record.answer is not None else None
    return Case(
        readings=(*_image_readings(answers, cards), *_note_readings(answers, cards)),
        mentions=tuple(
            mention
            for entity, reference in entities(answers)
            if (mention := mention_of(entity, reference)) is not None
        ),
        recorded=tuple(
            _recorded(condition, index)
            for index, condition in enumerate(record.conditions if record is not None else ())
        ),
        age_years=_age_years(record) if record is not None else None,
    )


def missing_sources(answers: Answers) -> set[Source]:
    """The sources of which at least one branch failed."""
    return {_SOURCE_OF[one.kind] for one in answers.branches() if one.failed and one.kind in _SOURCE_OF}


def entities(answers: Answers) -> Iterator[tuple[language_pb2.Entity, NoteEntity]]:
    """One entity a place of the note, whichever and however many models found it."""
    note = answers.note.answer
    if note is None:
        return
    for mention in note.mentions:
        speaking = mention.entities[0]
        result = note.results[speaking.result_index]
        reference = NoteEntity(result.provenance.model_name, speaking.entity_index)
        yield result.entities[speaking.entity_index], reference


def mention_of(entity: language_pb2.Entity, reference: NoteEntity) -> Mention | None:
    """The entity as a mention of a disease; None: it is none, or nothing is said of it."""
    if entity.type != DISEASE or entity.assertion not in _ASSERTIONS:
        return None
    return Mention(
        codes=_codes(concepts(entity)),
        text=entity.text,
        assertion=_ASSERTIONS[entity.assertion],
        confidence=min(max(entity.confidence, 0.0), 1.0),
        reference=reference,
    )


def concepts(entity: language_pb2.Entity) -> list[ConceptMessage]:
    """The entity's concept in all its codings."""
    return [*([entity.concept] if entity.HasField("concept") else []), *entity.equivalent_concepts]


def _image_readings(answers: Answers, cards: ModelCards) -> Iterator[Reading]:
    for index, branch in enumerate(answers.images):
        if branch.answer is None:
            continue
        is_series = branch.answer.HasField("series")
        for result in branch.answer.results:
            if result.findings:  # a mask says nothing of conditions
                probabilities = {finding.label: finding.probability for finding in result.findings}
                declaration = _fitting(cards.of_answer(result.provenance), probabilities)
                yield Reading(
                    Source.IMAGE,
                    result.provenance.model_name,
                    probabilities,
                    image_index=index,
                    declaration=declaration,
                    standing=_standing(result, declaration, is_series=is_series),
                    is_series=is_series,
                )


def _standing(
    result: imaging_pb2.ImageModelResult, declaration: Declaration | None, *, is_series: bool
) -> Standing:
    if result.gate_decision == imaging_pb2.GATE_DECISION_REJECTED:
        return Standing.REJECTED
    if declaration is None:
        return Standing.UNKNOWN
    if declaration.needs_gate and result.gate_decision != imaging_pb2.GATE_DECISION_ACCEPTED:
        return Standing.NOT_JUDGED
    # Over the slices of a series nothing is calibrated; whether the figures hold there, the card says.
    return Standing.COUNTS if result.calibrated or is_series else Standing.UNCALIBRATED


def _note_readings(answers: Answers, cards: ModelCards) -> Iterator[Reading]:
    for result in answers.note.answer.results if answers.note.answer is not None else ():
        if result.labels:
            probabilities = {label.name: label.probability for label in result.labels}
            declaration = _fitting(cards.of_answer(result.provenance), probabilities)
            standing = Standing.UNKNOWN
            if declaration is not None:
                standing = Standing.COUNTS if result.calibrated else Standing.UNCALIBRATED
            yield Reading(
                Source.NOTE,
                result.provenance.model_name,
                probabilities,
                declaration=declaration,
                standing=standing,
            )


def _fitting(declaration: Declaration | None, probabilities: dict[str, float]) -> Declaration | None:
    """The declaration, unless the answer has other labels than the card."""
    return declaration if declaration and set(declaration.labels) == probabilities.keys() else None


def _recorded(condition: patient_pb2.Condition, index: int) -> RecordedCondition:
    codings = condition.code.codings
    texts = [condition.code.text, *(coding.display for coding in codings)]
    first = codings[0] if codings else ConceptMessage(display=condition.code.text)
    return RecordedCondition(
        _codes(codings),
        tuple(text for text in texts if text),
        active=_is_active(condition),
        tentative=condition.verification_status in _TENTATIVE,
        reference=RecordEntry(
            condition.place or f"patient.record.conditions[{index}]",
            Concept(first.system, first.code, first.display),
        ),
    )


def _is_active(condition: patient_pb2.Condition) -> bool:
    if condition.verification_status in _NO_FACT:
        return False
    if condition.clinical_status != patient_pb2.CLINICAL_STATUS_UNSPECIFIED:
        return condition.clinical_status in _ACTIVE
    return not (condition.HasField("abated_on") or condition.abated)


def _age_years(record: patient_pb2.PatientRecord) -> int | None:
    match record.age.WhichOneof("age"):
        case "years":
            return record.age.years
        case "months":
            return record.age.months // 12
        case "days":
            return int(record.age.days / 365.25)
    return None


def _codes(codings: Iterable[ConceptMessage]) -> tuple[Code, ...]:
    return tuple((coding.system, coding.code) for coding in codings)
