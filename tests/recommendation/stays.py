"""Synthetic stays in intensive care, seeded; the numbers are drawn, not taken from patients."""

from __future__ import annotations

import numpy as np

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import Calibration
from services.clinical.dates import Age
from services.clinical.record import Quantity
from services.recommendation.stay import GivenMeasurement, Stay
from services.recommendation.tasks.time_series_risk import preparation_of
from tests.fakes import real_card

CARD = real_card("icu_outcome")
PREPARATION = preparation_of(CARD.serving.time_series_risk.preprocessing)
"""That of the prognosis: 48 hours of 37 variables."""

USUAL = {
    "heart_rate": (85, 12, 1),
    "mean_pressure": (80, 10, 1),
    "temperature": (37, 0.5, 2),
    "glasgow_coma_score": (14, 1, 4),
    "urine_output": (90, 40, 2),
    "respiration_rate": (18, 3, 1),
    "lactate": (1.8, 0.6, 8),
    "creatinine": (1.1, 0.4, 12),
    "blood_urea_nitrogen": (20, 8, 12),
    "bicarbonate": (24, 3, 12),
    "platelets": (210, 60, 12),
    "white_cells": (10, 3, 12),
    "sodium": (139, 3, 12),
    "haematocrit": (32, 3, 8),
}
"""Mean, deviation and hours between two measurements."""

GRAVE = {
    "glasgow_coma_score": 3,
    "lactate": 11,
    "blood_urea_nitrogen": 110,
    "bicarbonate": 11,
    "mean_pressure": 48,
    "urine_output": 5,
    "heart_rate": 135,
}


def measurement(name: str, hour: float, value: float, unit: str | None = None) -> GivenMeasurement:
    """A value of one of the prognosis' variables, in its unit where no other is given."""
    variable = PREPARATION.variables[PREPARATION.column(name)]
    quantity = Quantity(value, variable.unit if unit is None else unit)
    return GivenMeasurement(variable.codes[0], quantity, hour * 3600)


def stay(seed: int, *, grave: bool = False, age_years: int = 68) -> Stay:
    """A stay with usual values, or one whose vital functions fail."""
    rng = np.random.default_rng(seed)
    measurements = []
    for variable, (mean, deviation, step) in USUAL.items():
        centre = GRAVE.get(variable, mean) if grave else mean
        hours = np.arange(rng.uniform(0, step), 48, step)
        values = rng.normal(centre, deviation / 3, len(hours))
        measurements += [
            measurement(variable, *pair) for pair in zip(hours.tolist(), values.tolist(), strict=True)
        ]
    return Stay(measurements, age=Age(age_years), male=True, height_cm=175, care_unit="medical")


def risk_card(*, died: float = 0.93, survived: float = 0.25, slope: float = 1.0) -> ModelCard:
    """The card of the prognosis with the same thresholds in every group, and another calibration."""
    card = ModelCard()
    card.CopyFrom(CARD)
    task = card.serving.time_series_risk
    task.calibration.CopyFrom(Calibration(curves=[Calibration.Curve(rise=slope, fall=slope)]))
    for threshold in task.conformal.thresholds:
        threshold.max_improbability = {"died": died, "survived": survived}[threshold.label]
    return card


def with_threshold(card: ModelCard, label: str, group: str, value: float) -> ModelCard:
    """The card with one conformal threshold changed."""
    [threshold] = [
        t for t in card.serving.time_series_risk.conformal.thresholds if (t.label, t.group) == (label, group)
    ]
    threshold.max_improbability = value
    return card
