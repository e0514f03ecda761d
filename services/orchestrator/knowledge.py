"""What is written down of conditions, and the reliabilities of notes and records.

Both are data (`conditions.toml`, `reliability.toml`), read once at start; docs/fusion.md says how they count.
What models say of conditions, and how far they are trusted, stands in the models' cards (`declared`).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.clinical.code_systems import ICD10_EDITIONS, SNOMED

_SEMANTIC_TAG = re.compile(r" \((?:disorder|finding)\)$")
FOLDER = Path(__file__).resolve().parent

_NONE: frozenset[int] = frozenset()

Code = tuple[str, str]
"""FHIR URI of the code system, and the code within it."""


@dataclass(frozen=True)
class Naming:
    """How a concept is recognised."""

    display: str
    snomed: frozenset[str]
    """Its code, and the codes of narrower concepts that count as it."""
    icd10cm: tuple[str, ...]
    """Categories without dots: a code counts when it begins with one of them."""
    synonyms: frozenset[str]
    """Lower case."""


class _Names:
    """Which of many concepts are named: each text is compared once with all of them."""

    def __init__(self, namings: Iterable[Naming]) -> None:
        self._snomed: dict[str, set[int]] = defaultdict(set)
        self._categories: dict[str, set[int]] = defaultdict(set)
        self._synonyms: dict[str, set[int]] = defaultdict(set)
        for place, naming in enumerate(namings):
            for table, names in (
                (self._snomed, naming.snomed),
                (self._categories, naming.icd10cm),
                (self._synonyms, naming.synonyms),
            ):
                for name in names:
                    table[name].add(place)
        self._lengths = sorted({len(category) for category in self._categories})

    def of(self, codes: Iterable[Code], texts: Iterable[str]) -> list[int]:
        """The places of the concepts that one of the codes, or one of the texts, means, in order."""
        found: set[int] = set()
        for system, value in codes:
            if system == SNOMED:
                found |= self._snomed.get(value, _NONE)
            elif system in ICD10_EDITIONS:
                written = value.replace(".", "").upper()
                for length in self._lengths:
                    if len(written) >= length:
                        found |= self._categories.get(written[:length], _NONE)
        for text in texts:
            found |= self._synonyms.get(normalise(text), _NONE)
        return sorted(found)


@dataclass(frozen=True)
class Sign:
    """A sign or symptom that bears on a condition."""

    naming: Naming
    present: float
    """Likelihood ratio when the note states it."""
    absent: float | None
    """Likelihood ratio when the note denies it; None: not known."""
    source: str


@dataclass(frozen=True)
class Condition:
    """One known condition."""

    key: str
    code: str
    """SNOMED CT."""
    naming: Naming
    chronic: bool
    broader: str
    """Key of the condition that this one is a kind of; empty: none."""
    prior: float
    """Probability before any evidence, in (0, 1)."""
    setting: str
    """Where the prior holds."""
    prior_source: str
    signs: tuple[Sign, ...]


@dataclass(frozen=True)
class StatementReliability:
    """What a statement of the note is worth, and how often it is right."""

    rate_if_ill: float
    """How often it is made of patients who have the condition."""
    rate_if_well: float
    """How often it is made of patients who have not."""
    precision: float
    """How often it is what it seems: the reliability."""
    source: str


@dataclass(frozen=True)
class RecordReliability:
    """How far the record is trusted."""

    precision: float
    """Share of recorded diagnoses that are right: the reliability, and where the record takes a prior."""
    source: str


class Knowledge:
    """The conditions by key, and the reliabilities of the sources."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        note: Mapping[str, StatementReliability],
        record: RecordReliability,
        sha256: str = "",
    ) -> None:
        self.conditions: Mapping[str, Condition] = {condition.key: condition for condition in conditions}
        self._in_order = tuple(self.conditions.values())
        self._names = _Names(condition.naming for condition in self._in_order)
        self._signs = tuple((condition, sign) for condition in self._in_order for sign in condition.signs)
        self._names_of_signs = _Names(sign.naming for _, sign in self._signs)
        self._by_code = {condition.code: condition for condition in self.conditions.values()}
        self.note = note
        self.record = record
        self.sha256 = sha256
        """Digest of what it was read from."""
        for condition in self.conditions.values():
            if condition.broader and condition.broader not in self.conditions:
                raise ValueError(
                    f"{condition.key} is a kind of {condition.broader}, which is not among the conditions"
                )

    def named(self, codes: Iterable[Code], *texts: str) -> list[Condition]:
        """The conditions that these codes or texts name, each without those that it is a kind of."""
        found = self.all_named(codes, *texts)
        implied = {broader.key for condition in found for broader in self.broader(condition)}
        return [condition for condition in found if condition.key not in implied]

    def all_named(self, codes: Iterable[Code], *texts: str) -> list[Condition]:
        """The conditions that these codes or texts name, those that another one is a kind of too."""
        return [self._in_order[place] for place in self._names.of(codes, texts)]

    def signs_named(self, codes: Iterable[Code], *texts: str) -> list[tuple[Condition, Sign]]:
        """The signs that these codes or texts name, each with the condition that it bears on."""
        return [self._signs[place] for place in self._names_of_signs.of(codes, texts)]

    def of_code(self, code: str) -> Condition | None:
        """The condition of this very SNOMED CT code."""
        return self._by_code.get(code)

    def prior_of(self, code: str) -> float | None:
        """The prior of the condition of this SNOMED CT code; None: it is not known here."""
        condition = self._by_code.get(code)
        return condition.prior if condition is not None else None

    def broader(self, condition: Condition) -> list[Condition]:
        """The conditions that this one is a kind of, the nearest first."""
        chain = []
        while condition.broader:
            condition = self.conditions[condition.broader]
            chain.append(condition)
        return chain

    def wholes_first(self) -> list[Condition]:
        """All conditions, each after those that it is a kind of."""
        return sorted(self.conditions.values(), key=lambda condition: len(self.broader(condition)))

    def prior_within(self, condition: Condition) -> float:
        """The prior of a condition; of a kind of another one, its prior among those who have the whole."""
        whole = self.conditions.get(condition.broader)
        return condition.prior / whole.prior if whole is not None else condition.prior


