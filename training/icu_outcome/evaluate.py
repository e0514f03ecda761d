"""Measures the ICU prognosis on stays that its networks never saw, and fits its calibration.

`python -m training.icu_outcome.evaluate` prints the table that the model card holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from medmesh.common.v1.model_card_pb2 import Metric
from services.recommendation.series import tensors
from training.figures import calibration_error, conformal_quantile, metric
from training.icu_outcome.dataset import IcuData, load
from training.icu_outcome.network import IcuNetwork
from training.icu_outcome.train import RUN, Recipe, folds, load_networks, predict
from training.onnx_runtime import PRECISIONS
from training.precisions import Graph, Inputs

COVERAGE = 0.9


@dataclass(frozen=True)
class Calibration:
    """Platt scaling, and what prediction sets at 90 % coverage need."""

    slope: float
    offset: float
    died_quantile: float
    """Largest 1 - p(died) with which `died` stays in the set."""
    survived_quantile: float
    """Largest p(died) with which `survived` stays in the set."""

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-(self.slope * logits + self.offset)))


def calibrate(logits: NDArray[np.float64], died: NDArray[np.int64]) -> Calibration:
    """Fits Platt scaling, then class-conditional conformal quantiles on the calibrated probabilities."""
    model = LogisticRegression(C=1e6).fit(logits[:, None], died)
    platt = Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]), 1.0, 1.0)
    p = platt.probability(logits)
    return Calibration(
        platt.slope,
        platt.offset,
        conformal_quantile(1 - p[died == 1], COVERAGE),
        conformal_quantile(p[died == 0], COVERAGE),
    )


def best_threshold(p: NDArray[np.float64], died: NDArray[np.int64]) -> float:
    """The threshold with the largest min(sensitivity, precision), the score of the challenge's event 1."""
    precision, recall, thresholds = precision_recall_curve(died, p)
    return float(thresholds[np.argmax(np.minimum(precision, recall)[:-1])])


@dataclass(frozen=True)
class HeldOut:
    """What the networks say of the stays that they never saw, [N] each."""

    precision: str
    """Of the networks."""
    logits: NDArray[np.float64]
    p: NDArray[np.float64]
    """Calibrated on the other folds."""
    flagged: NDArray[np.bool_]
    """p above the threshold that is best on the other folds."""
    died_possible: NDArray[np.bool_]
    survived_possible: NDArray[np.bool_]


def held_out(data: IcuData, work: Path, seed: int, precision: str = "fp32") -> HeldOut:
    """Every stay judged by the one group of networks that did not train on it, calibrated without it."""
    inputs = tensors(data.hourly, data.static)
    logits = np.empty(len(data.died))
    parts = [held for _, held in folds(data, seed)]
    for group, held in zip(load_networks(work, seed), parts, strict=True):
        asked = {name: tensor[held] for name, tensor in inputs.items()}
        logits[held] = np.mean([judge(network, asked, precision) for network in group], axis=0)
    p, flagged, died_possible, survived_possible = (np.empty(len(logits)) for _ in range(4))
    for held in parts:
        others = np.setdiff1d(np.arange(len(logits)), held)
        fit = calibrate(logits[others], data.died[others])
        p[held] = fit.probability(logits[held])
        flagged[held] = p[held] >= best_threshold(fit.probability(logits[others]), data.died[others])
        died_possible[held] = 1 - p[held] <= fit.died_quantile
        survived_possible[held] = p[held] <= fit.survived_quantile
    judged = (flagged.astype(bool), died_possible.astype(bool), survived_possible.astype(bool))
    return HeldOut(precision, logits, p, *judged)


def judge(network: IcuNetwork, inputs: Inputs, precision: str) -> NDArray[np.float64]:
    """Logits of death, [N], of one network: by torch in fp32, by its exported graph in int8."""
    if precision == "fp32":
        return predict(network, [torch.from_numpy(tensor) for tensor in inputs.values()])
    (logits,) = Graph(network, inputs, ["logit"], precision).run(inputs)
    return logits.astype(np.float64)


