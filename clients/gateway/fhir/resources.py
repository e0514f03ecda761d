"""A diagnosis -> the resources of FHIR R4 that say the same, tagged as asserted by AI.

Treatments are not made into orders: that is for a person. What a ranked treatment is warned of is a
DetectedIssue. Percentages are FHIR's: RiskAssessment.prediction.probabilityDecimal goes to 100.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clients.gateway.fhir.collection import AIAST, Collection, Resource, concept
from clients.gateway.fhir.findings import image_observations, note_observations
from clients.gateway.fhir.issues import alert_issue, disagreement_issue, remarks
from medmesh import receipt
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb

_ORCHESTRATOR: Final = "medmesh orchestrator"


def bundle(
    diagnosis: pb.Diagnosis,
    base: str,
    subject: Resource,
    studies: Mapping[int, Resource],
    cards: Mapping[str, str],
    place: Callable[[str], Resource | None],
    as_sent: Callable[[str], str],
) -> Resource:
    """The Bundle of an answer.

    `base` is the address below which its resources stand, `subject` refers to the patient, `studies` are the
    ImagingStudies of images by their index, `cards` the model cards as JSON by the model's name, `place` the
    reference to an entry of the caller's record, `as_sent` its place as he knows it.
    """
    time = datetime.now(UTC).isoformat(timespec="seconds")
    made = Collection(base, subject, time)
    orchestrator = made.add(_software())
    imaged = {index: made.add(study) for index, study in studies.items()}
    observations = []
    for image in diagnosis.images:
        for key, observation in image_observations(image, imaged.get(image.index), made):
            made.evidence[key] = made.add(observation)
            observations.append(made.evidence[key])
    for key, observation in note_observations(diagnosis.note, made):
        made.evidence[key] = made.add(observation)
        observations.append(made.evidence[key])
    if diagnosis.HasField("treatments"):
        made.device(diagnosis.treatments.provenance)
    concluded = [made.add(_risk(assessment, made, orchestrator)) for assessment in diagnosis.assessments]
    concluded += [
        made.add(disagreement_issue(one, made, orchestrator, place)) for one in diagnosis.disagreements
    ]
    concluded += [
        made.add(alert_issue(treatment, alert, made, place))
        for treatment in diagnosis.treatments.treatments
        for alert in treatment.alerts
    ]
    report = made.add(_report(diagnosis, made, observations, list(imaged.values())))
    for name, text in cards.items():
        if name in made.models:
            made.add(_card(name, text, made))
    made.add(_provenance(diagnosis, made, orchestrator, [report, *concluded, *observations]))
    said = remarks(diagnosis, as_sent)
    if said is not None:
        made.add(said)
    made.entries.sort(key=lambda entry: entry["resource"]["resourceType"] != "DiagnosticReport")
    return {
        "resourceType": "Bundle",
        "meta": {"security": [AIAST]},
        "identifier": {"system": "urn:medmesh:receipt", "value": _receipt_id(diagnosis)},
        "type": "collection",
        "timestamp": time,
        "entry": made.entries,
    }


def models_of(diagnosis: pb.Diagnosis) -> list[str]:
    """The names of the models that answered."""
    found = [
        *(result.provenance for image in diagnosis.images for result in image.analysis.results),
        *(result.provenance for result in diagnosis.note.results),
        *([diagnosis.treatments.provenance] if diagnosis.HasField("treatments") else []),
    ]
    return list(dict.fromkeys(provenance.model_name for provenance in found))


def _software() -> Resource:
    return {
        "resourceType": "Device",
        "status": "active",
        "deviceName": [{"name": _ORCHESTRATOR, "type": "other"}],
        "type": {"text": "software that fuses the evidence of several models"},
    }


def _risk(assessment: pb.ConditionAssessment, made: Collection, orchestrator: Resource) -> Resource:
    named = [reference for one in assessment.contributions for reference in _basis(one, made)]
    basis = [dict(pair) for pair in dict.fromkeys(tuple(reference.items()) for reference in named)]
    parts = "; ".join(
        f"{one.description or pb.Source.Name(one.source).removeprefix('SOURCE_').lower()} {one.log_odds:+.2f}"
        for one in assessment.contributions
    )
    interval = f"{100 * assessment.probability_low:.1f} to {100 * assessment.probability_high:.1f} %"
    broader = (
        f" Contributions are among those who have {assessment.broader_condition.display}."
        if assessment.HasField("broader_condition")
        else ""
    )
    risk: Resource = {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "method": {"text": "weights of evidence, added in log-odds"},
        "subject": made.subject,
        "occurrenceDateTime": made.time,
        "performer": orchestrator,
        "prediction": [
            {
                "outcome": concept(assessment.condition),
                "probabilityDecimal": round(100 * assessment.probability, 2),
                "rationale": f"Interval {interval}. Log-odds: {parts}.{broader}",
            }
        ],
    }
    return risk | ({"basis": basis} if basis else {})


def _basis(one: pb.Contribution, made: Collection) -> Iterable[Resource]:
    kind = one.evidence.WhichOneof("reference")
    keys: list[tuple[Any, ...]] = []
    if kind == "image_finding":
        finding = one.evidence.image_finding
        keys = [("image", finding.image_index, finding.model_name, label) for label in finding.labels]
    elif kind == "note_entity":
        entity = one.evidence.note_entity
        keys = [("note", entity.model_name, entity.entity_index)]
    elif kind == "note_finding":
        keys = [("label", one.evidence.note_finding.model_name, x) for x in one.evidence.note_finding.labels]
    return [made.evidence[key] for key in keys if key in made.evidence]


def _report(
    diagnosis: pb.Diagnosis,
    made: Collection,
    observations: list[Resource],
    studies: list[Resource],
) -> Resource:
    partial = diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    lines = [
        "Needs review by a person." if diagnosis.review_required else "",
        "Partial: " + " ".join(branch.effect for branch in diagnosis.branches if branch.effect)
        if partial
        else "",
        "; ".join(f"{one.condition.display} {100 * one.probability:.1f} %" for one in diagnosis.assessments),
        diagnosis.intended_use,
    ]
    made_report: Resource = {
        "resourceType": "DiagnosticReport",
        "status": "partial" if partial else "preliminary",
        "code": {"text": "Assessment of images, note and record by AI"},
        "subject": made.subject,
        "effectiveDateTime": made.time,
        "issued": made.time,
        "conclusion": "\n".join(line for line in lines if line),
    }
    if observations:
        made_report["result"] = observations
    if studies:
        made_report["imagingStudy"] = studies
    draft = " ".join(sentence.text for sentence in diagnosis.report.draft.sentences)
    if draft:
        made_report["presentedForm"] = [_attachment("text/plain; charset=utf-8", draft, "Draft of a report")]
    return made_report


def _card(name: str, text: str, made: Collection) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": "Model card"},
        "date": made.time,
        "content": [{"attachment": _attachment("application/json", text, f"Model card of {name}")}],
        "context": {"related": [made.models[name]]},
    }


def _attachment(kind: str, text: str, title: str) -> Resource:
    content = text.encode()
    return {
        "contentType": kind,
        "data": base64.b64encode(content).decode(),
        "size": len(content),
        # FHIR R4 prescribes SHA-1 here.
        "hash": base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode(),
        "title": title,
    }


def _provenance(
    diagnosis: pb.Diagnosis, made: Collection, orchestrator: Resource, targets: list[Resource]
) -> Resource:
    kinds = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {
        "resourceType": "Provenance",
        "target": targets,
        "occurredDateTime": made.time,
        "recorded": made.time,
        "agent": [
            {"type": {"coding": [{"system": kinds, "code": code}]}, "who": who}
            for code, who in [("assembler", orchestrator), *(("performer", d) for d in made.models.values())]
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {"system": "urn:medmesh:receipt", "value": _receipt_id(diagnosis)},
                    "display": "evidence receipt",
                },
            }
        ],
    }


def _receipt_id(diagnosis: pb.Diagnosis) -> str:
    return receipt.statement(diagnosis.receipt).predicate.receipt_id
