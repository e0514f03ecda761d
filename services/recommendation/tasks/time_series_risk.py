"""The task `time_series_risk`: the calibrated risk of an outcome from irregular measurements, and what
drives it.

The explanation is by removal: the risk is computed again without each variable and without each stretch of
time, all at once. The difference in log-odds is what the variable or the stretch adds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1 import serving_pb2 as pb
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from services.chassis.errors import InvalidInput, ModelFailed, Reason
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.chassis.notices import Notice
from services.clinical.concepts import Concept
from services.clinical.log_odds import log_odds
from services.recommendation.risk import AGE, SMALLEST, Curve, OutcomeSets, in_band
from services.recommendation.series import FACTS, UNIT, SeriesPreparation, Variable
from services.recommendation.stay import MeasurementReader, Stay
from services.recommendation.tasks.model import is_outside, range_words, require_shape, run


@dataclass(frozen=True)
class VariableInfluence:
    """What one measured variable adds."""

    variable: Variable
    probability_without: float
    log_odds: float


@dataclass(frozen=True)
class PeriodInfluence:
    """What a stretch of time adds, from `start_seconds` up to `end_seconds` of the stay."""

    start_seconds: int
    end_seconds: int
    probability_without: float
    log_odds: float


@dataclass(frozen=True)
class Prediction:
    """The predicted risk of a stay."""

    outcome: str
    outcome_concepts: tuple[Concept, ...]
    probability: float
    is_calibrated: bool
    prediction_set: tuple[str, ...] | None
    """Of the outcome and its opposite, those that cannot be ruled out at `coverage`; None: the card has no
    thresholds.
    """
    coverage: float
    decision_threshold: float | None
    """Probability from which the risk counts as high."""
    variables: tuple[VariableInfluence, ...]
    """The strongest first."""
    periods: tuple[PeriodInfluence, ...]
    """In the order of the stay."""
    notices: tuple[Notice, ...]

    @property
    def abstained(self) -> bool:
        """Whether the prediction set does not single out one outcome."""
        return self.prediction_set is not None and len(self.prediction_set) != 1


class TimeSeriesRisk:
    """Predicts with one model. ValueError, which begins with the field, where the card does not hold."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._task: pb.TimeSeriesRisk = model.contract
        task = self._task
        if task.activation not in {
            pb.ACTIVATION_UNSPECIFIED,
            pb.ACTIVATION_NONE,
            pb.ACTIVATION_SIGMOID,
        }:
            raise ValueError("activation: a single number is a probability already, or its sigmoid is")
        self.preparation = preparation_of(task.preprocessing)
        self._curve = _curve_of(task.calibration)
        if not 0 <= task.decision_threshold <= 1:
            raise ValueError("decision_threshold: is not a probability")
        if task.period_bin_count < 0:
            raise ValueError("period_bin_count: is below 0")
        self._sets = _sets_of(task) if task.HasField("conformal") else None
        self._reader = MeasurementReader(self.preparation)
        self._check_tensors()

    async def predict(self, stay: Stay) -> tuple[Prediction, Provenance]:
        """The risk of a stay, and which model computed it.

        Raises InvalidInput (no measurement is used, a unit cannot be converted, an unknown care unit, an
        age that the model was not made for), what `ServedModel.infer` raises, and ModelFailed where it
        answers with what is no probability.
        """
        facts = stay.facts(self.preparation)
        if is_outside(facts.age_years, self._task.age):
            description = f"{self._model.name} was made for patients of {range_words(self._task.age)}"
            raise InvalidInput(Reason.INPUT_UNSUPPORTED, "stay.age", description)
        measurements, notices = self._reader.read(stay.measurements)
        binned = self.preparation.binned(measurements)
        measured = np.flatnonzero(~np.isnan(binned).all(axis=0)).tolist()
        stretches = self._stretches(binned)
        variants = [
            binned,
            *(_without(binned, slice(None), slice(column, column + 1)) for column in measured),
            *(_without(binned, stretch, slice(None)) for stretch in stretches),
        ]
        risks, provenance = await self._risks(np.stack(variants), self.preparation.static_row(facts))
        odds = [log_odds(risk) for risk in np.clip(risks, SMALLEST, 1 - SMALLEST).tolist()]
        # Of each variant the risk, and what is missing from it.
        effects = [(risk, odds[0] - without) for risk, without in zip(risks.tolist(), odds, strict=True)]
        of_variables, of_stretches = effects[1 : 1 + len(measured)], effects[1 + len(measured) :]
        variables = [
            VariableInfluence(self.preparation.variables[column], *effect)
            for column, effect in zip(measured, of_variables, strict=True)
        ]
        seconds = self.preparation.bin_minutes * 60
        probability, task = float(risks[0]), self._task
        prediction = Prediction(
            outcome=task.outcome.name,
            outcome_concepts=_concepts(task.outcome.concepts),
            probability=probability,
            is_calibrated=task.HasField("calibration"),
            prediction_set=self._sets.members(probability, facts.care_unit, facts.age_years)
            if self._sets is not None
            else None,
            coverage=task.conformal.coverage,
            decision_threshold=task.decision_threshold if task.HasField("decision_threshold") else None,
            variables=tuple(sorted(variables, key=lambda item: -abs(item.log_odds))),
            periods=tuple(
                PeriodInfluence(stretch.start * seconds, stretch.stop * seconds, *effect)
                for stretch, effect in zip(stretches, of_stretches, strict=True)
            ),
            notices=notices,
        )
        return prediction, provenance

    def _stretches(self, binned: NDArray[np.float32]) -> list[slice]:
        """The stretches of bins in which something was measured, in their order; none where the card tells
        none.
        """
        length, count = self._task.period_bin_count, self.preparation.bin_count
        every = (slice(start, min(start + length, count)) for start in range(0, count, length or count))
        return [stretch for stretch in every if length and not np.isnan(binned[stretch]).all()]

    async def _risks(
        self, binned: NDArray[np.float32], static: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], Provenance]:
        """Calibrated risks [N] of variants [N, bins, variables] of one stay."""
        inputs = self.preparation.tensors(binned, np.repeat(static[None], len(binned), axis=0))
        inferred = await run(self._model, inputs)
        scores = inferred.outputs[self._task.scores_tensor].reshape(-1).astype(float)
        risks = activated(scores, self._task.activation)
        if len(risks) != len(binned) or not np.isfinite(risks).all() or risks.min() < 0 or risks.max() > 1:
            raise ModelFailed(f"{self._model.name} did not answer with a probability")
        return self._curve(risks), inferred.provenance

    def _check_tensors(self) -> None:
        card, prepared = self._model.card, self.preparation
        series = (prepared.bin_count, len(prepared.variables))
        for field, shape in (
            ("values_tensor", series),
            ("observed_tensor", series),
            ("gap_hours_tensor", series),
            ("static_tensor", (len(prepared.static_columns),)),
        ):
            name = getattr(prepared, field)
            if name or field == "values_tensor":
                require_shape(card.inputs, name, f"preprocessing.{field}", shape)
        require_shape(card.outputs, self._task.scores_tensor, "scores_tensor", (1,))


