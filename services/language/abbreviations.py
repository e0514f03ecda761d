"""What the wards' abbreviations stand for in this note: "PE" is an embolism, or the physical examination.

The abbreviations, their meanings and the words around them that decide are data (`abbreviations.tsv`). One
whose context says nothing stays what the tagger made of it, without a code: unknown rather than wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.clinical.tables import rows
from services.language.decoding import WordSpan
from services.language.entities import EntityType
from services.language.linking import Linker, default_linker
from services.language.vocabulary import TERMINOLOGY

_TABLE = TERMINOLOGY / "abbreviations.tsv"
_WORDS_BEFORE, _WORDS_AFTER = 12, 5
_LEAST_LETTERS = 3
_DASHES = str.maketrans("\u2013\u2014", "--")
_UNKNOWN, _NO_ENTITY = "?", "-"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One reading of an abbreviation, and the words around it that support it."""

    term: str
    before: re.Pattern[str]
    after: re.Pattern[str]
    label: str
    """Stem of the entity's label; empty where it is not an entity or not known."""

    def fits(self, before: str, after: str) -> bool:
        return bool(self.before.search(before) and self.after.match(after))


class Abbreviations:
    """The table of abbreviations; immutable, safe to share between threads."""

    def __init__(self) -> None:
        linker = default_linker()
        self._meanings: dict[tuple[str, ...], list[_Meaning]] = {}
        self._only_capitals: set[tuple[str, ...]] = set()
        for short, letters, term, before, after in rows(_TABLE, 5):
            words = tuple(re.findall(r"[^/]+|/", short))
            label = "" if term in {_UNKNOWN, _NO_ENTITY} else _label(linker, term)
            meaning = _Meaning(term, re.compile(f"(?:{before})$"), re.compile(after), label)
            self._meanings.setdefault(words, []).append(meaning)
            if letters == "capitals":
                self._only_capitals.add(words)
        self._beginnings = {words[0] for words in self._meanings}
        self._lengths = sorted({len(words) for words in self._meanings}, reverse=True)

    def settled(
        self, words: Sequence[str], spans: Sequence[WordSpan], confidence: float, breaks: Sequence[int] = ()
    ) -> list[WordSpan]:
        """The entities with those that abbreviations name, without those that they do not; in order.

        `words` as written. An entity that is longer than the abbreviation keeps its meaning, but loses an
        abbreviation that is not part of it ("CVA tenderness"). What is added gets `confidence`.
        """
        owner = {word: index for index, s in enumerate(spans) for word in range(s.first, s.last)}
        kept: list[WordSpan | None] = list(spans)
        added = []
        for first, last, meaning in self._read(words, breaks):
            owners = {owner[word] for word in range(first, last) if word in owner}
            for index in owners:
                if (span := kept[index]) is not None:
                    kept[index] = _read_as(span, first, last, meaning, confidence)
            if meaning.label and not owners:
                added.append(WordSpan(first, last, meaning.label, confidence, True, meaning.term))
        return sorted([*added, *(span for span in kept if span is not None)], key=lambda span: span.first)

    def _read(self, words: Sequence[str], breaks: Sequence[int]) -> Iterator[tuple[int, int, _Meaning]]:
        """Every abbreviation whose context decides, as first word, one past the last, and meaning."""
        new_lines = {0, *breaks}
        letters = "".join(word for word in words if word.isalpha())
        all_small, all_capitals = letters.islower(), letters.isupper()
        for first, word in enumerate(words):
            if not self._beginnings & {word.upper(), word.upper().removesuffix("S")}:
                continue
            keys = (self._key(words[first : first + length], all_small) for length in self._lengths)
            if (key := next(filter(None, keys), None)) is None:
                continue
            last = first + len(key)
            before, after = _before(words, first, new_lines), _after(words, last)
            may_be_word = all_capitals and key in self._only_capitals  # "FOLLOW UP AS NEEDED"
            for meaning in self._meanings[key]:
                if meaning.fits(before, after) and not (may_be_word and meaning.label):
                    yield first, last, meaning
                    break

    def _key(self, written: Sequence[str], all_small: bool) -> tuple[str, ...] | None:
        """The abbreviation that is written here, or None. Small letters count where a longer abbreviation is
        no word, or where the whole note is in small letters.
        """
        joined = "".join(written)
        if joined[:-1].isupper() and joined.endswith("s"):
            written = [*written[:-1], written[-1][:-1]]
        key = tuple(word.upper() for word in written)
        if key not in self._meanings:
            return None
        if key in self._only_capitals:
            return key if tuple(written) == key else None
        plain = tuple(written) == key or len(key[0]) >= _LEAST_LETTERS or all_small
        return key if plain else None


def _before(words: Sequence[str], first: int, new_lines: set[int]) -> str:
    """The words before, in small letters, each followed by a blank, a new line as a line feed."""
    start = max(first - _WORDS_BEFORE, 0)
    parts = [("\n" if at in new_lines else "") + words[at].lower() + " " for at in range(start, first)]
    return "".join(parts) + ("\n" if first in new_lines else "")


def _after(words: Sequence[str], last: int) -> str:
    """The words after, in small letters; every dash as a hyphen."""
    return " ".join(words[last : last + _WORDS_AFTER]).lower().translate(_DASHES)


def _read_as(span: WordSpan, first: int, last: int, meaning: _Meaning, confidence: float) -> WordSpan | None:
    """An entity that holds an abbreviation, or a part of it, with the abbreviation's meaning."""
    longer = span.first < first or last < span.last
    if meaning.term == _NO_ENTITY:
        if not longer:
            return None
        return (
            replace(span, first=last)
            if span.first == first
            else replace(span, last=first if span.last == last else span.last)
        )
    if longer:
        return span
    if meaning.term == _UNKNOWN:
        return replace(span, stands_for="")
    if span.label == meaning.label and (span.first, span.last) == (first, last):
        return replace(span, stands_for=meaning.term)
    return WordSpan(first, last, meaning.label, confidence, True, meaning.term)


def _label(linker: Linker, term: str) -> str:
    for entity_type in EntityType:
        if linker.codes(term, entity_type):
            return entity_type.value
    raise ValueError(f"{_TABLE.name}: {term} is not a term of the terminology")
