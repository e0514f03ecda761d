"""The groups of conditions that the safety rules speak of, and which of them a condition belongs to.

A condition is its descendants too: SNOMED CT's have rows in `condition_groups.tsv`, ICD-10's begin with the
code of their category. Where no code is known, the words count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from services.clinical.code_systems import ICD10, ICD10_EDITIONS, ICD10CM, LOINC, SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.tables import rows
from services.clinical.words import Names, words

GROUPS_FILE = Path(__file__).with_name("condition_groups.tsv")
GUARD = "*"
"""In place of a group: a word beside which a name in a text means something else ("family history of")."""

_EDITIONS = {"icd10": ICD10_EDITIONS, "icd10cm": frozenset({ICD10CM}), "icd10who": frozenset({ICD10})}
_EXACT = {"snomed": SNOMED, "loinc": LOINC}
_SHORT = 6
"""Names of one word with fewer letters count only as the whole of a text ("MI", "AF"), but see below."""
_ABBREVIATION = re.compile(r"\b[A-Z]{3,5}\b")
"""What counts within a longer text too, written so: "DVT left leg". Not where a text is all in capitals."""


class ConditionGroups:
    """Finds the groups of a condition; immutable, safe to share between threads."""

    def __init__(self, table: Iterable[tuple[str, str, str]]) -> None:
        """`table` holds group, system and code or words."""
        self._by_code: dict[tuple[str, str], set[str]] = {}
        self._by_icd: dict[tuple[str, str], set[str]] = {}
        names: dict[str, list[str]] = {}
        guards: set[str] = set()
        for group, system, value in table:
            if group == GUARD:
                guards.add(value)
            elif system in _EXACT:
                self._by_code.setdefault((_EXACT[system], value), set()).add(group)
            elif system == "text":
                names.setdefault(group, []).append(value)
            else:
                for edition in _EDITIONS[system]:
                    self._by_icd.setdefault((edition, value), set()).add(group)
        self._whole = Names(names)
        self._within = Names(
            {
                group: [n for n in called if len(words(n)) > 1 or len(n) >= _SHORT]
                for group, called in names.items()
            }
        )
        self._abbreviated: dict[str, set[str]] = {}
        for group, called in names.items():
            for name in called:
                if _ABBREVIATION.fullmatch(name):
                    self._abbreviated.setdefault(name, set()).add(group)
        self._guards = frozenset(guards)

    @classmethod
    def load(cls, path: Path = GROUPS_FILE) -> Self:
        """Read the table."""
        return cls((group, system, value) for group, system, value, *_ in rows(path, 5))

    def of(self, concept: CodedConcept) -> frozenset[str]:
        """The groups that the condition belongs to."""
        found = frozenset[str]().union(*map(self._by_coding, concept.codings))
        if found or any(coding.system in ICD10_EDITIONS for coding in concept.codings):
            return found  # every code of ICD-10 is known to belong somewhere or nowhere
        return frozenset[str]().union(*map(self._by_words, concept.names))

    @staticmethod
    def is_coded(concept: CodedConcept) -> bool:
        """Whether its codes say what it is: any of ICD-10, and one of SNOMED CT whose name stands beside it.
        Which of SNOMED CT's codes without a name is what nobody knows but of those in the table.
        """
        return any(
            coding.system in ICD10_EDITIONS or (coding.system == SNOMED and concept.names)
            for coding in concept.codings
        )

    def _by_coding(self, coding: Concept) -> frozenset[str]:
        if coding.system not in ICD10_EDITIONS:
            return frozenset(self._by_code.get((coding.system, coding.code), ()))
        found: set[str] = set()
        # From the category to the code itself: the longer prefix says whether it belongs.
        for length in range(3, len(coding.code) + 1):
            for group in self._by_icd.get((coding.system, coding.code[:length]), ()):
                if group.startswith("!"):
                    found.discard(group[1:])
                else:
                    found.add(group)
        return frozenset(found)

    def _by_words(self, text: str) -> frozenset[str]:
        if found := self._whole.whole(text):
            return found
        if self._guards.intersection(words(text)):
            return frozenset()
        found = self._within.within(text)
        return found if text.isupper() else found.union(*self._by_abbreviations(text))

    def _by_abbreviations(self, text: str) -> Iterator[set[str]]:
        return (self._abbreviated.get(short, set()) for short in _ABBREVIATION.findall(text))
