"""Texts and what was found in them to texts without it, with the offsets before and after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.language.deidentification.identifiers import Found, Kind
from services.language.deidentification.lexicon import Lexicon, folded
from services.language.deidentification.name_words import gender_of_title
from services.language.deidentification.persons import Person, Register
from services.language.deidentification.surrogates import Surrogates

_TITLE = re.compile(r"([^\W\d_]{2,10})\.?\s*$")
_NUMBERS_APART = re.compile(r"[\s().+_-]+")
OLDEST_AGE = "90+"


class Style(Enum):
    """What stands in the place of an identifier."""

    PLACEHOLDER = "placeholder"
    SURROGATE = "surrogate"


@dataclass(frozen=True)
class Known:
    """Something that the caller knows to identify the patient."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Options:
    """How texts of one patient are de-identified."""

    style: Style = Style.PLACEHOLDER
    key: bytes = field(default=b"", repr=False)
    """The secret of surrogates; not needed for placeholders."""
    patient: str = field(default="", repr=False)
    kept: frozenset[Kind] = frozenset()
    known: tuple[Known, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Replacement:
    """One identifier: where it stood, and where what replaced it stands, in code points."""

    found: Found
    start: int
    end: int
    number: int
    """The same for the same person, place or number, from 1 within a kind."""


@dataclass(frozen=True)
class Replaced:
    """One text after replacement."""

    text: str
    replacements: tuple[Replacement, ...]


def replaced(
    texts: Sequence[str], found: Sequence[Sequence[Found]], options: Options, lexicon: Lexicon
) -> list[Replaced]:
    """`texts` without what was `found` in each (in order, not overlapping). One numbering for all of them."""
    surrogates = Surrogates(options.key, options.patient) if options.style is Style.SURROGATE else None
    places = [(at, item) for at, items in enumerate(found) for item in items if item.kind not in options.kept]
    names = [(at, item) for at, item in places if item.kind is Kind.NAME]
    persons = Register(lexicon).persons(
        [texts[at][item.start : item.end] for at, item in names],
        [_gender_before(texts[at], item.start) for at, item in names],
    )
    person_of = {(at, item.start): person for (at, item), person in zip(names, persons, strict=True)}
    numbers: dict[Kind, dict[str, int]] = {}
    results = []
    for at, text in enumerate(texts):
        parts: list[str] = []
        replacements = []
        before, length = 0, 0
        for item in (item for place, item in places if place == at):
            written = text[item.start : item.end]
            person = person_of.get((at, item.start))
            if person is not None:
                number = person.number
            else:
                own = numbers.setdefault(item.kind, {})
                number = own.setdefault(_same(item.kind, written), len(own) + 1)
            new = _new(item, written, number, person, surrogates)
            parts += [text[before : item.start], new]
            length += item.start - before
            replacements.append(Replacement(item, length, length + len(new), number))
            length += len(new)
            before = item.end
        results.append(Replaced("".join([*parts, text[before:]]), tuple(replacements)))
    return results


def _new(item: Found, written: str, number: int, person: Person | None, surrogates: Surrogates | None) -> str:
    if item.kind is Kind.AGE:
        return OLDEST_AGE
    if surrogates is not None:
        new = surrogates.name(written, person) if person else surrogates.of(item.kind, written)
        if new is not None and folded(new) != folded(written):
            return new
    return f"[{item.kind}-{number}]"


def _same(kind: Kind, written: str) -> str:
    """What two writings of one identifier have in common."""
    if kind in {Kind.LOCATION, Kind.ORGANISATION, Kind.EMAIL, Kind.URL, Kind.DATE}:
        return " ".join(folded(written).split())
    return _NUMBERS_APART.sub("", folded(written))


def _gender_before(text: str, start: int) -> str:
    title = _TITLE.search(text, max(0, start - 12), start)
    return gender_of_title(title.group(1)) if title else ""
