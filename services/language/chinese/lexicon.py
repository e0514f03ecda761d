"""The Chinese names of findings and drugs, and the characters that they are read in.

A text is compared in simplified characters with full-width letters and digits made plain; each character
stays one, so that every offset is one of the note.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.clinical.tables import rows
from services.language.entities import EntityType

FOLDER = Path(__file__).resolve().parent
TABLES = (FOLDER / "characters.tsv", FOLDER / "lexicon.tsv", FOLDER / "cues.tsv")
"""What decides how Chinese is read."""

_NOT_AN_ENTITY = "NONE"
_DISEASE, _HISTORY = "病", "史"
_LATIN = frozenset(string.ascii_letters + string.digits)


@dataclass(frozen=True, slots=True)
class Term:
    """What a Chinese term names. `type` is None for words that hold a finding's name and name none."""

    type: EntityType | None
    english: str
    """The term of the English terminology that it is linked by."""


@dataclass(frozen=True, slots=True)
class Found:
    """A term of the text at `[start, end)` in code points."""

    start: int
    end: int
    term: Term


class Lexicon:
    """Finds the longest terms of a text; immutable."""

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self._terms = terms
        longest: dict[str, int] = {}
        for word in terms:
            longest[word[0]] = max(longest.get(word[0], 0), len(word))
        self._longest = longest
        """Of the terms that begin with a character."""

    @classmethod
    def load(cls, path: Path = FOLDER / "lexicon.tsv") -> Lexicon:
        """Raises ValueError naming a term that stands twice."""
        terms: dict[str, Term] = {}
        for kind, english, words in rows(path, 3):
            term = Term(None if kind == _NOT_AN_ENTITY else EntityType(kind), english)
            for word in words.split("; "):
                if word.lower() in terms and terms[word.lower()] is not term:
                    raise ValueError(f"{path.name}: {word} stands twice")
                terms[word.lower()] = term
            terms.setdefault(english.lower(), term)
        return cls(terms)

    def find(self, note: str, text: str) -> Iterator[Found]:
        """The terms of `text`, the simplified form of `note`, in order, not overlapping; a term that is
        written in traditional characters as the note writes it goes first (where the two usages differ).
        """
        at = 0
        while at < len(text):
            found = self._at(note, at) or self._at(text, at)
            if found is None:
                at += 1
                continue
            yield found
            at = found.end

    def _at(self, text: str, start: int) -> Found | None:
        for length in range(min(self._longest.get(text[start], 0), len(text) - start), 0, -1):
            end = start + length
            term = self._terms.get(text[start:end])
            if term is None or _within_a_word(text, start, end):
                continue
            without = end - 1
            if (
                text[without] == _DISEASE
                and text[end : end + 1] == _HISTORY
                and text[start:without] in self._terms
            ):
                end = without  # 高血压病史: a history (病史) of 高血压
            return Found(start, end, term)
        return None


def simplified(text: str) -> str:
    """`text` in simplified characters with plain small letters, digits and brackets; the same length."""
    return text.translate(_characters())


def _within_a_word(text: str, start: int, end: int) -> bool:
    """Whether Latin letters go on before or after: "PE" of "PEEP"."""
    return (text[start] in _LATIN and text[start - 1 : start] in _LATIN and start > 0) or (
        text[end - 1] in _LATIN and text[end : end + 1] in _LATIN and end < len(text)
    )


@functools.cache
def _characters() -> dict[int, int]:
    table = {ord(old): ord(new) for new, olds in rows(FOLDER / "characters.tsv", 2) for old in olds}
    # Full-width letters, digits and marks; those that part sentences stay as Chinese writes them.
    table |= {
        wide: ord(chr(wide - 0xFEE0).lower())
        for wide in range(0xFF01, 0xFF5F)
        if chr(wide) not in "，；：？！"
    }
    table |= {ord(mark): ord("-") for mark in "－—–−"}
    table |= {ord(letter): ord(letter.lower()) for letter in string.ascii_uppercase}
    return table
