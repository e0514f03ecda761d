"""Cases that were reported, and further ones of each kind: what the rules assert of given entities,
however the note is typed.
"""

from __future__ import annotations

from functools import partial

import pytest

from services.language.assertion import assert_entities
from services.language.entities import Assertion
from tests.language.assertion_cases import read_cases, retyped, wrapped

CASES = read_cases()
TEXT_CHANGES = {
    "lower case": str.lower,
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "non-breaking spaces": lambda text: text.replace(" ", "\u00a0"),
    "non-breaking hyphens": lambda text: text.replace("-", "\u2011"),
    "dashes": lambda text: text.replace(" - ", " \u2013 "),
    "doubled spaces": lambda text: text.replace(" ", "  "),
    "curly quotes": lambda text: text.replace("'", "\u2019"),
    **{f"wrapped at {width}": partial(wrapped, width=width) for width in (40, 60, 80)},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_note_asserts_what_it_says(case):
    results = assert_entities(case.text, case.spans)
    wrong = [
        (case.text[span.start : span.end], result.assertion)
        for span, result, right in zip(case.spans, results, case.right, strict=True)
        if result.assertion not in right
    ]
    assert not wrong, case.text


@pytest.mark.parametrize("change", TEXT_CHANGES.values(), ids=TEXT_CHANGES)
def test_the_same_note_typed_otherwise_asserts_the_same(change):
    wrong = []
    for case in CASES:
        other = retyped(case, change)
        answers = zip(
            assert_entities(case.text, case.spans), assert_entities(other.text, other.spans), strict=True
        )
        for before, after in answers:
            if before.assertion is not after.assertion:
                wrong.append((case.name, before.assertion.value, after.assertion.value, other.text))
    assert not wrong


def test_there_are_cases_of_every_kind_and_class():
    assert sum(case.origin == "ours" for case in CASES) >= 200
    single = [right for case in CASES for right in case.right if len(right) == 1]
    assert all(single.count(frozenset({kind})) >= 10 for kind in Assertion)
    assert len({case.name for case in CASES}) == len(CASES)
