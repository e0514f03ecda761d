"""Measures a `chest_xray` ONNX file on `val`: `python -m training.chest_xray.evaluate [--weights FILE]`.

With `--write` it fits the prediction sets of the served model anew and renews its card; the weights stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format
from PIL import Image
from sklearn.metrics import f1_score, recall_score

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from training.chest_xray.data import LABELS, SIDE_PX, Radiographs, load, split_calibration
from training.figures import calibration_error, metric
from training.imaging.conformal import (
    COVERAGE,
    class_minimums,
    conformal_of,
    cross_fitted_members,
    minimums_sentence,
)
from training.imaging.figures import Floats, Ints, auroc, show, top_calibration_error
from training.imaging.onnx_models import image_session, run
from training.model_card import MODEL_REPOSITORY, write_card

BEFORE_SETS = " Prediction sets: "
"""Where the card's text on calibration turns from the graph's to that of the sets."""
PUBLISHED_NORMAL = "0.968, Kermany et al., Cell 2018, ImageNet-pretrained Inception v3, other test split"
PUBLISHED_GERM = "0.940, Kermany et al., Cell 2018, ImageNet-pretrained Inception v3, other test split"


@dataclass(frozen=True)
class Sets:
    """Prediction sets at 90 % coverage: what is served, and what of it can be measured."""

    minimums: Floats
    """Least probability of each label, `[3]`, from the calibration images and `val` together."""
    members: npt.NDArray[np.bool_]
    """Which labels are in the set of each image of `val`, `[n, 3]`, by thresholds of other patients."""
    calibration_counts: Ints
    """Images behind each threshold, `[3]`."""

    @classmethod
    def fit(cls, on_held: Floats, held: Radiographs, on_val: Floats, val: Radiographs) -> Sets:
        """From probabilities `[n, 3]` of the calibration images and of `val`."""
        probabilities = np.concatenate([on_held, on_val])
        labels = np.concatenate([held.labels, val.labels])
        patients = np.concatenate([held.patients, val.patients + held.patients.max() + 1])
        members = cross_fitted_members(probabilities, labels, patients)
        counts = np.bincount(labels, minlength=len(LABELS))
        return cls(class_minimums(probabilities, labels), members[len(on_held) :], counts)

    def sentence(self) -> str:
        """For the card."""
        counts = ", ".join(f"{n} {name}" for n, name in zip(self.calibration_counts, LABELS, strict=True))
        return (
            f"{BEFORE_SETS}{minimums_sentence(LABELS, self.minimums)}, class-conditional conformal "
            f"prediction on {counts} images of the calibration patients and of val. The figures of the "
            "sets are of val, by thresholds from other patients."
        )


def scores(probabilities: Floats, labels: Ints) -> tuple[float, float]:
    """AUROC of pneumonia against normal, and of bacterial against viral among the pneumonias."""
    sick = labels > 0
    germ = np.log(probabilities[sick, 1] + 1e-9) - np.log(probabilities[sick, 2] + 1e-9)
    return auroc(sick, 1 - probabilities[:, 0]), auroc(labels[sick] == 1, germ)


def measure(
    probabilities: Floats, cases: Radiographs, members: npt.NDArray[np.bool_], measured_on: str
) -> list[Metric]:
    """The card's figures from probabilities and members of the prediction sets, `[n, 3]` both; intervals draw
    patients.
    """
    labels = cases.labels

    def entry(name: str, figure: Callable[[Ints], float], published: str = "") -> Metric:
        return metric(name, figure, cases.patients, measured_on=measured_on, published=published)

    def score(index: int) -> Callable[[Ints], float]:
        return lambda rows: scores(probabilities[rows], labels[rows])[index]

    def by_shape(square: bool) -> list[Metric]:
        """Both AUROC for the files published as squares, and for the others."""
        chosen = np.array([(size[0] == size[1]) == square for size in map(_size, cases.files)])
        part, own = cases.take(chosen), probabilities[chosen]

        def score_of(index: int) -> Callable[[Ints], float]:
            return lambda rows: scores(own[rows], part.labels[rows])[index]

        return [
            metric(
                name,
                score_of(index),
                part.patients,
                measured_on=measured_on,
                subgroup=f"file={'square' if square else 'oblong'}",
            )
            for index, name in enumerate(("auroc_normal_vs_pneumonia", "auroc_bacterial_vs_viral"))
        ]

    def by_class(name: str, score: Callable[..., float]) -> list[Metric]:
        """`recall` or `f1` of each label."""

        def score_of(label: int) -> Callable[[Ints], float]:
            return lambda rows: float(score(labels[rows] == label, named[rows] == label, zero_division=0.0))

        return [
            metric(
                name,
                score_of(label),
                cases.patients,
                measured_on=measured_on,
                subgroup=f"class={LABELS[label]}",
            )
            for label in range(len(LABELS))
        ]

    def of_sets(name: str, values: npt.NDArray[np.float64]) -> list[Metric]:
        """The mean of `values` `[n]` over all images and over those of each label."""
        found = [entry(name, lambda rows: float(values[rows].mean()))]
        for label, title in enumerate(LABELS):
            own = labels == label
            part = values[own]
            found.append(
                metric(
                    name,
                    lambda rows, part=part: float(part[rows].mean()),  # type: ignore[misc]
                    cases.patients[own],
                    measured_on=measured_on,
                    subgroup=f"class={title}",
                )
            )
        return found

    truth: npt.NDArray[np.bool_] = members[np.arange(len(labels)), labels]
    named = probabilities.argmax(axis=1)
    right = named == labels
    single = members.sum(axis=1) == 1
    return [
        entry("auroc_normal_vs_pneumonia", score(0), PUBLISHED_NORMAL),
        entry("auroc_bacterial_vs_viral", score(1), PUBLISHED_GERM),
        entry("accuracy_three_classes", lambda rows: float(right[rows].mean())),
        entry(
            "sensitivity_pneumonia",
            lambda rows: float((named[rows] > 0)[labels[rows] > 0].mean()),
        ),
        entry(
            "specificity_pneumonia",
            lambda rows: float((named[rows] == 0)[labels[rows] == 0].mean()),
        ),
        entry("f1_macro", lambda rows: float(f1_score(labels[rows], named[rows], average="macro"))),
        *by_class("recall", recall_score),
        *by_class("f1", f1_score),
        entry(
            "expected_calibration_error",
            lambda rows: top_calibration_error(probabilities[rows], labels[rows]),
        ),
        perfectly_calibrated(probabilities, measured_on),
        entry(
            "calibration_error_pneumonia",
            lambda rows: calibration_error(1 - probabilities[rows, 0], labels[rows] > 0),
        ),
        *of_sets(f"conformal_coverage_at_{COVERAGE:g}", truth.astype(float)),
        *of_sets("conformal_set_size", members.sum(axis=1).astype(float)),
        *of_sets("answered_share", single.astype(float)),
        entry("accuracy_where_answered", lambda rows: float(truth[rows][single[rows]].mean())),
        *by_shape(square=True),
        *by_shape(square=False),
    ]


def perfectly_calibrated(probabilities: Floats, measured_on: str) -> Metric:
    """The expected calibration error that chance alone leaves on as many cases: the labels are drawn from the
    probabilities themselves. Its interval is over draws.
    """
    bounds = probabilities.cumsum(axis=1)[:, :-1]
    draws = np.random.default_rng(0).random((1000, len(probabilities), 1))
    errors = [top_calibration_error(probabilities, (bounds < draw).sum(axis=1)) for draw in draws]
    low, high = np.percentile(errors, (2.5, 97.5))
    return Metric(
        name="expected_calibration_error_by_chance",
        value=round(float(np.mean(errors)), 4),
        ci_low=round(float(low), 4),
        ci_high=round(float(high), 4),
        case_count=len(probabilities),
        measured_on=f"{measured_on}, labels drawn from the probabilities",
    )


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def read_card() -> ModelCard:
    text = (MODEL_REPOSITORY / "chest_xray" / "metadata.json").read_text(encoding="utf-8")
    return json_format.Parse(text, ModelCard())


def renewed(card: ModelCard, metrics: list[Metric], sets: Sets) -> ModelCard:
    """The card of the same weights with its sets fitted and its figures measured anew; those of the other
    precision stay.
    """
    served = card.precision.partition(";")[0]
    result = ModelCard()
    result.CopyFrom(card)
    del result.metrics[:]
    result.metrics.extend([*metrics, *(m for m in card.metrics if not _is_of(m, served))])
    result.calibration = card.calibration.partition(BEFORE_SETS)[0] + sets.sentence()
    result.serving.image_classification.conformal.CopyFrom(conformal_of(LABELS, sets.minimums))
    return result


def measured_on(val: Radiographs, precision: str) -> str:
    """What the figures of the card are of."""
    patients = len(set(val.patients.tolist()))
    return f"Kermany 2018, val, {len(val.files)} images of {patients} unseen patients, {precision}"


def _is_of(figure: Metric, precision: str) -> bool:
    return f", {precision}" in figure.measured_on


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=MODEL_REPOSITORY / "chest_xray" / "1" / "model.onnx")
    parser.add_argument("--write", action="store_true", help="renew the sets and figures of the served card")
    arguments = parser.parse_args()
    card = read_card()
    held, val = split_calibration(load("train"))[1], load("val")
    model = image_session(arguments.weights)
    on_held, on_val = (run(model, part.images(SIDE_PX), "probabilities") for part in (held, val))
    sets = Sets.fit(on_held, held, on_val, val)
    print(sets.sentence().strip())
    metrics = measure(on_val, val, sets.members, measured_on(val, card.precision.partition(";")[0]))
    show(metrics)
    if arguments.write:
        print(write_card(renewed(card, metrics, sets)))


if __name__ == "__main__":
    main()
