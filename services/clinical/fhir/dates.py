"""The dates of FHIR's elements, and ages as dates.

A year or month alone counts from its first day. Days are taken as they are written; moments are instants.
"""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from typing import Final

from services.clinical.dates import PartialDate
from services.clinical.fhir.bounded_json import Node

FAR_FUTURE_YEAR: Final = 2200
"""Dates from here on stand for "no end" (9999-12-31 and the like) or are errors of entry: they count as
unknown.
"""

_DAYS_PER_UNIT: Final = {
    **dict.fromkeys(("a", "yr", "year", "years", "y"), 365.25),
    **dict.fromkeys(("mo", "month", "months"), 30.4375),
    **dict.fromkeys(("wk", "week", "weeks"), 7.0),
    **dict.fromkeys(("d", "day", "days"), 1.0),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 24),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 1440),
}
"""FHIR's age-units (UCUM) and their names."""


def when(node: Node, name: str) -> PartialDate | None:
    """A FHIR date, dateTime or instant; None where it is absent or implausibly late.

    InvalidInput: no FHIR date.
    """
    text = node.text(name)
    if not text:
        return None
    found = PartialDate.parse(text)
    if found is None:
        node.refuse_member(name, "must be a FHIR date")
    return found if found.day.year < FAR_FUTURE_YEAR else None


def in_period(node: Node, name: str, end: str = "start") -> PartialDate | None:
    """When a Period starts or ends."""
    period = node.get(name)
    return None if period is None else when(period, end)


def is_too_late(node: Node, name: str) -> bool:
    """Whether a date is there that counts as unknown."""
    return node.has(name) and node.text(name)[:4] >= str(FAR_FUTURE_YEAR)


def at_age(birth: PartialDate | None, node: Node, name: str) -> PartialDate | None:
    """The day on which the patient had an Age; None where either is not known."""
    age = node.get(name)
    day = None if birth is None or age is None else _after(birth.day, age)
    return None if day is None else PartialDate.of(day)


def at_age_range(birth: PartialDate | None, node: Node, name: str, end: str) -> PartialDate | None:
    """The day on which the patient had the `low` or `high` age of a Range."""
    ages = node.get(name)
    return None if ages is None else at_age(birth, ages, end)


def _after(birth: date, age: Node) -> date | None:
    value = age.number("value")
    unit = (age.text("code") or age.text("unit")).strip().lower()
    if value is None or unit not in _DAYS_PER_UNIT:
        return None
    with contextlib.suppress(OverflowError):
        return birth + timedelta(days=round(value * _DAYS_PER_UNIT[unit]))
    return None
