"""From a message to what the mesh is asked: a note, a record, or drafted orders. Pure.

What is sent together is read together: nothing is kept of a patient from one message to the next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from clients.hl7_node import resources
from clients.hl7_node.faults import Condition, Fault
from clients.hl7_node.messages import Message, Segment
from clients.hl7_node.resources import Resource

TAKEN: Final = {
    ("ORU", "R01"): "results: laboratory values, reports",
    ("MDM", "T02"): "a document",
    ("MDM", "T06"): "an addendum to a document",
    ("MDM", "T08"): "a document that was edited",
    ("MDM", "T10"): "a document that replaces another",
    ("ORM", "O01"): "an order",
    ("OMG", "O19"): "an order of the laboratory or of imaging",
    ("OMP", "O09"): "an order of the pharmacy",
    ("RDE", "O11"): "an order of the pharmacy, encoded",
}
"""Message types and trigger events."""
_TEXTS: Final = frozenset({"TX", "FT"})
_NO_TEXT_STATUSES: Final = frozenset({"D", "W", "X", "I", "N", "O"})
"""Of OBX-11: deleted, wrong, not obtained, not there yet."""
_STANDS: Final = frozenset({"", "NW", "XO", "RP", "RO", "OK", "PA", "CH", "RE", "SN"})
"""Order controls (ORC-1) under which an order stands; the others stop it, refuse it or ask about it."""
_WITHOUT_EVIDENCE: Final = frozenset(
    {"MSH", "SFT", "UAC", "PID", "PD1", "NK1", "PV1", "PV2", "ORC", "OBR", "TQ1", "TQ2", "SPM", "SAC", "TXA"}
    | {"CON", "CTD", "FT1", "CTI", "BLG", "RXR", "PRT", "ARV", "ROL", "RXO", "RXE", "RXC"}
)
"""Segments in which nothing stands that an answer could rest on, or that are read beside another one."""


@dataclass
class Case:
    """What a message says of a patient."""

    pid: Segment
    sent_at: str = ""
    """When the message was sent, as FHIR writes it; empty: it does not say."""
    note: str = ""
    record: list[Resource] = field(default_factory=list)
    orders: list[Resource] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    """What was not read, in words, and how often it was there."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the mesh could be asked."""
        return not (self.note or self.record or self.orders)

    def bundle(self) -> Resource:
        """The record as a FHIR bundle of this patient."""
        subject = {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}
        own = {"AllergyIntolerance": "patient"}
        age = resources.age(self.pid, self.sent_at)  # a record's today is its latest fact: this one dates it
        facts = [
            one | {own.get(one["resourceType"], "subject"): subject}
            for one in [*self.record, *([age] if age else [])]
        ]
        whose = {"fullUrl": subject["reference"], "resource": resources.patient(self.pid)}
        return {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [whose, *({"resource": one} for one in facts)],
        }


def case(message: Message) -> Case:
    """Raises Fault where the message is of no type that is taken, of several patients, or cannot be read."""
    if message.header.kind not in TAKEN:
        known = ", ".join("^".join(kind) for kind in TAKEN)
        raise Fault(Condition.TYPE, f"these are taken: {known}", ("MSH", 1, 9))
    patients = list(message.named("PID"))
    if len(patients) != 1:
        raise Fault(Condition.SEGMENTS, "a message is of one patient: send one with one PID", ("PID", 1, 0))
    if not patients[0].text(3):
        raise patients[0].fault(
            Condition.MISSING, "the patient has no identifier, so no result could be filed", 3
        )
    made = Case(patients[0], resources.time(next(message.named("MSH")), 7))
    resources.patient(made.pid)  # its dates are looked at
    _Reader(made).read(message)
    return made


