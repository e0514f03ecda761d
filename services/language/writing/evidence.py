"""What a draft may say: the evidence, and the lines in which a model that writes is shown it.

A line is `kind | name | attribute=value …`, so that a small model learns it and a large one understands it:

    present | pleural effusion | side=left | severity=small | region=lung base | value=3 cm
    absent | pneumothorax
    measurement | potassium | 6.2 mmol/L
    medication | metoprolol | 50 mg
    normal | chest x-ray
    indication | shortness of breath
    recommendation | repeat chest x-ray in six weeks
    disagreement | pneumonia | present=image | absent=note

Sources, references and probabilities are not shown: nothing may be written of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from services.clinical.concepts import Concept


class Status(Enum):
    """How a finding stands; the value begins its line."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"


class Side(Enum):
    """The side of the body."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"


class Source(Enum):
    """Where a piece of evidence comes from."""

    UNKNOWN = "unknown"
    IMAGE = "image"
    NOTE = "note"
    RECORD = "record"
    FUSION = "fusion"


@dataclass(frozen=True, slots=True)
class Finding:
    """A disease, sign or symptom. What is empty or None is not known, and may not be written."""

    name: str
    status: Status
    side: Side | None = None
    severity: str = ""
    region: str = ""
    extent: str = ""
    """Number and unit, as `amount` writes them."""
    concepts: tuple[Concept, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """A laboratory value or a vital sign, as `amount` writes it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Medication:
    """A drug that the patient takes or is ordered."""

    name: str
    dose: str = ""


@dataclass(frozen=True, slots=True)
class NormalStudy:
    """A study that shows nothing abnormal."""

    name: str


@dataclass(frozen=True, slots=True)
class Indication:
    """Why the study was made."""

    text: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What is to be done."""

    text: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two sources that contradict each other on a finding."""

    name: str
    supporting: Source
    opposing: Source
    concepts: tuple[Concept, ...] = ()


Item = Finding | Measurement | Medication | NormalStudy | Indication | Recommendation | Disagreement


def amount(value: float, unit: str, comparator: str = "") -> str:
    """A number with its unit as a report writes it: `3 cm`, `6.2 mmol/L`, `> 59 mL/min`."""
    number = f"{value:.10g}"
    return " ".join(part for part in (comparator, number, "" if unit == "1" else unit) if part)


def evidence_line(item: Item) -> str:
    """The item's line. Bars, line ends and control characters of its texts become blanks."""
    match item:
        case Finding():
            parts = [
                item.status.value,
                item.name,
                f"side={item.side.value}" if item.side is not None else "",
                _attribute("severity", item.severity),
                _attribute("region", item.region),
                _attribute("value", item.extent),
            ]
        case Measurement():
            parts = ["measurement", item.name, item.value]
        case Medication():
            parts = ["medication", item.name, item.dose]
        case NormalStudy():
            parts = ["normal", item.name]
        case Indication():
            parts = ["indication", item.text]
        case Recommendation():
            parts = ["recommendation", item.text]
        case Disagreement():
            parts = [
                "disagreement",
                item.name,
                f"present={item.supporting.value}",
                f"absent={item.opposing.value}",
            ]
    return " | ".join(cleaned for part in parts if (cleaned := _one_line(part)))


def evidence_lines(items: Iterable[Item]) -> str:
    """The lines of the items, in their order."""
    return "\n".join(evidence_line(item) for item in items)


def _attribute(name: str, value: str) -> str:
    return f"{name}={value}" if value.strip() else ""


_BREAKS = re.compile(r"[|\s\x00-\x1f\x7f-\x9f]+")


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()
