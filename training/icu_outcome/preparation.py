"""How a stay becomes the network's input: as the card's decided part declares it, by the code that serves."""

from __future__ import annotations

from services.recommendation.tasks.time_series_risk import preparation_of
from training.model_card import decided_serving

NAME = "icu_outcome"
SERVING = decided_serving(NAME)
PREPARATION = preparation_of(SERVING.time_series_risk.preprocessing)
HOUR_COUNT = PREPARATION.bin_count
"""Bins are hours."""
VARIABLE_COUNT = len(PREPARATION.variables)
STATIC_NAMES = PREPARATION.static_columns
OUTCOMES = (SERVING.time_series_risk.outcome.name, SERVING.time_series_risk.opposite.name)
