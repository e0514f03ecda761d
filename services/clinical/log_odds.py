"""Probabilities as log-odds, on the natural logarithm, and back."""

from __future__ import annotations

import math


def log_odds(probability: float) -> float:
    """Natural logarithm of the odds of a probability in (0, 1)."""
    return math.log(probability) - math.log1p(-probability)


def probability_of(odds: float) -> float:
    """The probability of these log-odds."""
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    return math.exp(odds) / (1 + math.exp(odds))
