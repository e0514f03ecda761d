"""Dates at the precision at which they are known, and ages in completed units."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.clinical.dates import Age, AgeUnit, PartialDate


@pytest.mark.parametrize(
    ("written", "day", "moment"),
    [
        ("2019", date(2019, 1, 1), datetime(2019, 1, 1, tzinfo=UTC)),
        ("2019-04", date(2019, 4, 1), datetime(2019, 4, 1, tzinfo=UTC)),
        ("2019-04-30", date(2019, 4, 30), datetime(2019, 4, 30, tzinfo=UTC)),
        ("2019-04-30T08:15", date(2019, 4, 30), datetime(2019, 4, 30, 8, 15, tzinfo=UTC)),
        ("2019-04-30T08:15:00Z", date(2019, 4, 30), datetime(2019, 4, 30, 8, 15, tzinfo=UTC)),
        # The day is the one that is written, the moment is one everywhere.
        ("2019-04-30T23:30:00-05:00", date(2019, 4, 30), datetime(2019, 5, 1, 4, 30, tzinfo=UTC)),
        (
            "2020-02-29T00:00:00.123456789+01:00",
            date(2020, 2, 29),
            datetime(2020, 2, 28, 23, 0, 0, 123456, UTC),
        ),
    ],
)
def test_a_date_is_kept_as_it_is_written(written, day, moment):
    found = PartialDate.parse(written)
    assert (found.text, found.day, found.moment) == (written, day, moment)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31"),  # a leap second
        ("2019-04-30Tmorning", "2019-04-30"),
        ("2019-04-30T08", "2019-04-30T08:00:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01"),  # before the first day of the calendar in UTC
    ],
)
def test_a_time_that_fhir_does_not_have_leaves_what_can_be_read_of_it(written, kept):
    assert PartialDate.parse(written).text == kept


@pytest.mark.parametrize("written", ["", "2019-02-30", "2019-13", "19", "yesterday", "30.4.2019", "2019-4-3"])
def test_what_is_no_date_is_none(written):
    assert PartialDate.parse(written) is None


@pytest.mark.parametrize(
    ("birth", "today", "age"),
    [
        ("2020-05-06", date(2020, 5, 6), Age(0, AgeUnit.DAYS)),
        ("2020-04-06", date(2020, 5, 5), Age(29, AgeUnit.DAYS)),
        ("2020-04-06", date(2020, 5, 6), Age(1, AgeUnit.MONTHS)),
        ("2020-01-31", date(2020, 3, 1), Age(1, AgeUnit.MONTHS)),
        ("2018-05-07", date(2020, 5, 6), Age(23, AgeUnit.MONTHS)),
        ("2018-05-06", date(2020, 5, 6), Age(2)),
        ("1958-07-20", date(2020, 5, 6), Age(61)),
        ("1958-07-20", date(2020, 7, 20), Age(62)),
        ("2016-02-29", date(2019, 2, 28), Age(2)),
        # Of a year or a month alone nobody knows the month of birth.
        ("2019", date(2020, 5, 6), Age(1)),
        ("2020-05", date(2020, 5, 6), Age(0)),
        ("2021-01-01", date(2020, 5, 6), Age(-1)),
    ],
)
def test_an_age_is_in_the_unit_that_tells_infants_apart(birth, today, age):
    assert Age.between(PartialDate.parse(birth), today) == age


@pytest.mark.parametrize(
    ("age", "years"),
    [
        (Age(7), 7),
        (Age(11, AgeUnit.MONTHS), 0),
        (Age(12, AgeUnit.MONTHS), 1),
        (Age(23, AgeUnit.MONTHS), 1),
        (Age(365, AgeUnit.DAYS), 0),
        (Age(366, AgeUnit.DAYS), 1),
    ],
)
def test_every_age_has_completed_years(age, years):
    assert age.years == years
