"""Figures of merit with their intervals, for all models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric


def bootstrap_interval(
    figure: Callable[[NDArray[np.int64]], float],
    groups: NDArray[np.int64],
    repeats: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of `figure(row_numbers)` when whole groups (patients) are drawn with
    replacement.

    Draws on which the figure is undefined (it raises ValueError, e.g. one class only) are left out.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(repeats):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        try:
            values.append(figure(drawn))
        except ValueError:
            continue
    low, high = np.percentile([v for v in values if np.isfinite(v)], (2.5, 97.5))
    return float(low), float(high)


def metric(
    name: str,
    figure: Callable[[NDArray[np.int64]], float],
    groups: NDArray[np.int64],
    *,
    measured_on: str,
    subgroup: str = "",
    published: str = "",
) -> Metric:
    """The card's entry for `figure` over all rows, with its bootstrap interval over `groups`."""
    low, high = bootstrap_interval(figure, groups)
    return Metric(
        name=name,
        value=round(figure(np.arange(len(groups))), 4),
        ci_low=round(low, 4),
        ci_high=round(high, 4),
        case_count=len(groups),
        measured_on=measured_on,
        subgroup=subgroup,
        published=published,
    )


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error (Guo et al., ICML 2017) of probabilities [N] against outcomes [N], equal-
    width bins.
    """
    edge = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = edge == b
        if inside.any():
            total += float(inside.mean()) * abs(
                float(confidence[inside].mean()) - float(right[inside].mean())
            )
    return total


def conformal_quantile(scores: NDArray[np.float64], coverage: float) -> float:
    """The finite-sample quantile of nonconformity `scores` (Vovk 2005; Angelopoulos & Bates 2021, section
    1).
    """
    rank = int(np.ceil((len(scores) + 1) * coverage))
    return float("inf") if rank > len(scores) else float(np.sort(scores)[rank - 1])
