"""The words of a sentence: what each counts as, and in which segment it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.clinical.units import plain_unit
from services.language.writing.words import NUMBER, TOKEN, Kind, Words, number_form

_BREAKS = frozenset({",", ";", ":", ".", "(", ")", "and", "or", "nor", "but", "with", "without", "plus"})
_UNIT = re.compile(
    r"[\s-]?(%|°?[^\W\d_]{1,12}(?:\[[A-Za-z]+\])?(?:/[^\W\d_]{1,6}(?:/1\.73 ?m[2²])?){0,2}|mm ?Hg)"
)
_BEFORE_NUMBER = re.compile(r"\s*\d")


@dataclass(slots=True)
class Token:
    """A word, a number with its unit, or a mark."""

    text: str
    start: int
    end: int
    kind: Kind
    form: str
    segment: int = 0
    mention: int | None = None
    accounted: bool = False


def tokens_of(text: str, start: int, end: int, words: Words) -> list[Token]:
    """The words, numbers and marks of `text[start:end]`. A number takes its unit and a comparison with it."""
    tokens: list[Token] = []
    at = start
    while (match := TOKEN.search(text, at, end)) is not None:
        at = match.end()
        word = match.group().lower()
        compared = next(
            (
                (phrase, sign)
                for phrase, sign in words.comparators
                if text[match.start() : match.start() + len(phrase)].lower() == phrase
                and _BEFORE_NUMBER.match(text, match.start() + len(phrase))
            ),
            None,
        )
        if compared is not None:
            at = match.start() + len(compared[0])
            tokens.append(Token(compared[1], match.start(), at, Kind.CONTENT, compared[1]))
        elif NUMBER.fullmatch(word):
            form, at = _number(text, match, words)
            if tokens and tokens[-1].form in {">", "<", "\u2265", "\u2264"}:
                form = f"{tokens.pop().form} {form}"
            tokens.append(Token(word, match.start(), at, Kind.NUMBER, form))
        elif word in words.spelled_out:
            for part in words.spelled_out[word]:
                kind, form = words.of(part)
                tokens.append(Token(part, match.start(), match.end(), kind, form))
        elif word in words.numbers:
            tokens.append(Token(word, match.start(), match.end(), Kind.NUMBER, words.numbers[word]))
        elif word[0].isalnum() or word in "<>\u2265\u2264+?%":
            kind, form = words.of(word)
            tokens.append(Token(word, match.start(), match.end(), kind, form))
        else:  # a mark
            tokens.append(Token(word, match.start(), match.end(), Kind.FRAME, word))
    return tokens


def segment(tokens: Sequence[Token]) -> None:
    """Numbers the segments: a new one begins at a comma, "and", "with" and the like outside of names."""
    segment = 0
    for token in tokens:
        if token.mention is None and token.text in _BREAKS:
            segment += 1
        token.segment = segment


def _number(text: str, match: re.Match[str], words: Words) -> tuple[str, int]:
    """The number with its unit as it is compared, and where it ends."""
    value = number_form(match.group())
    unit = _UNIT.match(text, match.end())
    if unit is None:
        return value, match.end()
    written = unit.group(1)
    plainest = plain_unit(written)
    known = words.units.get(plainest, plainest if "/" in written else None)
    return (value, match.end()) if known is None else (f"{value} {known}", unit.end())
