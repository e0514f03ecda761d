"""Codes that other systems use for the conditions of the vocabulary (`equivalents.toml`)."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path

from services.recommendation.record import ICD10CM, SNOMED, CodedConcept, Condition, PatientRecord

EQUIVALENTS_FILE = Path(__file__).with_name("equivalents.toml")


class Equivalents:
    """Translates the conditions of a record into the codes that the vocabulary and the safety rules use."""

    def __init__(self, snomed: Mapping[str, list[str]], icd10cm: Mapping[str, list[str]]) -> None:
        self._snomed = snomed
        self._icd10cm = icd10cm

    @classmethod
    def load(cls, path: Path = EQUIVALENTS_FILE) -> Equivalents:
        """Read the table."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(content["snomed"], content["icd10cm"])

    def translate(self, record: PatientRecord) -> PatientRecord:
        """The record with its conditions under their equivalent codes; they keep the name the record gives
        them.
        """
        conditions = tuple(
            dataclasses.replace(item, concept=CodedConcept.of(SNOMED, code, item.concept.display))
            if code
            else item
            for item in record.conditions
            for code in self._codes(item)
        )
        return dataclasses.replace(record, conditions=conditions)

    def _codes(self, condition: Condition) -> list[str]:
        """SNOMED codes that the condition stands for; [""] where it stands for itself."""
        concept = condition.concept.preferred
        if concept.system == SNOMED:
            return self._snomed.get(concept.code, [""])
        if concept.system == ICD10CM:
            code = concept.code.replace(".", "").upper()
            for length in range(len(code), 2, -1):
                if code[:length] in self._icd10cm:
                    return self._icd10cm[code[:length]]
        return [""]
