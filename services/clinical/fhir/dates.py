"""FHIR's dates, partial or with a time, and ages as dates.

A year or month alone counts from its first day. Days are taken as they are written; moments are instants.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.clinical.fhir.bounded_json import Node

FAR_FUTURE_YEAR: Final = 2200
"""Dates from here on stand for "no end" (9999-12-31 and the like) or are slips: they count as unknown."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)
_DAYS_PER_UNIT: Final = {
    **dict.fromkeys(("a", "yr", "year", "years", "y"), 365.25),
    **dict.fromkeys(("mo", "month", "months"), 30.4375),
    **dict.fromkeys(("wk", "week", "weeks"), 7.0),
    **dict.fromkeys(("d", "day", "days"), 1.0),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 24),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 1440),
}
"""FHIR's age-units (UCUM) and their names."""


def day(node: Node, name: str) -> date | None:
    """The day of a FHIR date, dateTime or instant; None where it is absent or implausibly late.

    InvalidInput: no FHIR date.
    """
    text = node.text(name)
    if not text:
        return None
    match = _DATE.fullmatch(text)
    found = None
    if match is not None:
        with contextlib.suppress(ValueError):  # the 30th of February
            found = date(*(int(part or 1) for part in match.groups()))
    if found is None:
        node.refuse_member(name, "must be a FHIR date")
    return found if found.year < FAR_FUTURE_YEAR else None


def moment(node: Node, name: str) -> datetime | None:
    """The instant of a FHIR dateTime or instant, in UTC; a time without a zone counts as UTC.

    Otherwise as `day`, whose beginning in UTC it is where the time is absent or cannot be read.
    """
    whole = day(node, name)
    if whole is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):  # a leap second, the first day of the calendar
        found = datetime.fromisoformat(node.text(name))
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return datetime.combine(whole, time(), UTC)


def period_day(node: Node, name: str, end: str = "start") -> date | None:
    """The day on which a Period starts or ends."""
    period = node.get(name)
    return None if period is None else day(period, end)


def is_too_late(node: Node, name: str) -> bool:
    """Whether a date is there that counts as unknown."""
    return node.has(name) and node.text(name)[:4] >= str(FAR_FUTURE_YEAR)


def at_age(birth: date | None, node: Node, name: str) -> date | None:
    """The day on which the patient had an Age; None where either is not known."""
    age = node.get(name)
    return None if birth is None or age is None else _after(birth, age)


def at_age_range(birth: date | None, node: Node, name: str, end: str) -> date | None:
    """The day on which the patient had the `low` or `high` age of a Range."""
    ages = node.get(name)
    return None if ages is None else at_age(birth, ages, end)


def age_on(birth: date, today: date) -> int:
    """Whole years since birth."""
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def _after(birth: date, age: Node) -> date | None:
    value = age.number("value")
    unit = (age.text("code") or age.text("unit")).strip().lower()
    if value is None or unit not in _DAYS_PER_UNIT:
        return None
    with contextlib.suppress(OverflowError):
        return birth + timedelta(days=round(value * _DAYS_PER_UNIT[unit]))
    return None