class _Reader:
    """Goes through the segments in their order: what an OBX is about, the OBR before it says."""

    def __init__(self, made: Case) -> None:
        self._case = made
        self._paragraphs: list[tuple[tuple[str, str], list[str]]] = []
        """Of the note: what each is about, and its lines."""

    def read(self, message: Message) -> None:
        group: list[Segment] = []
        obr: Segment | None = None
        stands = True
        for segment in message.segments:
            if segment.name == "ORC":
                self._orders(group, stands=stands)
                group, stands = [], segment.text(1).upper() in _STANDS
            if segment.name == "OBR":
                obr = segment
                if stands:
                    self._reason(obr)
            group.append(segment)
            self._one(segment, obr)
        self._orders(group, stands=stands)
        self._case.note = "\n\n".join("\n".join(lines) for _, lines in self._paragraphs).strip()

    def _one(self, segment: Segment, obr: Segment | None) -> None:
        record, unread = self._case.record, self._case.unread
        if segment.name == "OBX":
            self._observation(segment, obr)
        elif segment.name in {"AL1", "IAM"}:
            record.append(resources.allergy(segment))
        elif segment.name == "DG1":
            record.append(resources.condition(segment))
        elif segment.name == "NTE":
            self._say(("NTE", ""), _lines(segment, 3))
        elif segment.name not in _WITHOUT_EVIDENCE:
            unread[f"segment {segment.name}"] += 1

    def _observation(self, obx: Segment, obr: Segment | None) -> None:
        kind = obx.text(2).upper()
        if kind in _TEXTS:
            if obx.text(11).upper() not in _NO_TEXT_STATUSES:
                about = (str(obr.sequence if obr else 0), obx.text(3))
                self._say(about, _lines(obx, 5))
            return
        found = resources.observation(obx, obr)
        if found is not None:
            self._case.record.append(found)
        elif obx.text(5) or kind:
            self._case.unread[f"OBX of type {kind or 'unknown'}"] += 1

    def _reason(self, obr: Segment) -> None:
        """What an order is about: relevant clinical information (OBR-13), reason for study (OBR-31)."""
        reasons = [parts[1] if len(parts) > 1 and parts[1] else parts[0] for parts in obr.repetitions(31)]
        self._say(("OBR", str(obr.sequence)), [obr.text(13), *reasons])

    def _say(self, about: tuple[str, str], lines: list[str]) -> None:
        """Adds lines to the note: to its last paragraph where they are about the same."""
        if not any(lines):
            return
        if self._paragraphs and self._paragraphs[-1][0] == about:
            self._paragraphs[-1][1].extend(lines)
        else:
            self._paragraphs.append((about, lines))

    def _orders(self, group: list[Segment], *, stands: bool) -> None:
        """The drugs of one order: as the pharmacy encoded it (RXE), else as it was asked for (RXO), and what
        is mixed into it (RXC).
        """
        by_name: dict[str, Segment] = {}
        for segment in group:
            by_name.setdefault(segment.name, segment)
        drug = by_name.get("RXE") or by_name.get("RXO")
        if drug is None or not stands:
            return
        pattern, route = _pattern(by_name), by_name.get("RXR")
        code, amount, unit = (2, 3, 5) if drug.name == "RXE" else (1, 2, 4)
        self._case.orders.append(
            resources.order(drug, code=code, amount=amount, unit=unit, pattern=pattern, route=route)
        )
        self._case.orders += [
            resources.order(one, code=2, amount=3, unit=4, pattern=pattern, route=route)
            for one in group
            if one.name == "RXC"
        ]


def _lines(segment: Segment, number: int) -> list[str]:
    """A text's repetitions; what would part its components belongs to it."""
    return [segment.delimiters.component.join(parts) for parts in segment.repetitions(number)]


def _pattern(by_name: dict[str, Segment]) -> str:
    """How often: TQ1-3, before version 2.5 the second component of RXE-1 or ORC-7."""
    places = [("TQ1", 3, 1), ("RXE", 1, 2), ("ORC", 7, 2)]
    found = (by_name[name].text(number, part) for name, number, part in places if name in by_name)
    return next(filter(None, found), "")
