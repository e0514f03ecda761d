"""Measures the ICU prognosis on stays that its networks never saw, and fits its calibration.

`python -m training.icu_outcome.evaluate` prints the table that the model card holds. With `--exported` it
takes the networks from the served graph instead of the checkpoints; with `--write` it renews that graph's
card, and the weights stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from google.protobuf import json_format
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from medmesh.common.v1.serving_pb2 import ModelServing
from training.figures import calibration_error, metric
from training.icu_outcome import exported
from training.icu_outcome.calibration import (
    AGE_BANDS,
    GROUPS,
    UNITS,
    Floats,
    Ints,
    Scaling,
    Sets,
    agreement,
    best_threshold,
    fit_scaling,
    mean_scaling,
    membership,
    serving,
)
from training.icu_outcome.dataset import IcuData, load
from training.icu_outcome.network import IcuNetwork
from training.icu_outcome.preparation import NAME, PREPARATION
from training.icu_outcome.train import FOLD_COUNT, MEMBER_COUNT, RUN, Recipe, folds, load_networks, predict
from training.model_card import MODEL_REPOSITORY, write_card
from training.onnx_runtime import PRECISIONS
from training.precisions import Graph, Inputs

SERVED = MODEL_REPOSITORY / NAME


@dataclass(frozen=True)
class HeldOut:
    """What the networks say of the stays that they never saw, `[n]` each."""

    precision: str
    """Of the networks."""
    log_odds: Floats
    fold: Ints
    """Which stay was held out from which group of networks."""
    agreement: float
    """Of the groups' log-odds with each other, within a class."""
    p: Floats
    """Calibrated on the other folds."""
    flagged: NDArray[np.bool_]
    """p above the threshold that is best on the other folds."""
    died_possible: NDArray[np.bool_]
    survived_possible: NDArray[np.bool_]
    """Whether the outcome is in the prediction set, by quantiles of the other folds."""


def held_out(data: IcuData, by_group: Floats, seed: int, precision: str) -> HeldOut:
    """Every stay judged by the one group of networks that did not train on it, calibrated without it.

    `by_group` are the log-odds of each group on all stays, `[folds, n]`.
    """
    fold = np.empty(len(data.died), np.int64)
    for number, (_, held) in enumerate(folds(data, seed)):
        fold[held] = number
    log_odds = by_group[fold, np.arange(len(fold))]
    members = membership(data.static)
    p, flagged, died_possible, survived_possible = (np.empty(len(fold)) for _ in range(4))
    for number in range(FOLD_COUNT):
        held, others = fold == number, fold != number
        scaling = mean_scaling(log_odds[others], data.died[others], fold[others])
        own, known = scaling.probability(log_odds[held]), scaling.probability(log_odds[others])
        possible = Sets.fit(known, data.died[others], members[others]).possible(own, members[held])
        p[held] = own
        flagged[held] = own >= best_threshold(known, data.died[others])
        died_possible[held], survived_possible[held] = possible["died"], possible["survived"]
    judged = (flagged.astype(bool), died_possible.astype(bool), survived_possible.astype(bool))
    return HeldOut(precision, log_odds, fold, agreement(by_group, data.died, fold), p, *judged)


def trained_groups(data: IcuData, work: Path, seed: int, precision: str = "fp32") -> Floats:
    """The mean logit of each fold's networks on all stays, `[folds, n]`, from the checkpoints."""
    inputs = PREPARATION.tensors(data.hourly, data.static)
    return np.stack(
        [
            np.mean([judge(network, inputs, precision) for network in group], axis=0)
            for group in load_networks(work, seed)
        ]
    )


def judge(network: IcuNetwork, inputs: Inputs, precision: str) -> NDArray[np.float64]:
    """Logits of death, [N], of one network: by torch in fp32, by its exported graph in int8."""
    if precision == "fp32":
        return predict(network, [torch.from_numpy(tensor) for tensor in inputs.values()])
    (logits,) = Graph(network, inputs, ["logit"], precision).run(inputs)
    return logits.astype(np.float64)


