"""The task `record_ranking`: treatments for a record by a model's scores, what drives each, and what speaks
against it.

The explanation is by removal: the record is scored again without each condition, medication and procedure
that the model knows, all at once. What a score loses without a part of the record is that part's
contribution.
"""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1 import serving_pb2 as pb
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.chassis.notices import Notice
from services.chassis.off_loop import off_loop
from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import PartialDate
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    PatientRecord,
    Procedure,
    Reference,
)
from services.clinical.statuses import ClinicalStatus, Gender
from services.recommendation.equivalents import Equivalents
from services.recommendation.features import FeatureEncoder, Treatment
from services.recommendation.safety.alerts import Alert
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.rules import SafetyRules
from services.recommendation.tasks.model import is_outside, range_words, require_shape, run
from services.recommendation.tasks.records import encoder_of

SHORT_COUNT = 32
"""A record of fewer entries is ranked at once: the sample, of eight, takes 1.3 ms."""
MAX_PARTS = 255
"""Parts of a record that are removed in turn."""
MAX_DRIVERS = 5
MIN_CONTRIBUTION = 0.001
"""A part of the record that moves a score by less is not a driver of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Driver:
    """A part of the record that raises a score."""

    entry: Reference
    """The first that has it."""
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
    known_conditions: tuple[Reference, ...]
    unknown_conditions: tuple[Reference, ...]
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


class RecordRanker:
    """Ranks with one model, its vocabulary and the safety rules, which hold whatever the model ranks.

    ValueError, which begins with the field, where the card or the vocabulary does not hold;
    FileNotFoundError.
    """

    def __init__(self, model: ServedModel, rules: SafetyRules, equivalents: Equivalents) -> None:
        self._model = model
        self._task: pb.RecordRanking = model.contract
        task = self._task
        if task.activation not in {pb.ACTIVATION_UNSPECIFIED, pb.ACTIVATION_NONE, pb.ACTIVATION_SIGMOID}:
            raise ValueError("activation: scores are in [0, 1] already, or their sigmoids are")
        self._encoder = encoder_of(model, task.preprocessing)
        self._rules = rules
        self._equivalents = equivalents
        self._treatments = [_concept(treatment) for treatment in self._encoder.vocabulary.treatments]
        self._products = [rules.product(CodedConcept((treatment,))) for treatment in self._treatments]
        require_shape(model.card.outputs, task.scores_tensor, "scores_tensor", (len(self._treatments),))

    async def rank(
        self,
        given: PatientRecord,
        further: tuple[Condition, ...],
        count: int,
        further_allergies: tuple[Allergy, ...] = (),
        further_medications: tuple[Medication, ...] = (),
    ) -> tuple[Ranking, Provenance]:
        """The `count` best treatments for `given` with `further` active conditions that began today, held
        against the record and against `further_allergies` and `further_medications`, which the model does not
        see; and which model scored them.

        Treatments that the record has already, that are off the market or not for this gender are not ranked.
        Raises what `ServedModel.infer` raises, and ModelFailed when the model answers with what is no score.
        """
        # A record at its bounds takes seconds, and the loop must go on.
        is_short = given.item_count + len(further) < SHORT_COUNT
        prepared = await off_loop(is_short, None, self._prepare, given, further)
        tensor = self._task.preprocessing.tensor
        inferred = await run(self._model, {tensor: prepared.features})
        scores = activated(
            inferred.outputs[self._task.scores_tensor].astype(np.float64), self._task.activation
        )
        if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
            raise ModelFailed(f"{self._model.name} did not answer with scores")
        ranking = await off_loop(
            is_short, None, self._explain, prepared, scores, count, further_allergies, further_medications
        )
        return ranking, inferred.provenance

    def check(
        self,
        record: PatientRecord,
        further_allergies: tuple[Allergy, ...] = (),
        further_medications: tuple[Medication, ...] = (),
    ) -> SafetyCheck:
        """The safety rules on a record."""
        whole = dataclasses.replace(record, medications=(*record.medications, *further_medications))
        return SafetyCheck(self._rules, whole, further_allergies, self._counts)

    def _prepare(self, given: PatientRecord, further: tuple[Condition, ...]) -> _Prepared:
        """Translates the record and takes it apart."""
        today = given.latest_day()
        further = tuple(_begun(item, today) for item in further)
        added = self._equivalents.translate(PatientRecord().with_conditions(further))
        record = self._equivalents.translate(given).with_conditions(added.conditions)
        parts = _parts(record, self._encoder)
        short = self._encoder.what_counts(record)
        variants = [short, *(short.without(key) for key in parts[:MAX_PARTS])]
        as_given = given.with_conditions(further)
        return _Prepared(as_given, record, tuple(parts), self._encoder.encode_all(variants, today))

    def _explain(
        self,
        prepared: _Prepared,
        scores: NDArray[np.float64],
        count: int,
        further_allergies: tuple[Allergy, ...],
        further_medications: tuple[Medication, ...],
    ) -> Ranking:
        """From scores [1 + parts, T] to the answer."""
        record = prepared.record
        entries = self._entries(prepared.given)
        parts = [entries[key] for key in prepared.parts]
        check = self.check(prepared.given, further_allergies, further_medications)
        had = {key for concept in _treatments_of(record) for key in concept.keys}
        recommendations = [
            Recommendation(
                self._treatments[column],
                self._encoder.vocabulary.treatments[column].kind,
                float(scores[0, column]),
                _drivers(scores[:, column], parts),
                tuple(check.alerts(self._products[column])),
            )
            for column in self._order(scores[0], had, record.gender, count)
        ]
        known, unknown = self._split_conditions(prepared.given)
        notices = self._notices(record, len(prepared.parts), had)
        return Ranking(tuple(recommendations), known, unknown, (*notices, *check.notices))

    def _entries(self, record: PatientRecord) -> dict[str, Reference]:
        """The first entry with each concept, as the record itself calls it, by the key under which it
        counts.
        """
        entries: dict[str, Reference] = {}
        for condition in record.conditions:
            for concept in self._equivalents.concepts(condition):
                entries.setdefault(concept.key, Reference.to(condition))
        treatments: tuple[Medication | Procedure, ...] = (*record.medications, *record.procedures)
        for treatment in treatments:
            for coding in treatment.concept.codings:
                entries.setdefault(coding.key, Reference(treatment.place, coding))
        return entries

    def _order(self, scores: NDArray[np.float64], had: set[str], gender: Gender, count: int) -> list[int]:
        """Columns of the best treatments that may be offered, the highest score first."""
        offered = (
            column
            for column in np.argsort(-scores, kind="stable").tolist()
            if (treatment := self._treatments[column]).key not in had
            and self._rules.may_be_offered(treatment, self._products[column], gender)
        )
        return list(itertools.islice(offered, count))

    def _split_conditions(self, record: PatientRecord) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
        """Conditions, each once, under the codes that the record gives them: those that count, and the
        others.
        """
        known: dict[str, Reference] = {}
        unknown: dict[str, Reference] = {}
        for condition in record.conditions:
            (known if self._counts(condition) else unknown).setdefault(
                condition.concept.key, Reference.to(condition)
            )
        return tuple(known.values()), tuple(unknown.values())

    def _counts(self, condition: Condition) -> bool:
        """Whether the model knows the condition."""
        return any(one.key in self._encoder.conditions for one in self._equivalents.concepts(condition))

    def _notices(self, record: PatientRecord, part_count: int, had: set[str]) -> tuple[Notice, ...]:
        notices = []
        if not any(item.concept.key in self._encoder.conditions for item in record.conditions):
            message = "The model knows none of the record's conditions: the ranking rests on the rest of it."
            notices.append(Notice("NO_KNOWN_CONDITION", message))
        if record.age_years is None:
            notices.append(
                Notice("AGE_UNKNOWN", "The age is unknown: the ranking and the age rules go without it.")
            )
        elif is_outside(record.age_years, self._task.age):
            message = f"The model was made for patients of {range_words(self._task.age)}."
            notices.append(Notice("OUTSIDE_MODEL_POPULATION", message, review_required=True))
        if had & self._encoder.treatments.keys():
            message = "Treatments that the record has already, also those that ended, are not ranked again."
            notices.append(Notice("PAST_TREATMENTS_NOT_RANKED", message))
        if part_count > MAX_PARTS:
            message = f"Only {MAX_PARTS} parts of the record were removed in turn to find the drivers."
            notices.append(Notice("DRIVERS_LIMITED", message))
        return tuple(notices)


def _begun(condition: Condition, today: date | None) -> Condition:
    """The condition as one that is active since today."""
    return dataclasses.replace(
        condition,
        clinical_status=ClinicalStatus.ACTIVE,
        onset=None if today is None else PartialDate.of(today),
    )


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


def _drivers(scores: NDArray[np.float64], parts: list[Reference]) -> tuple[Driver, ...]:
    """The parts whose removal lowers a treatment's score, [0] the whole record's, the strongest first."""
    drivers = [
        Driver(entry, float(without), float(scores[0] - without))
        for entry, without in zip(parts, scores[1:], strict=False)
        if scores[0] - without >= MIN_CONTRIBUTION
    ]
    return tuple(sorted(drivers, key=lambda driver: -driver.contribution)[:MAX_DRIVERS])


def _concept(treatment: Treatment) -> Concept:
    system, code = treatment.key.split("|")
    return Concept(SYSTEM_BY_SHORT_NAME[system], code, treatment.display)
