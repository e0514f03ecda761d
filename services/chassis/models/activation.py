"""A graph's numbers -> probabilities, as a card's `activation` says."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1 import serving_pb2 as pb

F = TypeVar("F", bound=np.floating[Any])


def activated(values: NDArray[F], activation: pb.Activation, *, axis: int = -1) -> NDArray[F]:
    """Probabilities of the output's numbers, of their dtype; labels lie along `axis`."""
    if activation == pb.ACTIVATION_SOFTMAX:
        shifted = np.exp(values - values.max(axis=axis, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True))
    if activation == pb.ACTIVATION_SIGMOID:
        return logistic(values)
    return values


def logistic(odds: NDArray[F]) -> NDArray[F]:
    """1 / (1 + exp(-odds)), without overflow."""
    small = np.exp(-np.abs(odds))
    return np.asarray(np.where(odds >= 0, 1.0, small) / (1 + small))
