"""Splits a clinical note into sentences (full ones, bullet lines, headers, wrapped lines) without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from services.language.entities import Span

_ABBREVIATIONS = frozenset({"dr", "mr", "mrs", "ms", "vs", "approx", "e.g", "i.e", "pt", "st", "hx"})
_BOUNDARY = re.compile(r"[.!?](?=\s|$)|\n")
_LOOK_BACK = 16  # characters that decide whether a mark ends a sentence


def split_sentences(text: str, entities: Sequence[Span] = ()) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; `entities` (sorted) are never cut.

    Ends are `.`, `!`, `?` before white space, and line breaks, except after abbreviations, after the number
    of an enumeration ("1. "), and where a line is wrapped (the next begins in lower case, the last has no end
    mark).
    """
    start = 0
    cursor = 0
    for match in _BOUNDARY.finditer(text):
        at = match.end()
        while cursor < len(entities) and entities[cursor].end <= match.start():
            cursor += 1
        if cursor < len(entities) and entities[cursor].start <= match.start():
            continue
        if not _ends_sentence(text, start, match):
            continue
        yield start, at
        start = at
    if start < len(text):
        yield start, len(text)


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    before = text[max(start, match.start() - _LOOK_BACK) : match.start()]
    if match.group() == "\n":
        following = text[match.end() : match.end() + 1]
        return not (following.islower() and before.strip() and before.rstrip()[-1:] not in ".:;!?")
    word = before.split()[-1] if before.split() and not before[-1:].isspace() else ""
    if match.group() == "?":
        return bool(word)  # "? pneumonia" is a query, "pneumonia?" an end
    if match.group() == ".":
        if word.lower().lstrip("(") in _ABBREVIATIONS:
            return False
        if word.isdecimal() and len(word) <= 2:  # "1." at the start of a sentence or after a header
            head = before[: -len(word)].rstrip()
            return bool(head) and head[-1] != ":"
    return True
