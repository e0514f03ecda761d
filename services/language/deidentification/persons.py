"""Which names are one person's: "Mr. Smith", "John A. Smith", "SMITH, JOHN" and "J. Smith".

Full names make persons; a name of one word joins the person who has it. Two persons may share a surname: a title's
gender, then the nearest one before, decides whose a bare surname is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.language.deidentification.lexicon import Lexicon, folded

_PART = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_PARTICLES = frozenset(
    [
        "van",
        "von",
        "der",
        "den",
        "de",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "du",
        "la",
        "le",
        "los",
        "las",
        "el",
        "al",
        "bin",
        "ibn",
        "ben",
        "ter",
        "ten",
        "zu",
        "y",
        "san",
        "st",
    ]
)
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_HAN = re.compile(r"[\u4e00-\u9fff]")
_MOST_CANDIDATES = 32


@dataclass(frozen=True)
class Written:
    """A name as it stands in a text: its words, folded, and what each is."""

    given: tuple[str, ...]
    """Given names and initials, in order."""
    surname: tuple[str, ...]
    """Words of the surname."""
    is_bare: bool
    """Whether it is one word, which may be either."""


@dataclass
class Person:
    """Somebody, by all the names found of them."""

    number: int
    given: str = ""
    """The first given name, or its initial; folded."""
    surname: tuple[str, ...] = ()
    gender: str = ""
    """`f`, `m` or empty."""
    words: set[str] = field(default_factory=set)


def read(name: str, lexicon: Lexicon) -> Written:
    """The words of a name, which of them are given ones and which the surname."""
    if _HAN.search(name):
        return Written((), (re.sub(r"\s", "", name),), False)
    head, comma, tail = name.partition(",")
    words = [folded(word) for word in _PART.findall(name)]
    words = [
        word for word in words if word not in _SUFFIXES and (word not in _PARTICLES or len(words) < 2)
    ] or words
    if not words:
        return Written((), (folded(name),), True)
    if comma and _PART.search(head) and _PART.search(tail):
        surname = [folded(word) for word in _PART.findall(head)]
        surname = [word for word in surname if word not in _PARTICLES] or surname
        return Written(tuple(word for word in words if word not in surname), tuple(surname), False)
    if len(words) == 1:
        return Written((), (words[0],), True)
    if "-" in name and len(words) == 2 and re.fullmatch(r"\S+-\S+", name.strip()):
        return Written((), tuple(words), True)
    # Of "Maria Garcia Lopez" the last two are the surname unless the second is a given name or an initial.
    first_surname = len(words) - 1
    if len(words) >= 3 and len(words[-2]) > 1 and not lexicon.is_given(words[-2]):
        first_surname = len(words) - 2
    if re.search(rf"{re.escape(words[-2])}-{re.escape(words[-1])}$", folded(name.strip())) and len(words) > 2:
        first_surname = len(words) - 2
    return Written(tuple(words[:first_surname]), tuple(words[first_surname:]), False)


class Register:
    """The persons of the texts of one request."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._by_word: dict[str, list[Person]] = {}
        self._count = 0

    def persons(self, names: Sequence[str], genders: Sequence[str]) -> list[Person]:
        """The person of each name, in the order of the names. `genders`: what a title before each says, or empty."""
        written = [read(name, self._lexicon) for name in names]
        result: dict[int, Person] = {}
        full_first = sorted(range(len(names)), key=lambda at: (written[at].is_bare, at))
        for at in full_first:
            name = written[at]
            gender = genders[at] or self._gender(name)
            person = self._known(name, gender) or self._new(name)
            if not person.gender:
                person.gender = gender
            if name.given and len(name.given[0]) > len(person.given):
                person.given = name.given[0]
            for word in (*name.given, *name.surname):
                if word not in person.words and len(word) > 1:
                    person.words.add(word)
                    self._by_word.setdefault(word, []).append(person)
            result[at] = person
        # Numbers follow the texts, not the order of the search.
        numbers: dict[int, int] = {}
        for at in range(len(names)):
            numbers.setdefault(id(result[at]), len(numbers) + 1)
        for person in {id(p): p for p in result.values()}.values():
            person.number = numbers[id(person)]
        return [result[at] for at in range(len(names))]

    def _gender(self, name: Written) -> str:
        given = self._lexicon.given.get(name.given[0], "") if name.given else ""
        return given if given in {"f", "m"} else ""

    def _known(self, name: Written, gender: str) -> Person | None:
        candidates = self._by_word.get(name.surname[-1], ())[-_MOST_CANDIDATES:]
        if name.is_bare:
            fitting = [p for p in candidates if not gender or not p.gender or p.gender == gender]
            return fitting[0] if fitting else None
        for person in candidates:
            if person.surname and set(name.surname).isdisjoint(person.surname):
                continue
            if not name.given or not person.given:
                if not gender or not person.gender or gender == person.gender:
                    return person
                continue
            short = min(len(name.given[0]), len(person.given))
            if name.given[0] == person.given or (short == 1 and name.given[0][0] == person.given[0]):
                return person
        return None

    def _new(self, name: Written) -> Person:
        self._count += 1
        is_given = (
            name.is_bare
            and self._lexicon.is_given(name.surname[0])
            and not self._is_more_surname(name.surname[0])
        )
        if is_given:
            gender = self._lexicon.given.get(name.surname[0], "")
            return Person(self._count, given=name.surname[0], gender=gender if gender in {"f", "m"} else "")
        return Person(self._count, given=name.given[0] if name.given else "", surname=name.surname)

    def _is_more_surname(self, word: str) -> bool:
        return False if self._lexicon.given.get(word) in {"f", "m", "fm"} else word in self._lexicon.surnames