def measure(data: IcuData, out: HeldOut) -> list[Metric]:
    """The figures of the card, each with its 95 % bootstrap interval over stays."""
    died = data.died
    everyone = np.arange(len(died))
    on = (
        "PhysioNet Challenge 2012 set A, 5-fold cross-validation, "
        f"each stay judged by networks that never saw it, {out.precision}"
    )

    def precision(rows: NDArray[np.int64]) -> float:
        return float(died[rows][out.flagged[rows]].mean())

    def recall(rows: NDArray[np.int64]) -> float:
        return float(out.flagged[rows][died[rows] == 1].mean())

    def f1(rows: NDArray[np.int64]) -> float:
        return 2 * precision(rows) * recall(rows) / (precision(rows) + recall(rows))

    def auroc(rows: NDArray[np.int64]) -> float:
        return float(roc_auc_score(died[rows], out.p[rows]))

    def covered(rows: NDArray[np.int64]) -> float:
        return float(np.where(died[rows] == 1, out.died_possible[rows], out.survived_possible[rows]).mean())

    def decided(rows: NDArray[np.int64]) -> float:
        return float((out.died_possible[rows] ^ out.survived_possible[rows]).mean())

    figures = [
        metric("auroc", auroc, everyone, measured_on=on, published="GRU-D 0.842 (Che et al. 2018)"),
        metric(
            "min_sensitivity_precision",
            lambda rows: min(precision(rows), recall(rows)),
            everyone,
            measured_on=on,
            published="challenge winner 0.535, SAPS-I 0.313 (Silva et al. 2012)",
        ),
        metric(
            "auprc", lambda r: float(average_precision_score(died[r], out.p[r])), everyone, measured_on=on
        ),
        metric("accuracy", lambda r: float((out.flagged[r] == died[r]).mean()), everyone, measured_on=on),
        metric("recall", recall, everyone, measured_on=on),
        metric("precision", precision, everyone, measured_on=on),
        metric("f1", f1, everyone, measured_on=on),
        metric(
            "expected_calibration_error",
            lambda r: calibration_error(out.p[r], died[r] == 1),
            everyone,
            measured_on=on,
        ),
        metric("conformal_coverage_90", covered, everyone, measured_on=on),
        metric("conformal_decided", decided, everyone, measured_on=on),
    ]
    scored = np.flatnonzero(~np.isnan(data.saps))
    figures.append(
        metric(
            "auroc_of_saps_i",
            lambda r: float(roc_auc_score(died[scored[r]], data.saps[scored[r]])),
            np.arange(len(scored)),
            measured_on="the same stays where SAPS-I is known, for comparison",
        )
    )
    age, male = data.static[:, 0], data.static[:, 1]
    groups = {
        "sex=female": male == 0,
        "sex=male": male == 1,
        "age=15-49": age < 50,
        "age=50-64": (age >= 50) & (age < 65),
        "age=65-79": (age >= 65) & (age < 80),
        "age=80+": age >= 80,
    }
    for name, inside in groups.items():
        members = np.flatnonzero(inside)
        ids = np.arange(len(members))
        for title, figure in (("auroc", auroc), ("recall", recall), ("precision", precision)):
            of_members = partial(_on_members, figure, members)
            figures.append(metric(title, of_members, ids, measured_on=on, subgroup=name))
    return figures


def _on_members(
    figure: Callable[[NDArray[np.int64]], float], members: NDArray[np.int64], rows: NDArray[np.int64]
) -> float:
    return figure(members[rows])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="folder of checkpoints (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default %(default)s")
    arguments = parser.parse_args()
    data = load(cache=arguments.run / "hourly.npz")
    out = held_out(data, arguments.run, arguments.seed, arguments.precision)
    for entry in measure(data, out):
        interval = f"[{entry.ci_low:.3f}, {entry.ci_high:.3f}]"
        print(f"{entry.name:28} {entry.subgroup:12} {entry.value:.4f} {interval} n={entry.case_count}")


if __name__ == "__main__":
    main()
