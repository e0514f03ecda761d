"""The rankers that are compared. Each is fitted on patients and then scores treatments: (features, visible)
-> [n, T].

`features` FP32 [n, F] has empty treatment columns; `visible` bool [n, T] tells which treatments the ranker
may see.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.treatment_ranker.views import Views

Ranker = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float64]]

EASE_PENALTY = 50.0
"""Of EASE on treatments alone; chosen by `tune`."""
SIDE_PENALTY = 10.0
"""Of EASE with side information, and of the content ranker; chosen by `tune`."""


def popularity(whole: Views) -> Ranker:
    """How often each treatment was given."""
    share = whole.candidates.mean(axis=0)
    return lambda features, _: np.tile(share, (len(features), 1))


def ease(whole: Views, allowed: NDArray[np.bool_] | None = None, *, penalty: float = EASE_PENALTY) -> Ranker:
    """EASE (Steck, WWW 2019) on the patient x treatment matrix; on the `allowed` treatments [T] alone where
    given.
    """
    mask = np.ones(whole.candidates.shape[1], dtype=np.bool_) if allowed is None else allowed
    weights = _ease_weights((whole.candidates & mask).astype(np.float64), penalty)
    return lambda _, visible: (visible & mask) @ weights


def ease_with_side(whole: Views, treatments: slice, *, penalty: float = SIDE_PENALTY) -> Ranker:
    """EASE on the matrix of treatments and all other features side by side."""
    weights = side_weights(whole, treatments, penalty=penalty)
    return lambda features, visible: with_visible(features, visible, treatments) @ weights


def side_weights(whole: Views, treatments: slice, *, penalty: float = SIDE_PENALTY) -> NDArray[np.float64]:
    """The columns of EASE with side information that score treatments, [F, T]."""
    inputs = with_visible(whole.features, whole.candidates, treatments).astype(np.float64)
    return _ease_weights(inputs, penalty)[:, treatments]


def content(whole: Views) -> Ranker:
    """Ridge regression of the treatments on everything but treatments."""
    inputs = whole.features.astype(np.float64)
    mean = whole.candidates.mean(axis=0)
    gram = inputs.T @ inputs + SIDE_PENALTY * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (whole.candidates - mean))
    return lambda features, _: mean + features @ weights


def with_visible(
    features: NDArray[np.float32], visible: NDArray[np.bool_], treatments: slice
) -> NDArray[np.float32]:
    """The features with the visible treatments in their columns, as `FeatureEncoder` writes them."""
    full = features.copy()
    full[:, treatments] = visible
    return full


def _ease_weights(matrix: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """B = I - P diag(P)^-1 with P = (X'X + penalty I)^-1: the closed form of EASE, its diagonal zero."""
    inverse = np.linalg.inv(matrix.T @ matrix + penalty * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights
