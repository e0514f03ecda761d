"""A lone MedicationRequest that is not in force yet: which drug, how much and how often."""

from __future__ import annotations

import dataclasses
from typing import Final

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.clinical.concepts import CodedConcept
from services.clinical.dosage import Dosage, dosage_in
from services.clinical.fhir.bounded_json import Node, parse
from services.clinical.fhir.bundle import Entry
from services.clinical.fhir.medications import MedicationReader
from services.clinical.fhir.references import References
from services.clinical.fhir.remarks import Remark, Remarks
from services.clinical.limits import MAX_CODE
from services.clinical.record import Quantity

MAX_ORDER_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 32
_DAYS: Final = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_TIMES: Final = {
    "QD": 1.0,
    "BID": 2.0,
    "TID": 3.0,
    "QID": 4.0,
    "Q4H": 6.0,
    "Q6H": 4.0,
    "AM": 1.0,
    "PM": 1.0,
    "BED": 1.0,
    "WK": 1 / 7,
}
"""HL7 GTSAbbreviation, as FHIR's Timing.code has it, in times a day."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReadOrder:
    """What a MedicationRequest orders."""

    drugs: tuple[CodedConcept, ...]
    """One, or the ingredients of a Medication without a code of its own."""
    dosage: Dosage | None
    unread_dosage: bool
    """Whether it has a dosage that could not be read."""
    notices: tuple[Notice, ...]


def read_order(content: bytes) -> ReadOrder:
    """Read a MedicationRequest of any status and intent, which is what makes it a draft.

    InvalidInput names the path: INPUT_MALFORMED (no JSON, no MedicationRequest, wrong types),
    INPUT_TOO_LARGE, INPUT_UNSUPPORTED (an order not to give a drug), INPUT_MISSING (no drug).
    """
    node = parse(content, max_bytes=MAX_ORDER_BYTES, max_depth=_MAX_DEPTH)
    if not isinstance(node.value, dict) or node.text("resourceType") != "MedicationRequest":
        raise InvalidInput(Reason.INPUT_MALFORMED, "resourceType", "must be MedicationRequest")
    if node.flag("doNotPerform"):
        raise InvalidInput(
            Reason.INPUT_UNSUPPORTED, "doNotPerform", "is true: an order not to give a drug is not checked"
        )
    remarks = Remarks()
    entry = Entry("MedicationRequest", node)
    if node.has("modifierExtension"):
        remarks.add(Remark.MODIFIER_NOT_UNDERSTOOD, node)
    drugs = MedicationReader(References([entry]), remarks).drugs(entry)
    if not drugs:
        raise InvalidInput(Reason.INPUT_MISSING, "medicationCodeableConcept", "must name a drug")
    instructions = [*node.items("dosageInstruction")]
    dosage = _dosage(instructions[0]) if instructions else None
    unread = bool(instructions) and (dosage is None or dosage.dose is None)
    return ReadOrder(tuple(drugs), dosage, unread, remarks.notices())


def _dosage(instruction: Node) -> Dosage | None:
    """The first dosage of an order, by its elements and, where they do not tell, by its words."""
    words = instruction.words("text", 512)
    said = dosage_in(words) if words else None
    dose = next(filter(None, map(_dose, instruction.items("doseAndRate"))), None)
    if dose is None and said is not None:
        dose = said.dose
    times = _times_per_day(instruction.get("timing"))
    if times is None and said is not None:
        times = said.times_per_day
    route = instruction.get("route")
    spoken = "" if route is None else route.words("text", 64) or _display(route)
    return None if dose is None and times is None else Dosage(dose, times, spoken)


def _dose(rate: Node) -> Quantity | None:
    quantity = rate.get("doseQuantity")
    if quantity is None:
        dose_range = rate.get("doseRange")
        quantity = None if dose_range is None else dose_range.get("high")
    number = None if quantity is None else quantity.number("value")
    if quantity is None or number is None:
        return None
    return Quantity(number, (quantity.text("code").strip() or quantity.text("unit").strip())[:MAX_CODE])


def _times_per_day(timing: Node | None) -> float | None:
    if timing is None:
        return None
    repeat = timing.get("repeat")
    if repeat is not None:
        often = repeat.number("frequencyMax") or repeat.number("frequency")
        period, unit = repeat.number("period"), repeat.text("periodUnit")
        if period and unit in _DAYS:
            return (often or 1.0) / (period * _DAYS[unit])
    code = timing.get("code")
    if code is None:
        return None
    names = [coding.text("code") for coding in code.items("coding")]
    return next((_TIMES[name] for name in names if name in _TIMES), None)


def _display(concept: Node) -> str:
    return next((coding.words("display", 64) for coding in concept.items("coding")), "")
