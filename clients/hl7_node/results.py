"""From an answer of the mesh to a message that says it: ORU^R01 of HL7 2.5.1, preliminary. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from clients.hl7_node.acknowledging import timestamp
from clients.hl7_node.cases import Case
from clients.hl7_node.configuration import Destination, Node
from clients.hl7_node.messages import Message
from clients.hl7_node.text import Delimiters
from medmesh import receipt
from medmesh.common.v1.answer_pb2 import Notice, Provenance
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.language.v1.language_pb2 import Assertion, NoteAnalysis
from medmesh.orchestrator.v1.orchestrator_pb2 import COMPLETENESS_COMPLETE, Branch, Diagnosis, Source
from medmesh.recommendation.v1.medication_check_pb2 import MedicationAlert, MedicationCheck
from medmesh.recommendation.v1.recommendation_pb2 import SafetyAlert, TreatmentRanking

SCHEME: Final = "99MEDMESH"
"""Of what is said in codes of medmesh's own."""
CHECK_USE: Final = (
    "For research only. Not a medical device: for the review of a pharmacist. The absence of an alert is no "
    "clearance."
)
_OUT: Final = Delimiters()
_PERCENT: Final = _OUT.composed("%", "percent", "UCUM")
_SYSTEMS: Final = {
    "http://snomed.info/sct": "SCT",
    "http://loinc.org": "LN",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
    "http://hl7.org/fhir/sid/icd-10-cm": "I10C",
    "http://hl7.org/fhir/sid/icd-10": "I10",
}
_ASSERTIONS: Final = {
    "present": ("52101004", "Present", "SCT"),
    "absent": ("2667000", "Absent", "SCT"),
    "possible": ("371930009", "Possible", "SCT"),
}
"""SNOMED CT's qualifiers; what else a note asserts is said in words."""


