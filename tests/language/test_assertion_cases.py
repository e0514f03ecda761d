"""Cases that people met, and further ones of each kind: what the rules assert of given entities, however the
note is typed.
"""

from __future__ import annotations

import textwrap

import pytest

from services.language.assertion import assert_entities
from services.language.entities import Assertion, Span
from tests.language.assertion_cases import Case, read_cases

CASES = read_cases()
TEXT_CHANGES = {
    "lower case": str.lower,
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "non-breaking spaces": lambda text: text.replace(" ", "\u00a0"),
    "non-breaking hyphens": lambda text: text.replace("-", "\u2011"),
    "dashes": lambda text: text.replace(" - ", " \u2013 "),
    "doubled spaces": lambda text: text.replace(" ", "  "),
    "curly quotes": lambda text: text.replace("'", "\u2019"),
    **{
        f"wrapped at {width}": lambda text, width=width: "\n".join(wrapped(s, width) for s in lines(text))
        for width in (40, 60, 80)
    },
}


def lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def wrapped(line: str, width: int) -> str:
    """The line as an export wraps it: only spaces become line ends, so that nothing else changes."""
    parts = textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False, drop_whitespace=True)
    return "\n".join(parts) if "\t" not in line and "  " not in line else line


def place(text: str, surface: str, after: int) -> tuple[int, int]:
    """Where an entity stands after the change: its letters and digits, whatever is between them."""
    wanted = [c.lower() for c in surface if c.isalnum()]
    for start in range(after, len(text)):
        at, left = start, list(wanted)
        while at < len(text) and left and (text[at].lower() == left[0] or not text[at].isalnum()):
            if text[at].lower() == left[0]:
                left.pop(0)
            elif at == start:
                break
            at += 1
        if not left:
            return start, at
    raise AssertionError("the change lost an entity")


def changed(case: Case, change) -> tuple[str, list[Span]]:
    text, spans, after = change(case.text), [], 0
    for span in case.spans:
        start, after = place(text, case.text[span.start : span.end], after)
        spans.append(Span(start, after, span.type))
    return text, spans


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
        text, spans = changed(case, change)
        for before, after in zip(
            assert_entities(case.text, case.spans), assert_entities(text, spans), strict=True
        ):
            if before.assertion is not after.assertion:
                wrong.append((case.name, before.assertion.value, after.assertion.value, text))
    assert not wrong


def test_there_are_cases_of_every_kind_and_class():
    assert sum(case.origin == "ours" for case in CASES) >= 200
    single = [right for case in CASES for right in case.right if len(right) == 1]
    assert all(single.count(frozenset({kind})) >= 10 for kind in Assertion)
    assert len({case.name for case in CASES}) == len(CASES)
