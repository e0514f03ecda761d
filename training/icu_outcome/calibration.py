"""Brings the prognosis in line with what happened: the scale of the risks, prediction sets, a threshold.

Each stay is judged by the one group of networks that did not train on it; what is served is the mean of all
groups. Three things follow. Groups differ in scale, so each is fitted on its own stays and the fits are
averaged: one fit of all stays together would take the differences for noise and make the risks timid. The
mean of calibrated forecasts is itself too timid, by as much as they differ (Ranjan and Gneiting, JRSS B
2010), so it is spread. And no group of patients may pay for the others: the sets have quantiles for each kind
of unit and each age band.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

from medmesh.common.v1.serving_pb2 import Calibration, Conformal, ModelServing
from services.recommendation.risk import groups_of
from services.recommendation.series import UNIT
from training.figures import conformal_quantile
from training.icu_outcome.preparation import OUTCOMES, PREPARATION, SERVING, STATIC_NAMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COVERAGE = 0.9
UNITS = tuple(f"{UNIT}{name}" for name in PREPARATION.care_units)
AGE_BANDS = ("age:0-49", "age:50-64", "age:65-79", "age:80-")
GROUPS = (*UNITS, *AGE_BANDS)


@dataclass(frozen=True)
class Scaling:
    """Platt scaling (Platt 1999) of log-odds."""

    slope: float
    offset: float

    def probability(self, log_odds: Floats) -> Floats:
        scaled: Floats = 1 / (1 + np.exp(-(self.slope * log_odds + self.offset)))
        return scaled

    def spread(self, agreement: float, count: int, rate: float) -> Scaling:
        """For the mean of `count` forecasts that each need this scaling and whose log-odds correlate by
        `agreement` within a class.

        With normal log-odds of equal variance in both classes a calibrated forecast separates the classes by
        its variance; the mean separates them by as much and varies less. It is spread by the quotient, around
        the log-odds of `rate`, the share that died.
        """
        factor = count / (1 + (count - 1) * agreement)
        centre = float(np.log(rate / (1 - rate)))
        return Scaling(self.slope * factor, self.offset * factor + (1 - factor) * centre)


def fit_scaling(log_odds: Floats, died: Ints) -> Scaling:
    """The Platt scaling of the greatest likelihood, `[n]` each."""
    model = LogisticRegression(C=1e6).fit(log_odds[:, None], died)
    return Scaling(float(model.coef_[0, 0]), float(model.intercept_[0]))


def mean_scaling(log_odds: Floats, died: Ints, fold: Ints) -> Scaling:
    """The mean of the scalings of each group of networks, fitted on the stays of its fold, `[n]` each."""
    fits = [fit_scaling(log_odds[fold == f], died[fold == f]) for f in np.unique(fold)]
    return Scaling(float(np.mean([f.slope for f in fits])), float(np.mean([f.offset for f in fits])))


def agreement(by_group: Floats, died: Ints, fold: Ints) -> float:
    """Mean correlation, within those who died and those who survived, between the log-odds of the group that
    did not train on a stay and of each other one; `by_group` `[groups, n]`.
    """
    found = []
    for own in range(len(by_group)):
        for other in set(range(len(by_group))) - {own}:
            for outcome in (0, 1):
                rows = np.flatnonzero((fold == own) & (died == outcome))
                found.append(np.corrcoef(by_group[own, rows], by_group[other, rows])[0, 1])
    return float(np.mean(found))


def membership(static: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of GROUPS each stay belongs to, `[n, groups]`; `static` `[n, static columns]` as from
    `static_row`.
    """
    units = static[:, [STATIC_NAMES.index(unit) for unit in UNITS]]
    table = np.zeros((len(static), len(GROUPS)), dtype=bool)
    for row, (own, age) in enumerate(zip(units, static[:, STATIC_NAMES.index("age_years")], strict=True)):
        unit = PREPARATION.care_units[int(np.argmax(own))] if (own == 1).any() else None
        for name in groups_of(GROUPS, unit, None if np.isnan(age) else float(age)):
            table[row, GROUPS.index(name)] = True
    return table


@dataclass(frozen=True)
class Sets:
    """The largest 1 - p(outcome) with which an outcome stays in the set, by group and outcome."""

    quantiles: Mapping[str, Floats]
    """Outcome -> `[groups]`."""

    @classmethod
    def fit(cls, p: Floats, died: Ints, members: NDArray[np.bool_]) -> Sets:
        """From risks of stays that were judged by networks which did not train on them, `[n]`."""
        rows = {"died": died == 1, "survived": died == 0}
        scores = _improbability(p)
        return cls(
            {
                outcome: np.array(
                    [conformal_quantile(scores[outcome][rows[outcome] & own], COVERAGE) for own in members.T]
                ).clip(max=1.0)
                for outcome in OUTCOMES
            }
        )

    def possible(self, p: Floats, members: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """Whether each outcome is in the set of each stay, `[n]`; the more cautious of its groups counts."""
        return {
            outcome: _improbability(p)[outcome]
            <= np.where(members, self.quantiles[outcome], -np.inf).max(axis=1)
            for outcome in OUTCOMES
        }

    def conformal(self) -> Conformal:
        """For the card."""
        return Conformal(
            coverage=COVERAGE,
            thresholds=[
                Conformal.Threshold(label=outcome, group=name, max_improbability=round(float(value), 6))
                for outcome in OUTCOMES
                for name, value in zip(GROUPS, self.quantiles[outcome], strict=True)
            ],
        )


def best_threshold(p: Floats, died: Ints) -> float:
    """The threshold with the largest min(sensitivity, precision), the score of the challenge's event 1."""
    precision, recall, thresholds = precision_recall_curve(died, p)
    return float(thresholds[np.argmax(np.minimum(precision, recall)[:-1])])


def serving(served: Scaling, sets: Sets, threshold: float) -> ModelServing:
    """What the card tells the service: what is decided, and what was measured."""
    result = ModelServing()
    result.CopyFrom(SERVING)
    task = result.time_series_risk
    slope = round(served.slope, 6)
    task.calibration.CopyFrom(
        Calibration(
            curves=[Calibration.Curve(rise=slope, fall=slope, offset=round(served.offset, 6))],
            description="Platt scaling of the graph's log-odds.",
        )
    )
    task.conformal.CopyFrom(sets.conformal())
    task.decision_threshold = round(threshold, 4)
    return result


def _improbability(p: Floats) -> dict[str, Floats]:
    return {"died": 1 - p, "survived": p}