def normalise(text: str) -> str:
    """Lower case, with single spaces, without SNOMED CT's semantic tag and punctuation at the ends."""
    return _SEMANTIC_TAG.sub("", re.sub(r"\s+", " ", text).strip().lower()).strip(" .,;:()[]")


def load(folder: Path = FOLDER) -> Knowledge:
    """Reads `conditions.toml` and `reliability.toml` in `folder`.

    Raises KeyError or ValueError where a file is incomplete.
    """
    conditions, reliability = (
        (folder / name).read_bytes() for name in ("conditions.toml", "reliability.toml")
    )
    trusted = tomllib.loads(reliability.decode())
    return Knowledge(
        conditions=[_condition(entry) for entry in tomllib.loads(conditions.decode())["condition"]],
        note={name: _note_reliability(entry) for name, entry in trusted["note"].items()},
        record=RecordReliability(**trusted["record"]["active"]),
        sha256=hashlib.sha256(b"\0".join((conditions, reliability))).hexdigest(),
    )


def _condition(entry: Mapping[str, Any]) -> Condition:
    prior = entry["prior"]
    if not 0.0 < prior["probability"] < 1.0:
        raise ValueError(f"{entry['key']}: the prior lies between 0 and 1, both excluded")
    return Condition(
        key=entry["key"],
        code=entry["snomed"],
        naming=_naming(entry),
        chronic={"acute": False, "chronic": True}[entry["course"]],
        broader=entry.get("broader", ""),
        prior=prior["probability"],
        setting=prior["setting"],
        prior_source=prior["source"],
        signs=tuple(
            Sign(_naming(sign), sign["present"], sign.get("absent"), sign["source"])
            for sign in entry.get("sign", ())
        ),
    )


def _naming(entry: Mapping[str, Any]) -> Naming:
    return Naming(
        display=entry["display"],
        snomed=frozenset([entry["snomed"], *entry.get("narrower", ())]),
        icd10cm=tuple(entry["icd10cm"]),
        synonyms=frozenset(entry["synonyms"]),
    )


def _note_reliability(entry: Mapping[str, Any]) -> StatementReliability:
    # Laplace's rule of succession: that none of a few was wrong does not make the next one certain.
    precision = (entry["right_count"] + 1) / (entry["given_count"] + 2)
    return StatementReliability(entry["rate_if_ill"], entry["rate_if_well"], precision, entry["source"])
