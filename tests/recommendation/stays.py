"""Synthetic stays in intensive care, seeded; the numbers are drawn, not taken from patients."""

from __future__ import annotations

import numpy as np

from services.recommendation.outcome import AGE_BANDS, UNITS, quantile_key
from services.recommendation.series import IcuStay, Measurement

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


def stay(seed: int, *, grave: bool = False, age_years: float = 68) -> IcuStay:
    """A stay with usual values, or one whose vital functions fail."""
    rng = np.random.default_rng(seed)
    measurements = []
    for variable, (mean, deviation, step) in USUAL.items():
        centre = GRAVE.get(variable, mean) if grave else mean
        hours = np.arange(rng.uniform(0, step), 48, step)
        values = rng.normal(centre, deviation / 3, len(hours))
        measurements += [
            Measurement(variable, *pair) for pair in zip(hours.tolist(), values.tolist(), strict=True)
        ]
    return IcuStay(measurements, age_years=age_years, male=True, height_cm=175, unit="medical_unit")


def card_parameters(died: float = 0.93, survived: float = 0.25) -> dict[str, float]:
    """`serving_parameters` of a card with the same quantiles in every group."""
    names = [*UNITS, *(name for name, _ in AGE_BANDS)]
    quantiles = {"died": died, "survived": survived}
    own = {quantile_key(outcome, name): value for name in names for outcome, value in quantiles.items()}
    return {"conformal_coverage": 0.9} | own
