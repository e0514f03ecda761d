"""What is found, on sentences of our own with their identifiers marked."""

from __future__ import annotations

import time

import pytest

from services.language.deidentification.identifiers import Found, Kind, Origin, merged
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Known, Options
from tests.language.deidentification.marked import sentences


@pytest.fixture(scope="module")
def deidentifier() -> Deidentifier:
    return Deidentifier()


def found(deidentifier, text, **options) -> list[tuple[str, str]]:
    """Kind and characters of what is found in one text."""
    items = deidentifier.find([text], Options(**options))[0]
    return [(str(item.kind), text[item.start : item.end]) for item in items]


def test_every_marked_identifier_is_covered_and_nothing_else(deidentifier):
    missed, false = [], []
    for text, marked in sentences():
        items = deidentifier.find([text], Options())[0]
        for start, end, _ in marked:
            own = [at for at in range(start, end) if text[at].isalnum()]
            if not all(any(item.start <= at < item.end for item in items) for at in own):
                missed.append(text[start:end])
        false += [
            text[item.start : item.end]
            for item in items
            if not any(item.start < end and start < item.end for start, end, _ in marked)
        ]
    assert (missed, false) == ([], [])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MRN: 4458712", "MEDICAL_RECORD"),
        ("SSN 123-45-6789", "SSN"),
        ("fax 617-555-0144", "FAX"),
        ("phone 617-555-0144", "PHONE"),
        ("policy number XWZ449221", "HEALTH_PLAN"),
        ("account no. 99120", "ACCOUNT"),
        ("NPI 1922334455", "LICENCE"),
        ("VIN 1FTFW1ET5DFC10312", "VEHICLE"),
        ("serial number PZK441223S", "DEVICE"),
        ("see https://example.org/a", "URL"),
        ("from 10.22.4.118", "IP_ADDRESS"),
        ("mail a.b@example.org", "EMAIL"),
        ("fingerprint ID FP-99120", "BIOMETRIC"),
        ("photo face_0041.jpg", "PHOTOGRAPH"),
        ("case no. 441222", "OTHER"),
        ("a 93-year-old man", "AGE"),
        ("seen on 3/4/2019", "DATE"),
        ("ZIP code 97005", "LOCATION"),
        ("at Mercy General Hospital", "ORGANISATION"),
        ("by Dr. Castellano", "NAME"),
    ],
)
def test_each_identifier_of_safe_harbor_has_its_kind(deidentifier, text, kind):
    assert [name for name, _ in found(deidentifier, text)] == [kind]


def test_a_name_found_once_is_found_everywhere(deidentifier):
    text = "Mr. Whitlock came. whitlock is well. WHITLOCK: stable. Whitlocks are not he."
    assert [words for _, words in found(deidentifier, text)] == ["Whitlock", "whitlock", "WHITLOCK"]


def test_a_name_of_one_text_is_found_in_the_others(deidentifier):
    items = deidentifier.find(["Seen by Dr. Quarles.", "quarles signed"], Options())
    assert [len(own) for own in items] == [1, 1]
    assert items[1][0].origin is Origin.REPEATED


def test_what_the_caller_knows_is_found_however_it_is_written(deidentifier):
    known = (
        Known(Kind.NAME, "Zed Ptolemy"),
        Known(Kind.MEDICAL_RECORD, "47-11 08"),
        Known(Kind.OTHER, "blue heron"),
    )
    text = "Zed says ptolemy, 471108, 47.11.08 and Blue Heron"
    words = [w for _, w in found(deidentifier, text, known=known)]
    assert words == ["Zed", "ptolemy", "471108", "47.11.08", "Blue Heron"]


def test_placeholders_that_are_there_already_are_left(deidentifier):
    text = "Dr. [NAME-1] on [DATE-2], [**Hospital 12**]"
    assert found(deidentifier, text) == []


@pytest.mark.parametrize(
    "unit", ["Dr. ", "Smith, ", "a@", "12-", "A. ", "no. # : ", "de la ", "李伟", "北京市", "St. "]
)
def test_work_grows_with_the_length_alone(deidentifier, unit):
    """Four times the text takes about four times as long, not sixteen times."""

    def once(length):
        text = (unit * (length // len(unit) + 1))[:length]
        begun = time.process_time()
        deidentifier.find([text], Options())
        return time.process_time() - begun

    def cost(length):  # the least of three: one may hold a collection of everybody's garbage
        return min(once(length) for _ in range(3))

    assert cost(8_000) < 10 * max(cost(2_000), 0.01)


def test_overlapping_finds_become_one_over_all_of_them():
    items = [Found(5, 9, Kind.NAME, 0.9), Found(0, 6, Kind.LOCATION, 0.7), Found(9, 12, Kind.DATE, 0.8)]
    assert [(f.start, f.end, f.kind) for f in merged(items)] == [(0, 9, Kind.NAME), (9, 12, Kind.DATE)]
