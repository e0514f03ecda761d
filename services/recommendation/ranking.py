"""Ranks treatments for a record: the model's scores, what drives each, and what speaks against it.

The explanation is by removal: the record is scored again without each condition, medication and procedure
that the model knows, all in one batch. What a score loses without a part of the record is that part's
contribution.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.chassis.notices import Notice
from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.record import Allergy, Condition, Gender, PatientRecord
from services.recommendation.equivalents import Equivalents
from services.recommendation.features import FeatureEncoder, Treatment
from services.recommendation.safety import SafetyCheck
from services.recommendation.safety_rules import Alert, SafetyRules

MODEL = "treatment_ranker"
MAX_PARTS = 255
"""Parts of a record that are removed in turn: with the whole record they fill one batch of the model."""
MAX_DRIVERS = 5
MIN_CONTRIBUTION = 0.001
"""A part of the record that moves a score by less is no driver of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Driver:
    """A part of the record that raises a score."""

    concept: Concept
    score_without: float
    contribution: float


@dataclasses.dataclass(frozen=True, slots=True)
class Recommendation:
    """One ranked treatment."""

    treatment: Concept
    kind: str
    """As `Treatment.kind`."""
    score: float
    drivers: tuple[Driver, ...]
    alerts: tuple[Alert, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to one record."""

    recommendations: tuple[Recommendation, ...]
    known_conditions: tuple[Concept, ...]
    unknown_conditions: tuple[Concept, ...]
    notices: tuple[Notice, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A record ready to be scored."""

    given: PatientRecord
    """With the further conditions, under the codes that the caller uses."""
    record: PatientRecord
    """The same under the codes that count."""
    parts: tuple[str, ...]
    """Keys of what counts in it."""
    features: NDArray[np.float32]
    """[1 + parts, F]: of the record, and of the record without each part."""


class TreatmentRanker:
    """Ranks with one model, its vocabulary and the safety rules."""

    def __init__(
        self, inference: Inference, encoder: FeatureEncoder, rules: SafetyRules, equivalents: Equivalents
    ) -> None:
        self._inference = inference
        self._encoder = encoder
        self._rules = rules
        self._equivalents = equivalents
        self._treatments = [_concept(treatment) for treatment in encoder.vocabulary.treatments]

    async def rank(
        self,
        given: PatientRecord,
        further: tuple[Concept, ...],
        count: int,
        further_allergies: tuple[Allergy, ...] = (),
    ) -> Ranking:
        """The `count` best treatments for `given` with `further` active conditions that began today, held
        against the record's allergies and `further_allergies`.

        Treatments that the record has already, that are off the market or not for this gender are not ranked.
        Raises what `Inference.infer` raises, and ModelFailed when the model answers with what is no score.
        """
        # Threads: a record at its bounds takes seconds, and the loop must go on.
        prepared = await asyncio.to_thread(self._prepare, given, further)
        outputs = await self._inference.infer(MODEL, {"features": prepared.features})
        scores = outputs["scores"].astype(np.float64)
        if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
            raise ModelFailed(f"{MODEL} answered with what is no score")
        return await asyncio.to_thread(self._explain, prepared, scores, count, further_allergies)

    def check(self, record: PatientRecord, further_allergies: tuple[Allergy, ...] = ()) -> SafetyCheck:
        """The safety rules on a record."""
        return SafetyCheck(self._rules, record, further_allergies, self._counts)

    def _prepare(self, given: PatientRecord, further: tuple[Concept, ...]) -> _Prepared:
        """Translates the record and takes it apart."""
        today = given.latest_day()
        added = self._equivalents.translate(PatientRecord().with_conditions(further, today))
        concepts = tuple(item.concept.preferred for item in added.conditions)
        record = self._equivalents.translate(given).with_conditions(concepts, today)
        parts = _parts(record, self._encoder)
        short = self._encoder.what_counts(record)
        variants = [short, *(short.without(key) for key in parts[:MAX_PARTS])]
        as_given = given.with_conditions(further, today)
        return _Prepared(as_given, record, tuple(parts), self._encoder.encode_all(variants, today))

    def _explain(
        self,
        prepared: _Prepared,
        scores: NDArray[np.float64],
        count: int,
        further_allergies: tuple[Allergy, ...],
    ) -> Ranking:
        """From scores [1 + parts, T] to the answer."""
        record = prepared.record
        names = self._names(prepared.given)
        concepts = [names[key] for key in prepared.parts]
        check = self.check(prepared.given, further_allergies)
        had = {key for concept in _treatments_of(record) for key in concept.keys}
        recommendations = [
            Recommendation(
                self._treatments[column],
                self._encoder.vocabulary.treatments[column].kind,
                float(scores[0, column]),
                _drivers(scores[:, column], concepts),
                tuple(check.alerts(self._treatments[column])),
            )
            for column in self._order(scores[0], had, record.gender, count)
        ]
        known, unknown = self._split_conditions(prepared.given)
        notices = self._notices(record, len(prepared.parts), had)
        return Ranking(tuple(recommendations), known, unknown, (*notices, *check.notices))

    def _names(self, record: PatientRecord) -> dict[str, Concept]:
        """What the record itself calls each concept, by the key under which it counts."""
        names: dict[str, Concept] = {}
        for condition in record.conditions:
            for item in self._equivalents.translate(PatientRecord(conditions=(condition,))).conditions:
                names.setdefault(item.concept.key, condition.concept.preferred)
        for concept in _treatments_of(record):
            for coding in concept.codings:
                names.setdefault(coding.key, coding)
        return names

    def _order(self, scores: NDArray[np.float64], had: set[str], gender: Gender, count: int) -> list[int]:
        """Columns of the best treatments that may be offered, the highest score first."""
        order = [(column, self._treatments[column]) for column in np.argsort(-scores, kind="stable").tolist()]
        offered = (c for c, t in order if t.key not in had and self._rules.may_be_offered(t, gender))
        return list(itertools.islice(offered, count))

    def _split_conditions(self, record: PatientRecord) -> tuple[tuple[Concept, ...], tuple[Concept, ...]]:
        """Conditions, each once, under the codes that the record gives them: those that count, and the
        others.
        """
        known: dict[str, Concept] = {}
        unknown: dict[str, Concept] = {}
        for condition in record.conditions:
            (known if self._counts(condition) else unknown).setdefault(
                condition.concept.key, condition.concept.preferred
            )
        return tuple(known.values()), tuple(unknown.values())

    def _counts(self, condition: Condition) -> bool:
        """Whether the model knows the condition."""
        alone = self._equivalents.translate(PatientRecord(conditions=(condition,)))
        return any(item.concept.key in self._encoder.conditions for item in alone.conditions)

    def _notices(self, record: PatientRecord, part_count: int, had: set[str]) -> tuple[Notice, ...]:
        notices = []
        if not any(item.concept.key in self._encoder.conditions for item in record.conditions):
            message = "The model knows none of the record's conditions: the ranking rests on the rest of it."
            notices.append(Notice("NO_KNOWN_CONDITION", message))
        if record.age_years is None:
            notices.append(
                Notice("AGE_UNKNOWN", "The age is unknown: the ranking and the age rules go without it.")
            )
        if had & self._encoder.treatments.keys():
            message = "Treatments that the record has already, also those that ended, are not ranked again."
            notices.append(Notice("PAST_TREATMENTS_NOT_RANKED", message))
        if part_count > MAX_PARTS:
            message = f"Only {MAX_PARTS} parts of the record were removed in turn to find the drivers."
            notices.append(Notice("DRIVERS_LIMITED", message))
        return tuple(notices)


def _treatments_of(record: PatientRecord) -> list[CodedConcept]:
    medications = [item.concept for item in record.medications]
    return [*medications, *(item.concept for item in record.procedures)]


def _parts(record: PatientRecord, encoder: FeatureEncoder) -> list[str]:
    """Keys of what counts in the record, each once: conditions first, then medications, then procedures."""
    keys = [
        *(item.concept.key for item in record.conditions),
        *(key for concept in _treatments_of(record) for key in concept.keys),
    ]
    return [key for key in dict.fromkeys(keys) if encoder.known(key)]


def _drivers(scores: NDArray[np.float64], parts: list[Concept]) -> tuple[Driver, ...]:
    """The parts whose removal lowers a treatment's score, [0] the whole record's, the strongest first."""
    drivers = [
        Driver(concept, float(without), float(scores[0] - without))
        for concept, without in zip(parts, scores[1:], strict=False)
        if scores[0] - without >= MIN_CONTRIBUTION
    ]
    return tuple(sorted(drivers, key=lambda driver: -driver.contribution)[:MAX_DRIVERS])


def _concept(treatment: Treatment) -> Concept:
    system, code = treatment.key.split("|")
    return Concept(SYSTEM_BY_SHORT_NAME[system], code, treatment.display)
