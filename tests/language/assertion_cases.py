"""Reads data/cases/note_assertions.tsv, whose head explains its marks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from services.language.entities import Assertion, EntityType, Span

PATH = Path(__file__).parent / "data" / "cases" / "note_assertions.tsv"

_LETTERS = {
    "P": {Assertion.PRESENT},
    "A": {Assertion.ABSENT},
    "U": {Assertion.POSSIBLE},
    "H": {Assertion.HISTORICAL},
    "F": {Assertion.FAMILY},
    "Y": {Assertion.HYPOTHETICAL},
    "L": {Assertion.ALLERGY},
    "N": set(Assertion) - {Assertion.PRESENT},
}
_MARK = re.compile(r"<([PAUHFYLN](?:/[PAUHFYLN])*)(:C)? ([^<>]+)>")
_ESCAPE = re.compile(r"\\(n|t|r|u[0-9a-f]{4}|x[0-9a-f]{2})")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Case:
    """A note, and of each entity (in the order of `spans`) the assertions that are right."""

    name: str
    origin: str
    kind: str
    text: str
    spans: tuple[Span, ...]
    right: tuple[frozenset[Assertion], ...]


def place(text: str, surface: str, after: int) -> tuple[int, int]:
    """Where an entity stands in a note that was typed otherwise: its letters and digits, whatever is between
    them; AssertionError when it is lost.
    """
    wanted = [c.lower() for c in surface if c.isalnum()]
    for start in range(after, len(text)):
        if start and text[start - 1].isalnum():
            continue
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


def retyped(case: Case, change: Callable[[str], str]) -> Case:
    """The same case with its text changed and its entities where they then are."""
    text, spans, after = change(case.text), [], 0
    for span in case.spans:
        start, after = place(text, case.text[span.start : span.end], after)
        spans.append(Span(start, after, span.type))
    return replace(case, text=text, spans=tuple(spans))


def wrapped(text: str, width: int) -> str:
    """The text as an export wraps it: only spaces become line ends; rows of a table stay as they are."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line if "\t" in line or "  " in line else _wrapped(line, width) for line in lines)


def _wrapped(line: str, width: int) -> str:
    return "\n".join(textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False))


def read_cases(path: Path = PATH) -> list[Case]:
    """All cases of the file; ValueError for one without an entity."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def _parse(name: str, origin: str, kind: str, marked: str) -> Case:
    marked = _ESCAPE.sub(lambda match: _CONTROL.get(match[1]) or chr(int(match[1][1:], 16)), marked)
    text, spans, right, last = "", [], [], 0
    for mark in _MARK.finditer(marked):
        text += marked[last : mark.start()]
        entity_type = EntityType.CHEMICAL if mark[2] else EntityType.DISEASE
        spans.append(Span(len(text), len(text) + len(mark[3]), entity_type))
        right.append(frozenset(set().union(*(_LETTERS[letter] for letter in mark[1].split("/")))))
        text += mark[3]
        last = mark.end()
    if not spans:
        raise ValueError(f"{name}: no entity is marked")
    return Case(name, origin, kind, text + marked[last:], tuple(spans), tuple(right))
