"""Prognosis in intensive care: the calibrated risk of in-hospital death, and what drives it.

The explanation is by removal: the risk is computed again without each variable and without each stretch of
hours, all in one batch. The difference in log-odds is what the variable or the hours add.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.clinical.conformal import not_ruled_out
from services.clinical.log_odds import log_odds
from services.recommendation.series import (
    HOUR_COUNT,
    STATIC_NAMES,
    VARIABLES,
    IcuStay,
    hourly_means,
    static_row,
    tensors,
)

MODEL = "icu_outcome"
PERIOD_HOURS = 6
"""Length of the stretches whose influence is told."""

OUTCOMES = ("died", "survived")
UNITS = STATIC_NAMES[3:]
AGE_BANDS = (("age_under_50", 50), ("age_50_to_64", 65), ("age_65_to_79", 80), ("age_80_and_over", math.inf))
"""Groups of stays by age, each with the first age in years that is too old for it."""

CALIBRATION_SLOPE, CALIBRATION_OFFSET = "calibration_slope", "calibration_offset"
CONFORMAL_COVERAGE = "conformal_coverage"
"""Keys of the card's `serving_parameters`, beside those of `quantile_key`."""

Floats = NDArray[np.float64]
_SMALLEST = 1e-6
"""Keeps probabilities off 0 and 1, whose log-odds are not finite."""


@dataclass(frozen=True)
class VariableInfluence:
    """What one measured variable adds."""

    variable: str
    """Name of one of VARIABLES."""
    probability_without: float
    log_odds: float


@dataclass(frozen=True)
class PeriodInfluence:
    """What the hours from `start_hour` up to `end_hour` add."""

    start_hour: int
    end_hour: int
    probability_without: float
    log_odds: float


@dataclass(frozen=True)
class Outcome:
    """The predicted risk of a stay."""

    death_probability: float
    prediction_set: tuple[str, ...]
    """Of `died` and `survived`, those that cannot be ruled out at `coverage`."""
    coverage: float
    variables: tuple[VariableInfluence, ...]
    """The strongest first."""
    periods: tuple[PeriodInfluence, ...]
    """In the order of the stay."""

    @property
    def abstained(self) -> bool:
        """Whether the prediction set does not single out one outcome."""
        return len(self.prediction_set) != 1


def calibrated(probabilities: Floats, parameters: Mapping[str, float]) -> Floats:
    """Platt scaling (Platt 1999) of the network's probabilities, any shape, by the slope and offset of the
    model card; a card without them leaves them as they are.
    """
    kept = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    slope, offset = parameters.get(CALIBRATION_SLOPE, 1.0), parameters.get(CALIBRATION_OFFSET, 0.0)
    scaled: Floats = 1 / (1 + np.exp(-(slope * np.log(kept / (1 - kept)) + offset)))
    return scaled


def quantile_key(outcome: str, group: str) -> str:
    """The key in `serving_parameters` of the largest 1 - p(outcome) with which an outcome stays in the set of
    a stay of `group`, one of UNITS or the name of an age band.
    """
    return f"conformal_{outcome}_quantile.{group}"


def groups(unit: str | None, age_years: float | None) -> tuple[str, ...]:
    """The groups a stay belongs to; where unit or age is unknown, all that it may belong to."""
    bands = [name for name, _ in AGE_BANDS]
    if age_years is not None:
        bands = [next(name for name, end in AGE_BANDS if age_years < end)]
    return (*(UNITS if unit is None else (unit,)), *bands)


def prediction_set(
    probability: float, of_groups: Iterable[str], parameters: Mapping[str, float]
) -> tuple[str, ...]:
    """The outcomes that cannot be ruled out for a stay of these groups.

    Class-conditional conformal quantiles by group (Mondrian conformal prediction; Vovk, Gammerman and Shafer
    2005, section 4.5); a stay belongs to a unit and to an age band, and the more cautious of both counts.
    """
    names = tuple(of_groups)
    return not_ruled_out(
        {"died": 1 - probability, "survived": probability},
        {o: max(parameters[quantile_key(o, group)] for group in names) for o in OUTCOMES},
    )


async def predict_outcome(inference: Inference, stay: IcuStay, parameters: Mapping[str, float]) -> Outcome:
    """Predicts the outcome of `stay`; `parameters` are the model card's `serving_parameters`.

    Raises what `Inference.infer` raises, and ModelFailed when the model answers with what is no probability.
    """
    hourly = hourly_means(stay)
    measured = np.flatnonzero(~np.isnan(hourly).all(axis=0))
    starts = [
        s for s in range(0, HOUR_COUNT, PERIOD_HOURS) if not np.isnan(hourly[s : s + PERIOD_HOURS]).all()
    ]
    variants = [hourly]
    for column in measured:
        variants.append(hourly.copy())
        variants[-1][:, column] = np.nan
    for start in starts:
        variants.append(hourly.copy())
        variants[-1][start : start + PERIOD_HOURS] = np.nan
    batch = np.stack(variants)
    static = np.repeat(static_row(stay)[None], len(batch), axis=0)
    outputs = await inference.infer(MODEL, tensors(batch, static))
    risks = outputs["probability"].reshape(-1).astype(float)
    if len(risks) != len(batch) or not np.isfinite(risks).all() or risks.min() < 0 or risks.max() > 1:
        raise ModelFailed(f"{MODEL} answered with what is no probability")
    risks = calibrated(risks, parameters)
    odds = [log_odds(risk) for risk in np.clip(risks, _SMALLEST, 1 - _SMALLEST).tolist()]
    influences = [(risk, odds[0] - without) for risk, without in zip(risks.tolist(), odds, strict=True)][1:]
    variables = [
        VariableInfluence(VARIABLES[column].name, *influence)
        for column, influence in zip(measured, influences[: len(measured)], strict=True)
    ]
    return Outcome(
        death_probability=float(risks[0]),
        prediction_set=prediction_set(float(risks[0]), groups(stay.unit, stay.age_years), parameters),
        coverage=parameters[CONFORMAL_COVERAGE],
        variables=tuple(sorted(variables, key=lambda v: -abs(v.log_odds))),
        periods=tuple(
            PeriodInfluence(start, start + PERIOD_HOURS, *influence)
            for start, influence in zip(starts, influences[len(measured) :], strict=True)
        ),
    )
