"""Figures of merit that only the image models need; the others stand in `training.figures`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from medmesh.common.v1.model_card_pb2 import Metric
from training.figures import calibration_error

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def auroc(positive: npt.NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve; ValueError when only one class is there."""
    if positive.all() or not positive.any():
        raise ValueError("one class only")
    return float(roc_auc_score(positive, score))


def top_calibration_error(probabilities: Floats, labels: Ints) -> float:
    """Expected calibration error of the most probable class, 10 equal-width bins; probabilities `[n,
    classes]`.
    """
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def fit_temperature(logits: Floats, labels: Ints) -> tuple[float, list[float]]:
    """Temperature and class offsets that minimise the log loss of `softmax(logits / temperature + offsets)`.

    Temperature scaling (Guo et al., ICML 2017) with one offset a class, which undoes what class weights did.
    """
    classes = logits.shape[1]

    def loss(parameters: Floats) -> float:
        scaled = logits * np.exp(parameters[0]) + np.append(parameters[1:], 0.0)
        # a little weight on small offsets: the calibration split is small
        return float(
            -log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean() + 1e-3 * (parameters**2).sum()
        )

    best = minimize(loss, np.zeros(classes), method="L-BFGS-B").x
    offsets = np.append(best[1:], 0.0)
    return float(np.exp(-best[0])), [float(v) for v in offsets - offsets.mean()]


def show(figures: Iterable[Metric]) -> None:
    """Prints a card's figures, one a line."""
    for f in figures:
        print(
            f"{f.name:28s} {f.subgroup:20s} {f.value:.4f} [{f.ci_low:.4f}, {f.ci_high:.4f}] n={f.case_count}"
        )
