"""What an allergy of the record is to: drugs, classes of drugs, other allergens, or nothing (denied).

By its codes first; where none of them is known, by its words. Whatever is not understood to the last word is
said to be so: an allergy that nobody could read must not look like none.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from services.clinical.drugs import Drugs
from services.clinical.tables import rows
from services.clinical.words import Names, words
from services.recommendation.record import CodedConcept

ALLERGENS_FILE = Path(__file__).with_name("other_allergens.tsv")
WORDS_FILE = Path(__file__).with_name("allergy_words.toml")

_DENIED = "denied"
_PARTS = re.compile(r"[,;/&+\n]|\b(?:and|or|und|et|y)\b", re.IGNORECASE)
_TAG = re.compile(r"\((?:situation|finding|disorder)\)\s*$")
"""What SNOMED CT adds to a name in full."""
_NUMBER = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Allergen:
    """What an allergy is to."""

    groups: frozenset[str]
    """Drugs, classes of drugs and other allergens by their names; empty where the allergy is denied."""
    understood: bool
    """Whether nothing of it was left over."""


class Allergens:
    """Reads allergies; immutable, safe to share between threads."""

    def __init__(
        self,
        drugs: Drugs,
        allergens: Iterable[tuple[str, str, str]],
        denials: Iterable[str],
        ordinary: Iterable[str],
    ) -> None:
        """`allergens` are name, system's short name (or "text") and code (or words); `denials` are patterns
        of whole texts; `ordinary` words say nothing of the allergen.
        """
        self._drugs = drugs
        self._by_code: dict[str, set[str]] = {}
        names: dict[str, list[str]] = {}
        for name, system, value in allergens:
            if system == "text":
                names.setdefault(name, []).append(value)
            else:
                self._by_code.setdefault(f"{system}|{value}", set()).add(name)
        self._names = Names(names)
        self.others = frozenset(names)
        """The allergens that are no drugs."""
        self._denials = [re.compile(pattern) for pattern in denials]
        self._ordinary = frozenset(word for phrase in ordinary for word in words(phrase))

    @classmethod
    def load(cls, drugs: Drugs) -> Self:
        """Read the tables."""
        content = tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
        table = ((name, system, value) for name, _kind, system, value, *_ in rows(ALLERGENS_FILE, 6))
        return cls(drugs, table, content["denials"], content["ordinary"])

    def read(self, concept: CodedConcept) -> Allergen:
        """What the allergy is to."""
        coded = frozenset[str]().union(
            *(self._drugs.by_code(key) | self._by_code.get(key, set()) for key in concept.keys)
        )
        if coded - {_DENIED}:
            return Allergen(coded - {_DENIED}, understood=True)
        affirmed = [name for name in concept.names if not self._denies(name)]
        read = [self._by_words(name) for name in affirmed]
        groups = frozenset[str]().union(*(item.groups for item in read))
        if coded or len(affirmed) < len(concept.names):
            # Denied by its code or its words: a drug in other words of it contradicts that.
            return Allergen(groups, understood=not groups)
        return Allergen(groups, understood=any(item.understood for item in read))

    def _denies(self, text: str) -> bool:
        spoken = " ".join(words(_TAG.sub("", text)))
        return any(pattern.fullmatch(spoken) for pattern in self._denials)

    def _by_words(self, text: str) -> Allergen:
        groups: set[str] = set()
        understood = True
        for part in _PARTS.split(text):
            found = self._drugs.by_name(part) | self._names.within(part)
            groups |= found
            understood &= bool(found) or not self._leftover(part)
        return Allergen(frozenset(groups), understood and bool(groups))

    def _leftover(self, text: str) -> bool:
        return any(word not in self._ordinary and not _NUMBER.fullmatch(word) for word in words(text))
