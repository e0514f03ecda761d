"""Dates at the precision at which they are known, and ages in completed units."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import re
from datetime import UTC, date, datetime, time
from typing import Self

UNDATED = datetime.min.replace(tzinfo=UTC)
"""Stands for the time of what has none: before all others."""
MAX_AGE_YEARS = 130

_BEGINNING = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)
_FHIR = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class PartialDate:
    """FHIR's date, dateTime or instant: a year, a month, a day or a moment."""

    text: str
    """As it was written, e.g. `2019`, `2019-04-30T08:15:00+02:00`."""
    day: date = dataclasses.field(compare=False)
    """The day that is written; of a year or a month the first."""
    moment: datetime = dataclasses.field(compare=False)
    """In UTC; a time without a zone counts as UTC, a day alone begins at midnight UTC."""

    @classmethod
    def parse(cls, text: str) -> PartialDate | None:
        """Read what is written; None where it is not a date. A time that cannot be read leaves the day."""
        return _parse(text)

    @classmethod
    def of(cls, day: date) -> Self:
        """A whole day."""
        return cls(day.isoformat(), day, _midnight(day))

    @property
    def is_whole_day(self) -> bool:
        """Whether it says more than a year or a month."""
        return len(self.text) > len("2019-04")


class AgeUnit(enum.Enum):
    """What an age is counted in."""

    YEARS = "years"
    MONTHS = "months"
    DAYS = "days"


@dataclasses.dataclass(frozen=True, slots=True)
class Age:
    """An age in completed units."""

    count: int
    unit: AgeUnit = AgeUnit.YEARS

    @property
    def years(self) -> int:
        """In completed years."""
        match self.unit:
            case AgeUnit.YEARS:
                return self.count
            case AgeUnit.MONTHS:
                return self.count // 12
            case AgeUnit.DAYS:
                return int(self.count / 365.2425)

    @classmethod
    def between(cls, birth: PartialDate, today: date) -> Self:
        """The age on a day: in days in the first month, in months until the second birthday, then in years.

        Negative before birth. A birth date that gives a year or a month alone tells years alone.
        """
        born = birth.day
        had_day = today.day >= born.day
        months = (today.year - born.year) * 12 + today.month - born.month - (not had_day)
        if not birth.is_whole_day or not 0 <= months < 24:
            return cls(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
        if months >= 1:
            return cls(months, AgeUnit.MONTHS)
        return cls((today - born).days, AgeUnit.DAYS)


@functools.lru_cache(maxsize=8192)
def _parse(text: str) -> PartialDate | None:
    match = _BEGINNING.fullmatch(text)
    if match is None:
        return None
    try:
        day = date(*(int(part or 1) for part in match.groups()))
    except ValueError:  # the 30th of February
        return None
    if "T" in text:
        with contextlib.suppress(ValueError, OverflowError):  # a leap second, the first day of the calendar
            found = datetime.fromisoformat(text)
            moment = found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
            written = text if _FHIR.fullmatch(text) else found.isoformat()
            if _FHIR.fullmatch(written):
                return PartialDate(written, day, moment)
        return PartialDate.of(day)
    return PartialDate(text if _FHIR.fullmatch(text) else day.isoformat(), day, _midnight(day))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
