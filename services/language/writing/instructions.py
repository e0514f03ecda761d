"""Sentences that speak to who writes instead of the patient: neither shown to a model nor believed."""

from __future__ import annotations

import bisect
import functools
import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files

_PARAGRAPH = re.compile(r"\n\s*\n")


def instructed(text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Of each sentence of a text (its spans, in order), whether it is an instruction or stands behind one in
    its paragraph. The time is linear in the text.
    """
    # A match may begin with the full stop of the sentence before.
    at = sorted(match.end() - 1 for pattern in _patterns() for match in pattern.finditer(text))
    paragraphs = [0, *(match.end() for match in _PARAGRAPH.finditer(text))]
    found = []
    for start, end in spans:
        paragraph = paragraphs[bisect.bisect_right(paragraphs, start) - 1]
        first = bisect.bisect_left(at, paragraph)
        found.append(first < len(at) and at[first] < end)
    return found


def without(text: str, spans: Sequence[tuple[int, int]], left_out: Sequence[bool]) -> str:
    """`text` without those of its sentences, and without what stands between them."""
    kept = []
    at = 0
    for number, (start, end) in enumerate(spans):
        if left_out[number]:
            if not number or not left_out[number - 1]:
                kept.append(text[at:start])
            at = end
    return "".join([*kept, text[at:]])


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    table = tomllib.loads((files(__package__) / "instructions.toml").read_text(encoding="utf-8"))
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in table["patterns"])
