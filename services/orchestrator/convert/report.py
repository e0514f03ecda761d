"""What a draft of a report may say: the fused diagnosis, the note and the record -> `ReportEvidence`.

What the fusion assessed counts as it assessed it, whatever a single source says of it. Beside that stand what
the note names and what the record has, each once by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medmesh.common.v1 import patient_pb2
from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.language.v1 import language_pb2
from medmesh.language.v1 import report_pb2 as report
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.orchestrator.case import CONFIDENT_MENTION
from services.orchestrator.convert.case import CHEMICAL, DISEASE, concepts, entities
from services.orchestrator.fanout import Answers
from services.orchestrator.knowledge import Knowledge

MOST_OF_NOTE, MOST_OF_RECORD, MOST_MEASUREMENTS = 60, 40, 10
"""Items of each source; GenerateReport takes 200 in all."""
LEAST_PROBABLE, MOST_IMPROBABLE, LEAST_POSSIBLE = 0.5, 0.1, 0.1
"""A condition is present where the lower end of its interval reaches the first, absent where the upper end
does not exceed the second, and else possible where its probability reaches the third."""

_LONGEST_NAME = 128
_STATUSES = {
    language_pb2.ASSERTION_PRESENT: report.FINDING_STATUS_PRESENT,
    language_pb2.ASSERTION_ABSENT: report.FINDING_STATUS_ABSENT,
    language_pb2.ASSERTION_POSSIBLE: report.FINDING_STATUS_POSSIBLE,
    language_pb2.ASSERTION_HISTORICAL: report.FINDING_STATUS_HISTORICAL,
}
_ACTIVE = {
    patient_pb2.CLINICAL_STATUS_ACTIVE,
    patient_pb2.CLINICAL_STATUS_RECURRENCE,
    patient_pb2.CLINICAL_STATUS_RELAPSE,
}
_NO_FACT = {
    patient_pb2.VERIFICATION_STATUS_REFUTED,
    patient_pb2.VERIFICATION_STATUS_ENTERED_IN_ERROR,
}
_UNSURE = {
    patient_pb2.VERIFICATION_STATUS_PROVISIONAL,
    patient_pb2.VERIFICATION_STATUS_DIFFERENTIAL,
    patient_pb2.VERIFICATION_STATUS_UNCONFIRMED,
}
_SOURCES = {
    "image_finding": report.EVIDENCE_SOURCE_IMAGE,
    "note_entity": report.EVIDENCE_SOURCE_NOTE,
    "note_finding": report.EVIDENCE_SOURCE_NOTE,
    "record_entry": report.EVIDENCE_SOURCE_RECORD,
}
_REVIEW = "review of this case by a clinician before it is acted on"


def report_evidence(diagnosis: pb.Diagnosis, answers: Answers, knowledge: Knowledge) -> report.ReportEvidence:
    """The items, what was fused first."""
    evidence = report.ReportEvidence()
    evidence.items.extend(_disagreements(diagnosis))
    evidence.items.extend(_assessments(diagnosis))
    evidence.items.extend(_once(_note(answers, knowledge, diagnosis), MOST_OF_NOTE))
    evidence.items.extend(_once(_record(answers, knowledge, diagnosis), MOST_OF_RECORD))
    evidence.items.extend(_measurements(answers))
    if evidence.items and diagnosis.review_required:
        evidence.items.append(
            report.EvidenceItem(
                recommendation=report.RecommendationEvidence(text=_REVIEW),
                source=report.EVIDENCE_SOURCE_FUSION,
                reference="review_required",
            )
        )
    return evidence


def _disagreements(diagnosis: pb.Diagnosis) -> Iterator[report.EvidenceItem]:
    for index, one in enumerate(diagnosis.disagreements):
        yield report.EvidenceItem(
            disagreement=report.DisagreementEvidence(
                name=_name(one.condition.display),
                concepts=[one.condition],
                supporting=_source(one.supporting),
                opposing=_source(one.opposing),
            ),
            source=report.EVIDENCE_SOURCE_FUSION,
            reference=f"disagreements[{index}]",
        )


def _assessments(diagnosis: pb.Diagnosis) -> Iterator[report.EvidenceItem]:
    disputed = {one.condition.code for one in diagnosis.disagreements}
    for index, one in enumerate(diagnosis.assessments):
        status = _status(one)
        if status and one.condition.code not in disputed:
            yield report.EvidenceItem(
                finding=report.FindingEvidence(
                    name=_name(one.condition.display), concepts=[one.condition], status=status
                ),
                source=report.EVIDENCE_SOURCE_FUSION,
                reference=f"assessments[{index}]",
                probability=one.probability,
            )


def _status(one: pb.ConditionAssessment) -> report.FindingStatus | None:
    if one.probability_low >= LEAST_PROBABLE:
        return report.FINDING_STATUS_PRESENT
    if one.probability_high <= MOST_IMPROBABLE:
        return report.FINDING_STATUS_ABSENT
    return report.FINDING_STATUS_POSSIBLE if one.probability >= LEAST_POSSIBLE else None


def _note(
    answers: Answers, knowledge: Knowledge, diagnosis: pb.Diagnosis
) -> Iterator[tuple[str, report.EvidenceItem]]:
    assessed = _assessed(diagnosis, knowledge)
    for entity, reference in entities(answers):
        name = _name(entity.text)
        if entity.confidence < CONFIDENT_MENTION or not name:
            continue
        item = report.EvidenceItem(
            source=report.EVIDENCE_SOURCE_NOTE,
            reference=f"note {reference.model} entities[{reference.entity_index}]",
            probability=entity.confidence,
        )
        if entity.type == DISEASE and entity.assertion in _STATUSES:
            if _is_named(knowledge, assessed, concepts(entity), entity.text):
                continue
            item.finding.name = name
            item.finding.status = _STATUSES[entity.assertion]
            item.finding.concepts.extend(concepts(entity)[:8])
        elif entity.type == CHEMICAL and entity.assertion == language_pb2.ASSERTION_PRESENT:
            item.medication.name = name
        else:
            continue
        yield name, item


def _record(
    answers: Answers, knowledge: Knowledge, diagnosis: pb.Diagnosis
) -> Iterator[tuple[str, report.EvidenceItem]]:
    if answers.record.answer is None:
        return
    assessed = _assessed(diagnosis, knowledge)
    record = answers.record.answer.record
    for condition in record.conditions:
        name = _named(condition.code)
        if condition.verification_status in _NO_FACT or not name:
            continue
        if _is_named(knowledge, assessed, condition.code.codings, name):
            continue
        item = report.EvidenceItem(source=report.EVIDENCE_SOURCE_RECORD, reference=condition.place)
        item.finding.name = name
        item.finding.concepts.extend(condition.code.codings[:8])
        item.finding.status = _recorded(condition)
        yield name, item
    for medication in record.medications:
        name = _named(medication.code)
        if medication.status == patient_pb2.MEDICATION_STATUS_ACTIVE and name:
            item = report.EvidenceItem(source=report.EVIDENCE_SOURCE_RECORD, reference=medication.place)
            item.medication.name = name
            yield name, item


def _recorded(condition: patient_pb2.Condition) -> report.FindingStatus:
    if condition.clinical_status not in _ACTIVE:
        return report.FINDING_STATUS_HISTORICAL
    is_unsure = condition.verification_status in _UNSURE
    return report.FINDING_STATUS_POSSIBLE if is_unsure else report.FINDING_STATUS_PRESENT


def _measurements(answers: Answers) -> list[report.EvidenceItem]:
    """The latest value of each measurement that has a date and a unit, the latest ones of all."""
    if answers.record.answer is None:
        return []
    latest: dict[str, patient_pb2.Observation] = {}
    for one in answers.record.answer.record.observations:
        name = _named(one.code)
        if not (name and one.HasField("quantity") and one.quantity.unit and one.effective.value):
            continue
        if name not in latest or latest[name].effective.value < one.effective.value:
            latest[name] = one
    newest = sorted(latest.items(), key=lambda pair: pair[1].effective.value, reverse=True)
    return [
        report.EvidenceItem(
            measurement=report.MeasurementEvidence(name=name, value=one.quantity),
            source=report.EVIDENCE_SOURCE_RECORD,
            reference=one.place,
        )
        for name, one in newest[:MOST_MEASUREMENTS]
    ]


def _once(items: Iterable[tuple[str, report.EvidenceItem]], most: int) -> list[report.EvidenceItem]:
    """The first item of each name and status."""
    first: dict[tuple[str, int], report.EvidenceItem] = {}
    for name, item in items:
        first.setdefault((name, item.finding.status), item)
    return list(first.values())[:most]


def _assessed(diagnosis: pb.Diagnosis, knowledge: Knowledge) -> set[str]:
    """Keys of the conditions that the fusion assessed."""
    codes = {one.condition.code for one in diagnosis.assessments}
    codes |= {one.condition.code for one in diagnosis.disagreements}
    return {key for key, condition in knowledge.conditions.items() if condition.code in codes}


def _is_named(knowledge: Knowledge, assessed: set[str], codings: Iterable[ConceptMessage], text: str) -> bool:
    codes = [(one.system, one.code) for one in codings]
    return any(condition.key in assessed for condition in knowledge.all_named(codes, text))


def _source(reference: pb.EvidenceReference) -> report.EvidenceSource:
    kind = reference.WhichOneof("reference")
    return _SOURCES.get(kind or "", report.EVIDENCE_SOURCE_UNSPECIFIED)


def _named(code: CodedConcept) -> str:
    return _name(code.text or next((one.display for one in code.codings if one.display), ""))


def _name(text: str) -> str:
    """As a report writes it: small letters but for shorthand, without the terminology's asides."""
    words = " ".join(text.split("(", maxsplit=1)[0].split()).split(" ")
    lowered = [word if sum(map(str.isupper, word)) > 1 else word.lower() for word in words]
    name = " ".join(lowered)[:_LONGEST_NAME].strip(" ,;:.")
    return name if any(map(str.isalpha, name)) else ""
