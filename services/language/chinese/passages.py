"""Which passages of a note are Chinese. Japanese, which shares the characters, shows its own among them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.language.languages import ENGLISH, Passage, foreign_passages

SCRIPT = "Chinese or Japanese"
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3041-\u30ff\uff66-\uff9f]")
_MOST_KANA = 0.02
"""Kana for each character: a Chinese note may quote a trade mark, Japanese needs them throughout."""


def chinese_passages(note: str) -> list[Passage]:
    """The stretches of `note` that are Chinese, in order; none where the note is Japanese."""
    han = len(_HAN.findall(note))
    if not han or len(_KANA.findall(note)) > _MOST_KANA * han:
        return []
    return [passage for passage in foreign_passages(note, ENGLISH) if passage.language == SCRIPT]


def joined(passages: Sequence[Passage], note: str) -> list[tuple[int, int]]:
    """Passages with nothing but marks and blanks between them as one stretch: their sections go on."""
    stretches: list[tuple[int, int]] = []
    for passage in passages:
        if stretches and not any(map(str.isalnum, note[stretches[-1][1] : passage.start])):
            stretches[-1] = (stretches[-1][0], passage.end)
        else:
            stretches.append((passage.start, passage.end))
    return stretches
