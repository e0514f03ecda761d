"""Prognosis in intensive care: the calibrated risk of in-hospital death, and what drives it.

The explanation is by removal: the risk is computed again without each variable and without each stretch of
hours, all in one batch. The difference in log-odds is what the variable or the hours add.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.chassis.errors import ModelFailed
from services.chassis.inference import Inference
from services.recommendation.series import HOUR_COUNT, VARIABLES, IcuStay, hourly_means, static_row, tensors

MODEL = "icu_outcome"
PERIOD_HOURS = 6
"""Length of the stretches whose influence is told."""


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


def log_odds(probability: float) -> float:
    """Natural log-odds, of a probability kept off 0 and 1 by 1e-6."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def prediction_set(probability: float, parameters: Mapping[str, float]) -> tuple[str, ...]:
    """The outcomes within the class-conditional conformal quantiles of the model card (Vovk 2012)."""
    labels = []
    if 1 - probability <= parameters["conformal_died_quantile"]:
        labels.append("died")
    if probability <= parameters["conformal_survived_quantile"]:
        labels.append("survived")
    return tuple(labels)


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
    full = log_odds(risks[0])
    without_variable = risks[1 : 1 + len(measured)]
    without_period = risks[1 + len(measured) :]
    variables = [
        VariableInfluence(VARIABLES[column].name, risk, full - log_odds(risk))
        for column, risk in zip(measured, without_variable.tolist(), strict=True)
    ]
    return Outcome(
        death_probability=float(risks[0]),
        prediction_set=prediction_set(float(risks[0]), parameters),
        coverage=parameters["conformal_coverage"],
        variables=tuple(sorted(variables, key=lambda v: -abs(v.log_odds))),
        periods=tuple(
            PeriodInfluence(start, start + PERIOD_HOURS, risk, full - log_odds(risk))
            for start, risk in zip(starts, without_period.tolist(), strict=True)
        ),
    )