@dataclass
class Report:
    """The observations of a result, in their order."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def observe(
        self, kind: str, identifier: str, value: str, unit: str = "", remarks: Iterable[str] = ()
    ) -> None:
        """An OBX; `identifier`, `value` and `unit` are fields, escaped already. Remarks follow it as NTE."""
        self.count += 1
        number = str(self.count)
        obx = ["OBX", number, kind, identifier, number, value, unit, "", "", "", "", "P"]
        self.lines.append(_OUT.joined(obx))
        for place, remark in enumerate(filter(None, remarks), 1):
            self.lines.append(_OUT.joined(["NTE", str(place), "L", _OUT.escaped(remark)]))

    def say(self, code: str, name: str, text: str) -> None:
        """An OBX in words."""
        self.observe("TX", _OUT.composed(code, name, SCHEME), _OUT.escaped(text))

    def models(self, provenances: Iterable[Provenance]) -> None:
        """Where an answer comes from."""
        for model in provenances:
            facts = {
                "version": model.model_version,
                "card": model.card_version,
                "weights_sha256": model.weights_sha256,
                "model_sha256": model.model_sha256,
                "preprocessing": model.preprocessing_version,
                "runtime": model.runtime,
            }
            said = ", ".join(f"{name}={value}" for name, value in facts.items() if value)
            self.say("MODEL", "Model", f"{model.model_name}: {said}")

    def notices(self, notices: Iterable[Notice], case: Case) -> None:
        """What the reader should know of the input, and what of the message was not read."""
        for one in notices:
            review = " Review." if one.review_required else ""
            self.say("NOTICE", "Notice", f"{one.reason}: {one.message}{review}")
        for what, count in case.unread.items():
            self.say("NOTICE", "Notice", f"Not read: {what}, {count} of them.")


def of_diagnosis(diagnosis: Diagnosis, case: Case) -> Report:
    """What a Diagnosis says."""
    report = Report()
    report.say("USE", "Intended use", diagnosis.intended_use)
    review = "A person must review this case before it is acted on." if diagnosis.review_required else ""
    whole = (
        ""
        if diagnosis.completeness == COMPLETENESS_COMPLETE
        else "PARTIAL: a part of the mesh did not answer."
    )
    for said in filter(None, [whole, review]):
        report.say("REVIEW", "Review", said)
    for branch in diagnosis.branches:
        if branch.state == Branch.STATE_FAILED:
            report.say("PARTIAL", "Missing part", f"{branch.reason}: {branch.message} {branch.effect}")
    for one in diagnosis.assessments:
        low, high = (f"{100 * value:.1f}" for value in (one.probability_low, one.probability_high))
        without = [
            f"Without the {_name(Source, e.source)} {100 * e.probability:.1f} %." for e in one.leave_one_out
        ]
        report.observe(
            "NM",
            _identifier(one.condition, "PROBABILITY", "Probability, fused by AI"),
            f"{100 * one.probability:.1f}",
            _PERCENT,
            [" ".join([f"{low} to {high} %.", *without])],
        )
    for contradiction in diagnosis.disagreements:
        report.say("DISAGREEMENT", "Contradiction", contradiction.message)
    _note(report, diagnosis.note)
    _treatments(report, diagnosis.treatments)
    results = [*diagnosis.note.results]
    notices = [*diagnosis.notices, *diagnosis.note.notices, *(n for r in results for n in r.notices)]
    report.notices([*notices, *diagnosis.treatments.notices], case)
    treated = [diagnosis.treatments.provenance] if diagnosis.HasField("treatments") else []
    report.models([*(one.provenance for one in results), *treated])
    report.say("RECEIPT", "Evidence receipt", receipt.identifier(diagnosis) or "none")
    return report


def of_check(check: MedicationCheck, case: Case) -> Report:
    """What a MedicationCheck says: each order, and what argues against it."""
    report = Report()
    report.say("USE", "Intended use", CHECK_USE)
    for one in check.orders:
        drugs = ", ".join(one.recognised_drugs) or "no drug was recognised: nothing was checked"
        alerts = [_alert(alert) for alert in one.alerts] + [
            f"minor: {_alert(alert)}" for alert in one.minor_alerts
        ]
        identifier = _identifier(one.order.concept, "CHECK", "Medication check by AI")
        report.observe(
            "TX", identifier, _OUT.escaped(drugs), remarks=alerts or ["no alert, which is no clearance"]
        )
    report.notices(check.notices, case)
    report.say("KNOWLEDGE", "SHA-256 of the rules", check.knowledge_digest)
    return report


def message(
    report: Report, source: Message, case: Case, key: str, now: datetime, node: Node, to: Destination
) -> bytes:
    """The report as ORU^R01 to a destination. `key` names the message that was read: the result's control id
    hangs on it, so that a receiver knows a repetition. Raises Fault where a field of the source cannot be
    read.
    """
    pid = case.pid
    ordered = next(source.named("OBR"), None)
    made_at = timestamp(now)
    msh = [
        f"MSH{_OUT.field}{_OUT.encoding_characters}",
        *map(_OUT.escaped, (node.application, node.facility, to.application, to.facility)),
        made_at,
        "",
        _OUT.composed("ORU", "R01", "ORU_R01"),
        uuid.uuid5(uuid.UUID(key), to.name).hex[:20],
        source.header.first(11),
        "2.5.1",
        *[""] * 5,
        "UNICODE UTF-8",
    ]
    whose = [
        "PID",
        "1",
        "",
        pid.copied(3, _OUT),
        "",
        pid.copied(5, _OUT),
        "",
        pid.copied(7, _OUT),
        pid.copied(8, _OUT),
    ]
    placer = ordered.copied(2, _OUT) if ordered else ""
    reading = _OUT.composed("READING", "Reading by AI", SCHEME)
    seen = (ordered.copied(7, _OUT) if ordered else "") or made_at
    obr = [
        "OBR",
        "1",
        placer,
        _OUT.composed(key, "medmesh"),
        reading,
        "",
        "",
        seen,
        *[""] * 14,
        made_at,
        "",
        "",
        "P",
    ]
    segments = [*map(_OUT.joined, (msh, whose, obr)), *report.lines]
    return "".join(f"{one}\r" for one in segments).encode()


def _note(report: Report, note: NoteAnalysis) -> None:
    for result in note.results:
        for entity in result.entities:
            name = _name(Assertion, entity.assertion)
            asserted = _ASSERTIONS.get(name, (name.upper(), name, SCHEME))
            concept = entity.concept if entity.HasField("concept") else Concept(display=entity.text)
            identifier = _identifier(concept, "NOTE", "Said in the note, read by AI")
            report.observe(
                "CWE", identifier, _OUT.composed(*asserted), remarks=[f"In its words: {entity.text}"]
            )
        for label in result.labels:
            identifier = _identifier(Concept(display=label.name), "NOTE", "Label of the note, by AI")
            report.observe("NM", identifier, f"{100 * label.probability:.1f}", _PERCENT)


def _treatments(report: Report, ranking: TreatmentRanking) -> None:
    for one in ranking.treatments:
        identifier = _identifier(
            one.treatment, "TREATMENT", "How often such patients were given it; not its benefit"
        )
        report.observe(
            "NM",
            identifier,
            f"{100 * one.score:.1f}",
            _PERCENT,
            [_safety_alert(alert) for alert in one.alerts],
        )


def _alert(alert: MedicationAlert) -> str:
    severity, kind = _name(MedicationAlert.Severity, alert.severity), _name(MedicationAlert.Kind, alert.kind)
    return f"{severity.upper()} ({kind}): {alert.explanation} {alert.remedy} [{alert.source}]"


def _safety_alert(alert: SafetyAlert) -> str:
    severity, kind = _name(SafetyAlert.Severity, alert.severity), _name(SafetyAlert.Kind, alert.kind)
    return f"{severity.upper()} ({kind}): {alert.explanation} [{alert.source}]"


def _name(enum: Any, value: int) -> str:
    """An enum's value in lower case, without what it shares with the others: `SOURCE_NOTE` is note."""
    return str(enum.Name(value)).partition("_")[2].lower()


def _identifier(of: Concept, code: str, meaning: str) -> str:
    """OBX-3: the concept, and as its alternate what is said of it."""
    system = _SYSTEMS.get(of.system, of.system) if of.code else SCHEME
    return _OUT.composed(of.code or code, of.display, system, code, meaning, SCHEME)
