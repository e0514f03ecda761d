"""Measures a `chest_xray` ONNX file on `val`: `python -m training.chest_xray.evaluate [--weights FILE]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format
from PIL import Image
from sklearn.metrics import f1_score, recall_score

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.imaging.analysis import CONFORMAL_COVERAGE, CONFORMAL_MINIMUM
from services.imaging.models import CHEST_XRAY
from training.chest_xray.data import LABELS, Radiographs, load
from training.figures import calibration_error, metric
from training.imaging.figures import Floats, Ints, auroc, show, top_calibration_error
from training.imaging.onnx_models import run
from training.model_card import MODEL_REPOSITORY
from training.onnx_runtime import session

PUBLISHED_NORMAL = "0.968, Kermany et al., Cell 2018, ImageNet-pretrained Inception v3, other test split"
PUBLISHED_GERM = "0.940, Kermany et al., Cell 2018, ImageNet-pretrained Inception v3, other test split"


def scores(probabilities: Floats, labels: Ints) -> tuple[float, float]:
    """AUROC of pneumonia against normal, and of bacterial against viral among the pneumonias."""
    sick = labels > 0
    germ = np.log(probabilities[sick, 1] + 1e-9) - np.log(probabilities[sick, 2] + 1e-9)
    return auroc(sick, 1 - probabilities[:, 0]), auroc(labels[sick] == 1, germ)


def measure(
    probabilities: Floats, cases: Radiographs, minimum: float, coverage: float, measured_on: str
) -> list[Metric]:
    """The card's figures from probabilities `[n, 3]`; intervals draw patients."""
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

    members = probabilities >= minimum
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
        entry(f"conformal_coverage_at_{coverage:g}", lambda rows: float(truth[rows].mean())),
        entry("conformal_set_size", lambda rows: float(members[rows].sum(axis=1).mean())),
        entry("answered_share", lambda rows: float(single[rows].mean())),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=MODEL_REPOSITORY / "chest_xray" / "1" / "model.onnx")
    arguments = parser.parse_args()
    parameters = read_card().serving_parameters
    cases = load("val")
    probabilities = run(session(arguments.weights), cases.images(CHEST_XRAY.side_px), "probabilities")
    on = f"val, {len(cases.files)} images of unseen patients"
    minimum, coverage = parameters[CONFORMAL_MINIMUM], parameters[CONFORMAL_COVERAGE]
    show(measure(probabilities, cases, minimum, coverage, on))


if __name__ == "__main__":
    main()
