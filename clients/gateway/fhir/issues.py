"""Warnings and contradictions -> DetectedIssues; notices and failed branches -> an OperationOutcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from clients.gateway.fhir.collection import Collection, Resource, concept
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1.recommendation_pb2 import RankedTreatment, SafetyAlert

Place = Callable[[str], Resource | None]
_ACT_CODES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_KINDS: Final = {
    "ALLERGY": ("ALGY", "Allergy Alert"),
    "INTERACTION": ("DRG", "Drug Interaction Alert"),
    "DUPLICATE": ("DUPTHPY", "Duplicate Therapy Alert"),
    "CONDITION": ("COND", "Condition Alert"),
    "AGE": ("AGE", "Age Alert"),
}
SEVERITIES: Final = {"CONTRAINDICATED": "high", "CAUTION": "moderate", "INFORMATION": "low"}


def alert_issue(treatment: RankedTreatment, alert: SafetyAlert, made: Collection, place: Place) -> Resource:
    """What a ranked treatment is warned of."""
    kind = SafetyAlert.Kind.Name(alert.kind).removeprefix("KIND_")
    code, display = _KINDS.get(kind, ("", ""))
    named: Resource = {"text": f"{kind.capitalize()}: {treatment.treatment.display}"}
    if code:
        named["coding"] = [{"system": _ACT_CODES, "code": code, "display": display}]
    severity = SafetyAlert.Severity.Name(alert.severity).removeprefix("SEVERITY_")
    detail = " ".join(
        text for text in (alert.explanation, alert.source and f"Source: {alert.source}.") if text
    )
    issue = _issue(made, named, detail, SEVERITIES.get(severity, "moderate"))
    issue["evidence"] = [{"code": [concept(treatment.treatment)]}]
    found = place(alert.trigger.place)
    return issue | ({"implicated": [found]} if found else {})


def disagreement_issue(
    one: pb.Disagreement, made: Collection, orchestrator: Resource, place: Place
) -> Resource:
    """Evidence that contradicts itself on a condition."""
    named = {"text": f"Contradicting evidence: {one.condition.display}"}
    issue = _issue(made, named, one.message, "moderate") | {"author": orchestrator}
    sides = [_evidence(side, made, place) for side in (one.supporting, one.opposing)]
    known = [side for side in sides if side]
    return issue | ({"implicated": known} if known else {})


def remarks(diagnosis: pb.Diagnosis, as_sent: Callable[[str], str]) -> Resource | None:
    """What the reader should know of input and computation; None where there is nothing. `as_sent` gives a
    place of the record as the caller knows it.
    """
    issues = [
        {
            "severity": "warning" if notice.review_required else "information",
            "code": "informational",
            "details": {"coding": [{"system": "urn:medmesh:notice", "code": notice.reason}]},
            "diagnostics": notice.message,
            **({"expression": [as_sent(place) for place in notice.places]} if notice.places else {}),
        }
        for notice in _notices(diagnosis)
    ]
    issues += [
        {
            "severity": "warning",
            "code": "incomplete",
            "details": {"coding": [{"system": "urn:medmesh:error", "code": branch.reason}]},
            "diagnostics": f"{branch.message} {branch.effect}".strip(),
        }
        for branch in diagnosis.branches
        if branch.state == pb.Branch.STATE_FAILED
    ]
    return {"resourceType": "OperationOutcome", "issue": issues} if issues else None


def _notices(diagnosis: pb.Diagnosis) -> Iterator[Notice]:
    yield from diagnosis.notices
    for image in diagnosis.images:
        yield from image.analysis.notices
        for result in image.analysis.results:
            yield from result.notices
    yield from diagnosis.note.notices
    for noted in diagnosis.note.results:
        yield from noted.notices
    yield from diagnosis.treatments.notices


def _issue(made: Collection, code: Resource, detail: str, severity: str) -> Resource:
    return {
        "resourceType": "DetectedIssue",
        "status": "preliminary",
        "code": code,
        "severity": severity,
        "patient": made.subject,
        "identifiedDateTime": made.time,
        "detail": detail,
    }


def _evidence(of: pb.EvidenceReference, made: Collection, place: Place) -> Resource | None:
    kind = of.WhichOneof("reference")
    if kind == "image_finding":
        finding = of.image_finding
        keys = [("image", finding.image_index, finding.model_name, label) for label in finding.labels]
        return next((made.evidence[key] for key in keys if key in made.evidence), None)
    if kind == "note_entity":
        return made.evidence.get(("note", of.note_entity.model_name, of.note_entity.entity_index))
    return place(of.record_entry.place) if kind == "record_entry" else None