def preparation_of(declared: pb.SeriesPreprocessing) -> SeriesPreparation:
    """The preparation that a card declares. ValueError, which begins with the field, where it does not
    hold.
    """
    if declared.bin_minutes < 1 or declared.bin_count < 1:
        raise ValueError("preprocessing.bin_count: at least one bin of at least one minute")
    names = [variable.name for variable in declared.variables]
    if not names or "" in names or len(set(names)) != len(names):
        raise ValueError("preprocessing.variables: at least one, each with a name of its own")
    codes = [(code.system, code.code) for variable in declared.variables for code in variable.codes]
    if len(set(codes)) != len(codes):
        raise ValueError("preprocessing.variables: a code names one variable alone")
    for variable in declared.variables:
        if not variable.codes or not variable.unit or not variable.min < variable.max:
            raise ValueError(f"preprocessing.variables: {variable.name} needs a code, a unit and a range")
    for column in declared.static_columns:
        if column not in FACTS and not column.startswith(UNIT):
            raise ValueError(f"preprocessing.static_columns: {column} is none of {', '.join(FACTS)}, {UNIT}…")
    return SeriesPreparation(
        bin_minutes=declared.bin_minutes,
        bin_count=declared.bin_count,
        variables=tuple(
            Variable(
                item.name, item.display or item.name, _concepts(item.codes), item.unit, item.min, item.max
            )
            for item in declared.variables
        ),
        static_columns=tuple(declared.static_columns),
        carries_forward=declared.fill != pb.SeriesPreprocessing.FILL_NAN,
        values_tensor=declared.values_tensor,
        observed_tensor=declared.observed_tensor,
        gap_hours_tensor=declared.gap_hours_tensor,
        static_tensor=declared.static_tensor,
    )


def _curve_of(calibration: pb.Calibration) -> Curve:
    if len(calibration.curves) > 1:
        raise ValueError("calibration.curves: one at most, the outcome's")
    return Curve() if not calibration.curves else Curve(*_numbers(calibration.curves[0]))


def _numbers(curve: pb.Calibration.Curve) -> tuple[float, float, float]:
    if curve.rise < 0 or curve.fall < 0 or not curve.rise + curve.fall > 0:
        raise ValueError("calibration.curves: rise and fall are not below 0, and not both 0")
    return curve.rise, curve.fall, curve.offset


def _sets_of(task: pb.TimeSeriesRisk) -> OutcomeSets:
    outcomes = (task.outcome.name, task.opposite.name)
    if "" in outcomes or outcomes[0] == outcomes[1]:
        raise ValueError("opposite: a prediction set needs the names of the outcome and its opposite")
    if not 0 < task.conformal.coverage < 1:
        raise ValueError("conformal.coverage: lies between 0 and 1")
    limits: dict[str, dict[str, float]] = {}
    for threshold in task.conformal.thresholds:
        if threshold.label not in {"", *outcomes}:
            raise ValueError(f"conformal.thresholds: {threshold.label} is none of {', '.join(outcomes)}")
        if threshold.group.startswith(AGE):
            in_band(threshold.group, 0)
        elif threshold.group and not threshold.group.startswith(UNIT):
            raise ValueError(f"conformal.thresholds: {threshold.group} is neither {UNIT}… nor {AGE}…")
        own = limits.setdefault(threshold.group, {})
        for name in (threshold.label,) if threshold.label else outcomes:
            own[name] = threshold.max_improbability
    if not limits or any(set(own) != set(outcomes) for own in limits.values()):
        raise ValueError("conformal.thresholds: each group needs one of each outcome")
    return OutcomeSets(task.conformal.coverage, *outcomes, limits)


def _without(binned: NDArray[np.float32], bins: slice, columns: slice) -> NDArray[np.float32]:
    variant = binned.copy()
    variant[bins, columns] = np.nan
    return variant


def _concepts(messages: Iterable[ConceptMessage]) -> tuple[Concept, ...]:
    return tuple(Concept(item.system, item.code, item.display) for item in messages)
