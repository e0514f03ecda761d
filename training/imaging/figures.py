"""Figures of merit for the image models, each with a bootstrap interval over patients or images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def bootstrap_interval(
    figure: Callable[[Ints], float], groups: Ints, repeats: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of `figure(indices)` when whole groups (patients) are drawn with replacement.

    Draws on which the figure is undefined (one class only) are left out.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    values = []
    for _ in range(repeats):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        try:
            values.append(figure(drawn))
        except ValueError:
            continue
    low, high = np.percentile([v for v in values if np.isfinite(v)], (2.5, 97.5))
    return float(low), float(high)


def auroc(positive: npt.NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve; ValueError when only one class is there."""
    if positive.all() or not positive.any():
        raise ValueError("one class only")
    return float(roc_auc_score(positive, score))


def calibration_error(probabilities: Floats, labels: Ints, bins: int = 10) -> float:
    """Expected calibration error of the named class's probability (Guo et al., ICML 2017), equal-width
    bins.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edge = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = edge == b
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(total)
