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

from services.clinical.code_systems import ICD10_EDITIONS
from services.clinical.concepts import CodedConcept
from services.clinical.drugs import Drugs
from services.clinical.tables import rows
from services.clinical.words import Names, words

ALLERGENS_FILE = Path(__file__).with_name("other_allergens.tsv")
WORDS_FILE = Path(__file__).with_name("allergy_words.toml")

_DENIED = "denied"
_UNSPECIFIED = "unspecified"
"""In the place of an allergen: the code says that there is an allergy, but not to what."""
_CLAUSES = re.compile(
    r"([,;\n]|[.!](?=\s)|\b(?:but|however|though|although|despite|except|apart|aside|besides|other than)\b)",
    re.IGNORECASE,
)
_ALLERGY = re.compile(
    r"allerg|hypersensitiv|intoleran|anaphyla|angio-?o?edema|adverse reaction"
    r"|(?:induced|sensitive|exacerbated)[ -](?:asthma|respiratory|urticaria)",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[,;/&+\n]|\b(?:and|or|und|et|y)\b", re.IGNORECASE)
_TAG = re.compile(r"\((?:situation|finding|disorder)\)\s*$")
"""What SNOMED CT adds to a name in full."""
_NUMBER = re.compile(r"\d+")
_TO = re.compile(r"\bto\b", re.IGNORECASE)
_MAX_CLAUSES = 30
_MAX_LISTED = 5
"""Clauses of one denial at most."""
_DRUG = frozenset({"drug", "drugs", "medication", "medications", "medicine", "medicines", "antibiotics"})
"""Words of an allergy to some drug."""


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
        reactions: Iterable[str],
        no_allergy: Iterable[str],
    ) -> None:
        """`allergens` are name, system's short name (or "text") and code (or words); `denials` are patterns
        of whole clauses; `ordinary` words say nothing of the allergen; beside a word of `reactions` nothing
        is denied; beside one of `no_allergy` a condition is not an allergy of the patient.
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
        """The allergens that are not drugs."""
        self._denial = re.compile("|".join(f"(?:{pattern})" for pattern in denials))
        self._reactions = frozenset(word for phrase in reactions for word in words(phrase))
        self._ordinary = self._reactions.union(word for phrase in ordinary for word in words(phrase))
        self._no_allergy = frozenset(word for phrase in no_allergy for word in words(phrase))

    @classmethod
    def load(cls, drugs: Drugs) -> Self:
        """Read the tables."""
        content = tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
        table = ((name, system, value) for name, _kind, system, value, *_ in rows(ALLERGENS_FILE, 6))
        return cls(drugs, table, **content)

    def is_one(self, condition: CodedConcept) -> bool:
        """Whether a condition is an allergy, or denies one: lists of problems have them too."""
        return bool(self._coded(condition)) or any(map(self._tells_one, condition.names))

    def read(self, concept: CodedConcept) -> Allergen:
        """What the allergy is to."""
        coded = self._coded(concept)
        if specified := coded - {_DENIED, _UNSPECIFIED}:
            return Allergen(specified, understood=True)
        affirmed = [text for text in map(self._affirmed, concept.names) if text]
        read = [self._by_words(text) for text in affirmed]
        groups = frozenset[str]().union(*(item.groups for item in read))
        if _DENIED in coded or len(affirmed) < len(concept.names):
            # Denied by its code or its words: a drug in other words of it contradicts that.
            return Allergen(groups, understood=not groups)
        return Allergen(groups, understood=any(item.understood for item in read))

    def _coded(self, concept: CodedConcept) -> frozenset[str]:
        found = frozenset[str]().union(
            *(self._drugs.by_code(key) | self._by_code.get(key, set()) for key in concept.keys)
        )
        for coding in concept.codings:
            if coding.system in ICD10_EDITIONS:
                # Of the code and its categories the longest that is known.
                keys = (f"icd10|{coding.code[:length]}" for length in range(len(coding.code), 2, -1))
                found |= next((self._by_code[key] for key in keys if key in self._by_code), set())
        return found

    def _tells_one(self, text: str) -> bool:
        spoken = set(words(text))
        if not _ALLERGY.search(text) or spoken & self._no_allergy:
            return False
        named = self._drugs.by_name(text) | self._names.within(text)
        return bool(named or spoken & _DRUG or not self._affirmed(text))

    def _affirmed(self, text: str) -> str:
        """The text without the clauses that deny an allergy; of what is no entry but a page, the whole."""
        pieces = [*_CLAUSES.split(_TAG.sub("", text)), ""]
        clauses, ends = pieces[::2], pieces[1::2]
        if len(clauses) > _MAX_CLAUSES:
            return text
        kept: list[str] = []
        lists_denied = False
        start = 0
        while start < len(clauses):
            stop = self._denied_until(clauses, ends, start)
            if stop > start:
                lists_denied = bool(_TO.search(clauses[stop - 1]))
            elif not (lists_denied and ends[start - 1] == "," and not self._reacts(clauses[start])):
                # Else it goes on: "denies allergies to penicillin, sulfa, latex".
                kept += (clauses[start], ends[start])
                lists_denied = False
            start = max(stop, start + 1)
        return "".join(kept).strip(" ,;.")

    def _denied_until(self, clauses: list[str], ends: list[str], start: int) -> int:
        """The end of the denial that begins at a clause, `start` where none does. It may have commas before
        it says what is denied: "no known food, drug or latex allergies".
        """
        denied_until = start
        for stop in range(start + 1, min(start + _MAX_LISTED, len(clauses)) + 1):
            spoken = " ".join(words(" ".join(clauses[start:stop])))
            if self._denial.fullmatch(spoken):
                denied_until = stop
            if ends[stop - 1] != "," or _ALLERGY.search(clauses[stop - 1]):
                break
        return denied_until

    def _reacts(self, clause: str) -> bool:
        return not self._reactions.isdisjoint(words(clause))

    def _by_words(self, text: str) -> Allergen:
        groups = set(self._drugs.by_name(text) | self._names.within(text))
        unnamed = set(self._drugs.unnamed(text)).intersection(self._names.rest(text))
        understood = True
        for part in _PARTS.split(text):
            found = self._drugs.by_name(part) | self._names.within(part)
            groups |= found
            understood &= bool(found) or not self._leftover(part, unnamed)
        return Allergen(frozenset(groups), understood and bool(groups))

    def _leftover(self, part: str, unnamed: set[str]) -> bool:
        return any(
            word in unnamed and word not in self._ordinary and not _NUMBER.fullmatch(word)
            for word in words(part)
        )
