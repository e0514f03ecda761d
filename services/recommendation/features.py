"""A patient record as a vector of numbers: the one piece of code for training and for serving.

The order of the numbers is the order of `Vocabulary.names()`. The vocabulary is learned from the training
patients and lies beside the model (`vocabulary.json`), so that a model and its vector cannot drift apart.
Codes that it does not know do not count; `known` tells which they are.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.clinical.record import Observation, PatientRecord, Quantity
from services.clinical.statuses import Gender

PREPROCESSING_VERSION = "record/1"

RECENT = timedelta(days=30)
"""A condition that began within this time before today counts as recent: its treatment is due now."""
CHILD_UNTIL_YEARS = 12.0
"""Below this age at onset a condition counts as one of childhood: children get other strengths and drugs."""
AGE_BANDS_YEARS = (0, 2, 6, 12, 18, 30, 45, 60, 75)
"""Lower ends of the age bands."""
MAX_AGE_YEARS = 130

DEMOGRAPHICS = ("age_known", "age", *(f"age_from_{band}" for band in AGE_BANDS_YEARS), "female", "male")
CONDITION_ASPECTS = ("ever", "active", "recent", "childhood", "count")
OBSERVATION_ASPECTS = ("known", "value")


@dataclasses.dataclass(frozen=True)
class Treatment:
    """One treatment that is ranked."""

    key: str
    """`rxnorm|316049` or `snomed|53950000`."""
    display: str
    kind: str
    """`medication`, `procedure` or `care_plan`."""


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What each position of a feature vector means. Keys are `Concept.key`s."""

    conditions: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    """Also the order of the ranker's scores (labels.txt)."""
    procedures: tuple[str, ...]
    """Procedures that are not ranked as treatments."""
    allergies: tuple[str, ...]
    observations: tuple[tuple[str, float, float], ...]
    """Key, mean and standard deviation of the last value a patient has, over the training patients."""
    version: str = PREPROCESSING_VERSION

    def names(self) -> list[str]:
        """The name of every feature, in order; its length is the model's F."""
        return [
            *DEMOGRAPHICS,
            *(f"condition:{key}:{aspect}" for key in self.conditions for aspect in CONDITION_ASPECTS),
            *(f"treatment:{treatment.key}" for treatment in self.treatments),
            *(f"procedure:{key}" for key in self.procedures),
            *(f"allergy:{key}" for key in self.allergies),
            *(
                f"observation:{key}:{aspect}"
                for key, _, _ in self.observations
                for aspect in OBSERVATION_ASPECTS
            ),
        ]

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read `vocabulary.json`; ValueError where it belongs to another version of this code."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if (version := content["version"]) != PREPROCESSING_VERSION:
            raise ValueError(
                f"{path.name} belongs to preprocessing {version}, this is {PREPROCESSING_VERSION}"
            )
        return cls(
            conditions=tuple(content["conditions"]),
            treatments=tuple(Treatment(**treatment) for treatment in content["treatments"]),
            procedures=tuple(content["procedures"]),
            allergies=tuple(content["allergies"]),
            observations=tuple((key, mean, std) for key, mean, std in content["observations"]),
        )

    def save(self, path: Path) -> None:
        """Write `vocabulary.json`, indented, so that a change can be read in a diff."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")


class FeatureEncoder:
    """Turns records into feature vectors of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary, *, has_indicators: bool = True) -> None:
        """`has_indicators`: whether a measurement has a feature that says whether it is known; without one,
        a missing value is the mean of the training patients.
        """
        self.vocabulary = vocabulary
        self._has_indicators = has_indicators
        width = len(OBSERVATION_ASPECTS) if has_indicators else 1
        position = len(DEMOGRAPHICS)
        self.conditions = _positions(vocabulary.conditions, position, len(CONDITION_ASPECTS))
        position += len(vocabulary.conditions) * len(CONDITION_ASPECTS)
        self.treatment_slice = slice(position, position + len(vocabulary.treatments))
        self.treatments = _positions([treatment.key for treatment in vocabulary.treatments], position)
        position += len(vocabulary.treatments)
        self._procedures = _positions(vocabulary.procedures, position)
        position += len(vocabulary.procedures)
        self._allergies = _positions(vocabulary.allergies, position)
        position += len(vocabulary.allergies)
        self._observations = {
            key: (position + index * width, mean, std)
            for index, (key, mean, std) in enumerate(vocabulary.observations)
        }
        self.size = position + len(vocabulary.observations) * width

    def known(self, key: str) -> bool:
        """Whether a condition, medication or procedure with this key counts."""
        return key in self.conditions or key in self.treatments or key in self._procedures

    def encode(self, record: PatientRecord, today: date | None = None) -> NDArray[np.float32]:
        """Features of `record` as of `today`, FP32 [F]; today defaults to the record's latest day."""
        today = today or record.latest_day()
        row = np.zeros(self.size, dtype=np.float32)
        _write_demographics(row, record)
        self._write_conditions(row, record, today)
        for medication in record.medications:
            for key in medication.concept.keys:
                _mark(row, self.treatments.get(key))
        for procedure in record.procedures:
            for key in procedure.concept.keys:
                _mark(row, self.treatments.get(key, self._procedures.get(key)))
        for allergy in record.allergies:
            for key in allergy.concept.keys:
                _mark(row, self._allergies.get(key))
        self._write_observations(row, record)
        return row

    def what_counts(self, record: PatientRecord) -> PatientRecord:
        """The record without what leaves no trace in its features as of a given day: quicker to encode
        often.
        """
        return dataclasses.replace(
            record,
            conditions=tuple(item for item in record.conditions if item.concept.key in self.conditions),
            medications=tuple(
                item
                for item in record.medications
                if any(key in self.treatments for key in item.concept.keys)
            ),
            procedures=tuple(item for item in record.procedures if any(map(self.known, item.concept.keys))),
            observations=tuple(observation for observation, _ in self._latest(record).values()),
        )

    def encode_all(self, records: Sequence[PatientRecord], today: date | None = None) -> NDArray[np.float32]:
        """Features of several records as of the same day, FP32 [n, F]."""
        return np.stack([self.encode(record, today) for record in records])

    def _write_conditions(self, row: NDArray[np.float32], record: PatientRecord, today: date | None) -> None:
        ever, active, recent, childhood, count = range(len(CONDITION_ASPECTS))
        counts: dict[int, int] = {}
        for condition in record.conditions:
            position = self.conditions.get(condition.concept.key)
            if position is None:
                continue
            row[position + ever] = 1.0
            if condition.is_active:
                row[position + active] = 1.0
            if condition.onset is not None and today is not None:
                since = today - condition.onset.day
                if since <= RECENT:
                    row[position + recent] = 1.0
                age = record.age_years
                if age is not None and age - since.days / 365.25 < CHILD_UNTIL_YEARS:
                    row[position + childhood] = 1.0
            counts[position] = counts.get(position, 0) + 1
        for position, times in counts.items():
            row[position + count] = math.log(times)

    def _write_observations(self, row: NDArray[np.float32], record: PatientRecord) -> None:
        for key, (_, quantity) in self._latest(record).items():
            position, mean, std = self._observations[key]
            if self._has_indicators:
                row[position] = 1.0
                position += 1
            # Three standard deviations bound what one odd value (or another unit) can do.
            row[position] = min(max((quantity.value - mean) / std, -3.0), 3.0)

    def _latest(self, record: PatientRecord) -> dict[str, tuple[Observation, Quantity]]:
        """The last measurement of each key of the vocabulary; undated ones come first."""
        latest: dict[str, tuple[Observation, Quantity]] = {}
        for observation in record.observations:
            if not isinstance(observation.value, Quantity):
                continue
            for key in filter(self._observations.__contains__, observation.concept.keys):
                other = latest.get(key)
                if other is None or observation.moment >= other[0].moment:
                    latest[key] = (observation, observation.value)
        return latest


def _write_demographics(row: NDArray[np.float32], record: PatientRecord) -> None:
    at = DEMOGRAPHICS.index
    if record.age_years is not None:
        row[at("age_known")] = 1.0
        row[at("age")] = record.age_years / 100.0
        band = max((low for low in AGE_BANDS_YEARS if low <= record.age_years), default=0)
        row[at(f"age_from_{band}")] = 1.0
    if record.gender in {Gender.FEMALE, Gender.MALE}:
        row[at(record.gender.value)] = 1.0


def _positions(keys: Sequence[str], start: int, width: int = 1) -> dict[str, int]:
    return {key: start + index * width for index, key in enumerate(keys)}


def _mark(row: NDArray[np.float32], position: int | None) -> None:
    if position is not None:
        row[position] = 1.0
