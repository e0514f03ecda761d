"""Measures an `image_gate` ONNX file: `python -m training.image_gate.evaluate [--weights FILE]`.

False alarms are counted on chest radiographs of `val` and on head slices that training left out, rejections
on kinds of
foreign image that training never saw, and the flags on those chest radiographs and head slices, spoiled.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from google.protobuf import json_format
from scipy.stats import binomtest

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.imaging.gate import ACCEPT_MINIMUM, GATE_LABELS, Kind, judge
from services.imaging.models import GATE_SIDE_PX
from services.imaging.preprocessing import Grey, stretch_to_square
from training.chest_xray import data as chest_data
from training.figures import metric
from training.head_ct import data as head_data
from training.image_gate.data import HEAD_HELD_EVERY, spoil
from training.image_gate.foreign import measuring_kinds
from training.imaging.figures import show
from training.imaging.onnx_models import image_session, run
from training.model_card import MODEL_REPOSITORY

FOREIGN_PER_KIND = 100


@dataclass(frozen=True)
class Judged:
    """The gate's verdicts on some images: which kinds each is accepted as, and its flags."""

    accepted: npt.NDArray[np.bool_]
    """`[n, 2]`: as a chest radiograph, as a head CT."""
    flags: npt.NDArray[np.bool_]
    """`[n, 3]`: upside down, inverted, photograph."""


def judged(model: ort.InferenceSession, greys: Sequence[Grey], minimum: float) -> Judged:
    """Runs the gate as the service does."""
    images = np.stack([stretch_to_square(np.ascontiguousarray(grey), GATE_SIDE_PX)[0] for grey in greys])
    rows = run(model, images, "probabilities")
    verdicts = [
        judge(dict(zip(GATE_LABELS, row, strict=True)), {ACCEPT_MINIMUM: minimum}, 0.0) for row in rows
    ]
    return Judged(
        np.array([[kind in v.acceptable for kind in (Kind.CHEST_XRAY, Kind.HEAD_CT)] for v in verdicts]),
        np.array([[v.upside_down, v.inverted, v.photograph] for v in verdicts]),
    )


def measure(model: ort.InferenceSession, minimum: float) -> list[Metric]:
    """The card's figures."""
    val = chest_data.load("val")
    chest = [chest_data.read_grey(file) for file in val.files]
    head = head_data.load().greys()[::HEAD_HELD_EVERY]
    rng = np.random.default_rng(1)

    def share(
        name: str, hits: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], on: str, subgroup: str = ""
    ) -> Metric:
        figure = metric(
            name, lambda rows: float(hits[rows].mean()), groups, measured_on=on, subgroup=subgroup
        )
        if hits.all() or not hits.any():
            # A bootstrap of equal values has no width; the interval of Clopper and Pearson has.
            exact = binomtest(int(hits.sum()), len(hits)).proportion_ci()
            figure.ci_low, figure.ci_high = round(exact.low, 4), round(exact.high, 4)
        return figure

    on_chest = f"chest radiographs of val, {len(chest)} images of unseen patients"
    on_head = f"head slices left out of training, {len(head)} patients"
    heads = np.arange(len(head))
    plain_chest, plain_head = judged(model, chest, minimum), judged(model, head, minimum)
    figures = [
        share("false_alarm_chest", ~plain_chest.accepted[:, 0], val.patients, on_chest),
        share("false_alarm_head", ~plain_head.accepted[:, 1], heads, on_head),
        share("chest_taken_for_inverted", plain_chest.flags[:, 1], val.patients, on_chest),
    ]
    kinds = measuring_kinds()
    rejected = []
    for draw in kinds.values():
        verdict = judged(model, [draw(rng) for _ in range(FOREIGN_PER_KIND)], minimum)
        rejected.append(np.asarray(verdict.accepted.sum(axis=1) == 0, dtype=bool))
    on_foreign = f"{FOREIGN_PER_KIND} images each of {len(kinds)} kinds of source that training never saw"
    figures.append(
        share(
            "foreign_rejected", np.concatenate(rejected), np.arange(len(kinds) * FOREIGN_PER_KIND), on_foreign
        )
    )
    figures += [
        share("foreign_rejected", hits, np.arange(len(hits)), on_foreign, f"kind={name}")
        for name, hits in zip(kinds, rejected, strict=True)
    ]
    names = ("upside_down", "inverted", "photograph")
    for part, greys, groups, on in (("chest", chest, val.patients, on_chest), ("head", head, heads, on_head)):
        for column, name in enumerate(names):
            only = {flag: flag == name for flag in names}
            verdict = judged(model, [spoil(grey, rng, **only) for grey in greys], minimum)
            figures.append(share(f"{name}_found", verdict.flags[:, column], groups, on, f"part={part}"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=MODEL_REPOSITORY / "image_gate" / "1" / "model.onnx")
    arguments = parser.parse_args()
    card = json_format.Parse((MODEL_REPOSITORY / "image_gate" / "metadata.json").read_text(), ModelCard())
    show(measure(image_session(arguments.weights), card.serving_parameters[ACCEPT_MINIMUM]))


if __name__ == "__main__":
    main()
