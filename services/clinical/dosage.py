"""Dosages: how much of a drug, how often and on which way; and what a line of text says of them."""

from __future__ import annotations

import dataclasses
import re

from services.clinical.record import Quantity

MG = {"kg": 1e6, "g": 1000.0, "mg": 1.0, "ug": 0.001, "mcg": 0.001, "µg": 0.001, "μg": 0.001, "ng": 1e-6}
"""Milligrams of a unit of mass."""
AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s?(kg|g|mg|ug|mcg|µg|μg|ng)\b(?!\s?/)", re.IGNORECASE)
"""A mass in a text, and not the beginning of a concentration."""

_CONCENTRATION = re.compile(r"mg\s?/\s?(?:ml|kg|hr|actuat)", re.IGNORECASE)
_COUNT = re.compile(
    r"\b(\d+(?:[.,]\d+)?|one|two|three|half an?)\s+(?:tab|cap|pill|puff|patch|dose|unit of)", re.IGNORECASE
)
_COUNTS = {"one": 1.0, "two": 2.0, "three": 3.0, "half a": 0.5, "half an": 0.5}
_FREQUENCIES = (
    (re.compile(r"\b(?:q\.?i\.?d|four times)\b", re.IGNORECASE), 4.0),
    (re.compile(r"\b(?:t\.?i\.?d|three times)\b", re.IGNORECASE), 3.0),
    (re.compile(r"\b(?:b\.?i\.?d|twice|two times)\b(?!.{0,5}\bweek)", re.IGNORECASE), 2.0),
    (re.compile(r"\b(?:weekly|once a week|every week|q\.?w)\b", re.IGNORECASE), 1 / 7),
    (
        re.compile(
            r"\b(?:daily|once a day|every (?:day|morning|night)|q\.?d|o\.?d|nightly|qhs|at bedtime)\b",
            re.IGNORECASE,
        ),
        1.0,
    ),
)
_EVERY = re.compile(r"\b(?:q|every)\s?(\d{1,2})(?:\s?-\s?\d{1,2})?\s?h", re.IGNORECASE)
_TIMES = re.compile(r"\b(\d{1,2})\s?(?:times|x)\s?(?:a|per|/|daily|day)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Dosage:
    """How much of a drug is ordered."""

    dose: Quantity | None = None
    """At one time: in a unit of mass, or in units of the product."""
    times_per_day: float | None = None
    route: str = ""


def dosage_in(text: str) -> Dosage | None:
    """The dosage that a text gives: `500 mg three times a day`, `2 tablets BID`, `q6h`. None where it says
    nothing of a frequency.
    """
    every, times = _EVERY.search(text), _TIMES.search(text)
    if every is not None and int(every[1]):
        a_day: float | None = 24 / int(every[1])
    elif times is not None:
        a_day = float(times[1])
    else:
        a_day = next((number for pattern, number in _FREQUENCIES if pattern.search(text)), None)
    if a_day is None:
        return None
    count, amounts = _COUNT.search(text), [*AMOUNT.finditer(text)]
    if count is not None:
        return Dosage(Quantity(number(count[1]), "{tablet}"), a_day)
    if amounts and not _CONCENTRATION.search(text):
        amount = amounts[-1]
        return Dosage(Quantity(number(amount[1]), amount[2]), a_day)
    return Dosage(None, a_day)


def number(text: str) -> float:
    """A number in digits or in words."""
    known = _COUNTS.get(text.lower())
    return float(text.replace(",", ".")) if known is None else known
