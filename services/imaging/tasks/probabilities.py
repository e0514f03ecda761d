"""Probabilities, brought in line with how often they are right, and the labels that they do not rule out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medmesh.common.v1 import serving_pb2 as pb
from services.chassis.models.activation import logistic
from services.clinical.conformal import not_ruled_out

Floats = npt.NDArray[np.float64]
SMALLEST = 1e-12
"""Probabilities are kept this far from 0 and 1 before their logarithms are taken."""
ROUNDING = 1e-4
"""How far beyond 0 and 1 rounding may take a probability."""


def are_probabilities(values: Floats) -> bool:
    """Whether all lie in [0, 1], but for rounding: logits that a card calls probabilities do not."""
    return bool((values >= -ROUNDING).all() and (values <= 1 + ROUNDING).all())


@dataclass(frozen=True)
class Calibration:
    """Calibration curves (`medmesh.common.v1.Calibration`), one row a label."""

    rise: Floats
    """`[labels]`, as are the others."""
    fall: Floats
    offset: Floats
    has_curve: npt.NDArray[np.bool_]
    """Whether the label's probability is changed at all."""
    exclusive: bool

    @classmethod
    def declared(cls, message: pb.Calibration, labels: Sequence[str], *, exclusive: bool) -> Calibration:
        """The curves of the card, which may have one for all labels."""
        curves = {curve.label: curve for curve in message.curves}
        of_all = curves.get("", pb.Calibration.Curve(rise=1, fall=1))
        rows = [curves.get(label, of_all) for label in labels]
        return cls(
            np.array([row.rise for row in rows]),
            np.array([row.fall for row in rows]),
            np.array([row.offset for row in rows]),
            np.array([label in curves or "" in curves for label in labels]),
            exclusive,
        )

    def __call__(self, probabilities: Floats) -> Floats:
        """`[..., labels]` -> the same, calibrated; where labels exclude each other they sum to 1."""
        if not self.has_curve.any():
            return probabilities
        kept = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
        odds = self.rise * np.log(kept) - self.fall * np.log1p(-kept) + self.offset
        curved = np.where(self.has_curve, logistic(odds), probabilities)
        return np.asarray(curved / curved.sum(axis=-1, keepdims=True) if self.exclusive else curved)


@dataclass(frozen=True)
class ConformalSets:
    """Which labels a probability does not rule out (`medmesh.common.v1.Conformal`)."""

    coverage: float
    limits: Mapping[str, float]
    """Largest improbability with which each label stays."""

    @classmethod
    def declared(cls, message: pb.Conformal, labels: Sequence[str]) -> ConformalSets:
        """Raises ValueError where a threshold is of a group: images have no groups."""
        if any(threshold.group for threshold in message.thresholds):
            raise ValueError("conformal.thresholds: images have no groups")
        found = {threshold.label: threshold.max_improbability for threshold in message.thresholds}
        of_all = found.pop("", 0.0)
        return cls(message.coverage, {label: found.get(label, of_all) for label in labels})

    def members(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """The labels that cannot be ruled out, the most probable first."""
        ranked = sorted(probabilities, key=lambda label: -probabilities[label])
        return not_ruled_out({label: 1 - probabilities[label] for label in ranked}, self.limits)
