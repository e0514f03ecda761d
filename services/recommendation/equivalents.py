"""How records name the conditions of the vocabulary: other codes (`equivalents.toml`) and words
(`condition_names.tsv`).
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from services.clinical.code_systems import ICD10_EDITIONS, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.record import Condition, PatientRecord
from services.clinical.tables import rows
from services.clinical.words import Names

EQUIVALENTS_FILE = Path(__file__).with_name("equivalents.toml")
NAMES_FILE = Path(__file__).with_name("condition_names.tsv")


class Equivalents:
    """Translates the conditions of a record into the codes that the vocabulary uses."""

    def __init__(
        self,
        snomed: Mapping[str, list[str]],
        icd10: Mapping[str, list[str]],
        names: Iterable[tuple[str, str]],
    ) -> None:
        """`names` holds SNOMED codes, each with one name."""
        self._snomed = snomed
        self._icd10 = icd10
        called: dict[str, list[str]] = {}
        for code, name in names:
            called.setdefault(code, []).append(name)
        self._names = Names(called)

    @classmethod
    def load(cls, path: Path = EQUIVALENTS_FILE, names: Path = NAMES_FILE) -> Equivalents:
        """Read the tables."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        table = ((code, name) for code, name, _source in rows(names, 3))
        return cls(content["snomed"], content["icd10"], table)

    def translate(self, record: PatientRecord) -> PatientRecord:
        """The record with its conditions under their equivalent codes; they keep the name the record gives
        them.
        """
        conditions = tuple(
            item if concept is item.concept else dataclasses.replace(item, concept=concept)
            for item in record.conditions
            for concept in self.concepts(item)
        )
        return dataclasses.replace(record, conditions=conditions)

    def knows(self, condition: Condition) -> bool:
        """Whether the condition stands for one of the vocabulary."""
        return any(concept != condition.concept for concept in self.concepts(condition))

    def concepts(self, condition: Condition) -> Iterable[CodedConcept]:
        """What the condition stands for, by its codes and, where they say nothing, by its words; itself where
        it stands for nothing else.
        """
        concept = condition.concept
        codes = [
            code
            for coding in concept.codings
            for code in (
                self._snomed.get(coding.code, [coding.code])
                if coding.system == SNOMED
                else self._by_icd10(coding.code)
                if coding.system in ICD10_EDITIONS
                else []
            )
        ] or [code for name in concept.names for code in sorted(self._names.whole(name))]
        if not codes:
            return [concept]
        return [CodedConcept.of(SNOMED, code, concept.display) for code in dict.fromkeys(codes)]

    def _by_icd10(self, code: str) -> list[str]:
        """By the longest prefix that the table has."""
        plain = code.replace(".", "").upper()
        for length in range(len(plain), 2, -1):
            if plain[:length] in self._icd10:
                return self._icd10[plain[:length]]
        return []