@dataclass(frozen=True)
class Calibration:
    """What is served, fitted on all stays by networks that never saw them."""

    of_a_group: Scaling
    served: Scaling
    agreement: float
    sets: Sets
    threshold: float

    @classmethod
    def fit(cls, data: IcuData, out: HeldOut) -> Calibration:
        scaling = mean_scaling(out.log_odds, data.died, out.fold)
        p = scaling.probability(out.log_odds)
        return cls(
            of_a_group=scaling,
            served=scaling.spread(out.agreement, FOLD_COUNT, float(data.died.mean())),
            agreement=out.agreement,
            sets=Sets.fit(p, data.died, membership(data.static)),
            threshold=best_threshold(p, data.died),
        )

    def serving(self) -> ModelServing:
        """For the card."""
        return serving(self.served, self.sets, self.threshold)

    def sentence(self) -> str:
        """For the card."""
        factor = self.served.slope / self.of_a_group.slope
        return (
            "Platt scaling in the service, on the log-odds of the graph: the mean of the scalings of the "
            f"{FOLD_COUNT} groups, each fitted on the stays that its networks never saw (slope "
            f"{self.of_a_group.slope:.3f}), spread by {factor:.3f}, since the mean of {FOLD_COUNT} groups "
            f"whose log-odds correlate by {self.agreement:.3f} within a class is otherwise too timid. The "
            f"figures are cross-fitted and of one group of {MEMBER_COUNT} networks, without that spread; the "
            "served mean of all groups cannot be measured on these stays. Prediction sets: class-conditional "
            "conformal quantiles for each kind of unit and each age band, of which the more cautious counts; "
            "conformal_coverage_90 is the share of the stays whose set holds what happened, "
            "conformal_decided that of the sets with one answer. Recall, precision, F1, accuracy and "
            "min_sensitivity_precision are at the threshold that is best for the last on the other folds; on "
            f"all stays it is {self.threshold:.3f} (decision_threshold). No answer depends on it."
        )


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

    def slope(rows: NDArray[np.int64]) -> float:
        return fit_scaling(np.log(out.p[rows] / (1 - out.p[rows])), died[rows]).slope

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
        metric("calibration_slope", slope, everyone, measured_on=on),
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
    male = data.static[:, 1]
    members = membership(data.static)
    units = {name.replace(":", "="): members[:, GROUPS.index(name)] for name in UNITS}
    ages = {_TITLES[name]: members[:, GROUPS.index(name)] for name in AGE_BANDS}
    of_sets = (("conformal_coverage_90", covered), ("conformal_decided", decided))
    of_risk = (("auroc", auroc), ("recall", recall), ("precision", precision))
    for name, inside in {"sex=female": male == 0, "sex=male": male == 1, **ages, **units}.items():
        rows = np.flatnonzero(inside)
        for title, figure in (*of_risk, *(() if name.startswith("sex") else of_sets)):
            of_members = partial(_on_members, figure, rows)
            figures.append(metric(title, of_members, np.arange(len(rows)), measured_on=on, subgroup=name))
    return figures


_TITLES = {
    "age:0-49": "age=15-49",
    "age:50-64": "age=50-64",
    "age:65-79": "age=65-79",
    "age:80-": "age=80+",
}


def _on_members(
    figure: Callable[[NDArray[np.int64]], float], members: NDArray[np.int64], rows: NDArray[np.int64]
) -> float:
    return figure(members[rows])


def renewed(card: ModelCard, metrics: list[Metric], calibration: Calibration) -> ModelCard:
    """The card of the same weights, calibrated and measured anew; of the other precision stays what does not
    depend on the calibration.
    """
    served = card.precision.partition(";")[0]
    result = ModelCard()
    result.CopyFrom(card)
    del result.metrics[:]
    others = [
        m
        for m in card.metrics
        if m.measured_on.endswith(tuple(set(PRECISIONS) - {served}))
        and m.name != "expected_calibration_error"
    ]
    result.metrics.extend([*metrics, *others])
    result.calibration = calibration.sentence()
    result.serving.CopyFrom(calibration.serving())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="folder of checkpoints (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default %(default)s")
    parser.add_argument("--exported", action="store_true", help="take the networks from the served graph")
    parser.add_argument("--write", action="store_true", help="renew the card of the served graph")
    arguments = parser.parse_args()
    data = load(cache=arguments.run / "hourly.npz")
    card = json_format.Parse((SERVED / "metadata.json").read_text(encoding="utf-8"), ModelCard())
    if arguments.exported or arguments.write:
        precision = card.precision.partition(";")[0]
        by_group = exported.by_group(
            SERVED / "1" / "model.onnx", PREPARATION.tensors(data.hourly, data.static)
        )
    else:
        precision = arguments.precision
        by_group = trained_groups(data, arguments.run, arguments.seed, precision)
    out = held_out(data, by_group, arguments.seed, precision)
    calibration = Calibration.fit(data, out)
    print(calibration.sentence())
    metrics = measure(data, out)
    for entry in metrics:
        interval = f"[{entry.ci_low:.3f}, {entry.ci_high:.3f}]"
        print(f"{entry.name:28} {entry.subgroup:20} {entry.value:.4f} {interval} n={entry.case_count}")
    if arguments.write:
        print(write_card(renewed(card, metrics, calibration)))


if __name__ == "__main__":
    main()
