"""The ranker as it is served: network and EASE added up in one graph, through Platt scaling."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from training.treatment_ranker.network import Autoencoder, Recipe, ranker, train
from training.treatment_ranker.rankers import Ranker, side_weights
from training.treatment_ranker.views import Views, hide_at_random

EASE_SHARE = 4.0
"""Weight of EASE's score beside the network's logit; chosen by `tune`."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Platt scaling of the sum (Platt 1999)."""

    slope: float
    offset: float


class Served(nn.Module):
    """`features` FP32 [n, F] to `scores` FP32 [n, T] in [0, 1]. EASE is linear, so it goes into the linear
    path.
    """

    def __init__(self, network: Autoencoder, ease: NDArray[np.float64], calibration: Calibration) -> None:
        super().__init__()
        self.linear = nn.Linear(ease.shape[0], ease.shape[1])
        self.encode, self.decode = network.encode, network.decode
        with torch.no_grad():
            added = torch.tensor(EASE_SHARE * ease.T, dtype=torch.float32)
            self.linear.weight.copy_(network.linear.weight + added)
            self.linear.bias.copy_(network.linear.bias)
        self.slope, self.offset = calibration.slope, calibration.offset

    def forward(self, features: Tensor) -> Tensor:
        total = self.linear(features) + self.decode(torch.tanh(self.encode(features)))
        return torch.sigmoid(self.slope * total + self.offset)


def fuse(network: Autoencoder, whole: Views, treatments: slice) -> Ranker:
    """Network and EASE added up, before calibration."""
    served = Served(network, side_weights(whole, treatments), Calibration(1.0, 0.0))

    def score(features: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float64]:
        probabilities = ranker(served, treatments)(features, visible).clip(1e-12, 1 - 1e-12)
        return np.log(probabilities / (1 - probabilities))

    return score


def calibrate(
    whole: Views, decision: Views, treatments: slice, recipe: Recipe, folds: int = 3
) -> Calibration:
    """Platt scaling fitted on patients that the fold's network and EASE did not see, on both views in equal
    parts.
    """
    rng = np.random.default_rng(recipe.seed)
    owners = np.unique(whole.owner)
    fold_of = rng.permutation(len(owners)) % folds
    totals: list[NDArray[np.float64]] = []
    truths: list[NDArray[np.bool_]] = []
    for fold in range(folds):
        inside = np.isin(whole.owner, owners[fold_of != fold])
        network = train(
            whole.rows(inside),
            decision.rows(np.isin(decision.owner, whole.owner[inside])),
            treatments,
            recipe,
        )
        score = fuse(network, whole.rows(inside), treatments)
        outside = whole.rows(~inside)
        hidden = hide_at_random(outside.candidates, rng.uniform(0.0, 1.0, len(outside.owner)), rng)
        later = decision.rows(np.isin(decision.owner, outside.owner))
        later = later.rows(rng.permutation(len(later.owner))[: len(outside.owner)])
        for view, visible, truth in (
            (outside, outside.candidates & ~hidden, hidden),
            (later, later.before, later.candidates),
        ):
            total = score(view.features, visible)
            totals.append(total[~visible])
            truths.append(truth[~visible])
    fit = LogisticRegression(C=1e6).fit(np.concatenate(totals)[:, None], np.concatenate(truths))
    return Calibration(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
