"""A text as the words that the rules of names read.

Exports run sentences together ("Dr. SmithHISTORY OF"), so a word also ends where its capitals say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*|\d+|\n|[^\w\s]|_")
_PREFIXES = (
    "Mc",
    "Mac",
    "De",
    "Di",
    "La",
    "Le",
    "Van",
    "Von",
    "Fitz",
    "Du",
    "Del",
    "Al",
    "El",
    "Da",
    "Lo",
    "St",
)
"""Beginnings of a name that go on with a capital: McDonald, DeShawn."""
_SEAM = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z]{3})")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, a line's end or a mark."""

    text: str
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        return self.text[0].isalpha()

    @property
    def is_capitalised(self) -> bool:
        """Whether it is a word that begins with a capital."""
        return self.text[0].isupper()

    @property
    def is_initial(self) -> bool:
        """Whether it is one capital alone."""
        return len(self.text) == 1 and self.text.isupper()


def tokens(text: str) -> list[Token]:
    """The tokens of `text` in order; linear in its length."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        word, start = match.group(), match.start()
        if word.islower() or word.isupper() or not word[0].isalpha() or word.istitle():
            yield Token(word, start, match.end())
            continue
        at = 0
        for seam in [*(m.start() for m in _SEAM.finditer(word)), len(word)]:
            if seam < len(word) and word[at:seam] in _PREFIXES:
                continue
            yield Token(word[at:seam], start + at, start + seam)
            at = seam
