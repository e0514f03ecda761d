"""What stands in the place of identifiers: consistent, shifted, and where the offsets say."""

from __future__ import annotations

import re
from datetime import date

import pytest

from services.language.deidentification.dates import shifted
from services.language.deidentification.identifiers import Kind
from services.language.deidentification.lexicon import default_lexicon
from services.language.deidentification.persons import Register
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Options, Style
from services.language.deidentification.surrogates import Surrogates

KEY = b"a key of 32 bytes, kept by a test"
NOTE = (
    "Mr. John Castellano (MRN 4471820), a 92-year-old, was seen on March 5th, 2019 by Dr. Helen Prewitt at "
    "Mercy General Hospital in Boise. Castellano returned on 3/9/2019; J. Castellano's wife, Anna, called "
    "415-555-2671. CASTELLANO, JOHN A. 🙂 signed."
)


@pytest.fixture(scope="module")
def deidentifier() -> Deidentifier:
    return Deidentifier()


def surrogates(deidentifier, *texts, key=KEY, patient="p1"):
    return deidentifier.replaced(texts, Options(Style.SURROGATE, key, patient))


@pytest.mark.parametrize("style", list(Style))
def test_offsets_lead_from_one_text_to_the_other(deidentifier, style):
    [done] = deidentifier.replaced([NOTE], Options(style, KEY, "p1"))
    before = after = 0
    for one in done.replacements:
        assert NOTE[before : one.found.start] == done.text[after : one.start]
        before, after = one.found.end, one.end
    assert NOTE[before:] == done.text[after:]
    assert len(done.replacements) == 13


def test_one_person_has_one_placeholder_under_all_names(deidentifier):
    [done] = deidentifier.replaced([NOTE], Options())
    written = {
        NOTE[r.found.start : r.found.end]: r.number for r in done.replacements if r.found.kind is Kind.NAME
    }
    assert {
        written[n] for n in ("John Castellano", "Castellano", "J. Castellano", "CASTELLANO, JOHN A.")
    } == {1}
    assert len({written[n] for n in ("John Castellano", "Helen Prewitt", "Anna")}) == 3
    assert "[NAME-1]" in done.text
    assert "90+-year-old" in done.text


def test_a_surrogate_keeps_gender_case_and_form(deidentifier):
    [done] = surrogates(deidentifier, NOTE)
    new = [done.text[r.start : r.end] for r in done.replacements if r.found.kind is Kind.NAME]
    given, surname = new[0].split()
    assert default_lexicon().given[given.lower()] == "m"
    assert surname in new
    assert f"{given[0]}. {surname}" in new
    assert any(name.startswith(f"{surname.upper()}, {given.upper()}") for name in new)
    assert "Castellano" not in done.text
    assert re.search(r"\(MRN \d{7}\)", done.text)


def test_the_same_key_makes_the_same_and_another_key_another(deidentifier):
    [one], [again], [other] = (surrogates(deidentifier, NOTE, key=key) for key in (KEY, KEY, KEY[::-1]))
    assert one.text == again.text
    assert one.text != other.text


def test_dates_of_a_patient_move_together_and_those_of_another_otherwise(deidentifier):
    [one] = surrogates(deidentifier, "Seen 3/5/2019 and 2019-03-09.", patient="p1")
    month, day, year = map(int, re.search(r"(\d+)/(\d+)/(\d{4})", one.text).groups())
    later = date.fromisoformat(re.search(r"\d{4}-\d\d-\d\d", one.text).group())
    assert (later - date(year, month, day)).days == 4
    shifts = {Surrogates(KEY, f"patient {n}").shift_days for n in range(40)}
    assert len(shifts) > 20
    assert all(30 <= abs(days) <= 364 for days in shifts)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("03/05/2019", "04/14/2019"),
        ("3-5-19", "4-14-19"),
        ("2019-03-05T14:22:00Z", "2019-04-14T14:22:00Z"),
        ("05-Mar-2019", "14-Apr-2019"),
        ("March 5th, 2019", "April 14th, 2019"),
        ("MARCH 5, 2019", "APRIL 14, 2019"),
        ("fifth of March", "fourteenth of April"),
        ("March of 2019", "April of 2019"),
        ("December 30", "February 8"),
        ("22.12.2019", "31.1.2020"),
        ("Monday", "Saturday"),
        ("2019年3月5日", "2019年4月14日"),
        ("三月五日", "四月十四日"),
        ("Easter", None),
        ("the 5th", None),
    ],
)
def test_a_date_moves_by_forty_days_in_its_own_form(written, expected):
    assert shifted(written, 40) == expected


def test_two_people_of_one_surname_are_told_apart_by_title_and_given_name():
    names = ["John Hart", "Mary Hart", "Hart", "Hart", "J. Hart", "HART, MARY"]
    persons = Register(default_lexicon()).persons(names, ["", "", "m", "f", "", ""])
    assert [person.number for person in persons] == [1, 2, 1, 2, 1, 2]


def test_kept_kinds_are_left(deidentifier):
    [done] = deidentifier.replaced([NOTE], Options(kept=frozenset({Kind.DATE, Kind.AGE})))
    assert "March 5th, 2019" in done.text
    assert "92-year-old" in done.text
    assert "Castellano" not in done.text


def test_the_lists_are_read_when_a_text_is_first_deidentified():
    default_lexicon.cache_clear()
    deidentifier = Deidentifier()
    assert default_lexicon.cache_info().currsize == 0, "most services never need them"
    deidentifier.replaced(["Seen by Dr. Miller."], Options())
    assert default_lexicon.cache_info().currsize == 1
