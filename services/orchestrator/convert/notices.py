"""What the reader of a diagnosis should know: of the record's reading, and of answers that do not count."""

from __future__ import annotations

from collections.abc import Iterator

from medmesh.common.v1.answer_pb2 import Notice
from services.orchestrator import evidence
from services.orchestrator.case import Case, Reading, Standing
from services.orchestrator.fanout import Answers
from services.orchestrator.fusion import Source
from services.orchestrator.knowledge import Knowledge


def notices(answers: Answers, case: Case, knowledge: Knowledge) -> list[Notice]:
    """The notices of the whole answer, beside those of its parts."""
    found = list(answers.record.answer.notices) if answers.record.answer is not None else []
    found += [notice for reading in case.readings for notice in _of_reading(reading)]
    found += [
        Notice(
            reason="OUTSIDE_MODEL_POPULATION",
            message=(
                f"The patient's age lies outside the ages that {one.model} was trained on; its evidence "
                + ("counts less." if any(e.outside_factor for e in one.evidence) else "does not count.")
            ),
            model_name=one.model,
        )
        for one in evidence.outside_population(case)
    ]
    found += [
        Notice(
            reason="CONDITION_UNKNOWN",
            message=(
                f"A model's card bears on {condition.display or 'a condition'} (SNOMED CT {condition.code}), "
                "which the orchestrator does not know in that form: "
                "it is not assessed. The model's own answer shows it."
            ),
        )
        for condition in evidence.unknown_conditions(case, knowledge)
    ]
    return found


def all_notices(answers: Answers) -> Iterator[Notice]:
    """Every notice of every branch, wherever in the answer it stands."""
    for image in answers.images:
        if image.answer is not None:
            yield from image.answer.notices
            for image_result in image.answer.results:
                yield from image_result.notices
    if answers.note.answer is not None:
        yield from answers.note.answer.notices
        for note_result in answers.note.answer.results:
            yield from note_result.notices
    if answers.record.answer is not None:
        yield from answers.record.answer.notices
    if answers.treatments.answer is not None:
        yield from answers.treatments.answer.notices


def _of_reading(reading: Reading) -> Iterator[Notice]:
    declaration = reading.declaration
    if declaration is not None and not declaration.evidence:
        return  # by its card its answers are shown and do not count
    where = f"Image {reading.image_index}" if reading.source is Source.IMAGE else "The note"
    if reading.standing in _MESSAGES:
        reason, message = _MESSAGES[reading.standing]
        yield Notice(
            reason=reason,
            message=message.format(where=where, model=reading.model),
            review_required=reading.standing is Standing.NOT_JUDGED,
            model_name=reading.model,
        )
    if (
        reading.standing is Standing.COUNTS
        and reading.is_series
        and declaration is not None
        and any(not one.holds_for_series for one in declaration.evidence)
    ):
        yield Notice(
            reason="SERIES_EVIDENCE_UNMEASURED",
            message=(
                f"How far {reading.model} can be trusted was measured on single images; "
                f"its answer to the series of image {reading.image_index} does not count in the assessment."
            ),
            model_name=reading.model,
        )


_MESSAGES: dict[Standing, tuple[str, str]] = {
    Standing.REJECTED: (
        "IMAGE_EVIDENCE_UNUSED",
        "{where} does not look like what {model} reads; it does not count in the assessment.",
    ),
    Standing.NOT_JUDGED: (
        "IMAGE_EVIDENCE_UNUSED",
        "No gate has judged whether {model} can read this: {where} does not count in the assessment.",
    ),
    Standing.UNCALIBRATED: (
        "EVIDENCE_UNCALIBRATED",
        "The probabilities of {model} are not calibrated; they do not count in the assessment.",
    ),
    Standing.UNKNOWN: (
        "RELIABILITY_UNKNOWN",
        (
            "The card of {model} could not be obtained, so how far it can be trusted is not known; its "
            "findings do not count in the assessment. See `medmesh models`, then ask again."
        ),
    ),
}
