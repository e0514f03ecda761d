"""Measures an `image_gate` ONNX file: `python -m training.image_gate.evaluate [--weights FILE] [--reasons]`.

False alarms are counted on chest radiographs of `val` and on head slices that training left out, as they are
and mildly changed; rejections on kinds of foreign image, of flaw and of drawing that training never saw. The
flags are measured on those chest radiographs and head slices, spoiled.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from google.protobuf import json_format
from scipy.stats import binomtest
from tqdm import tqdm

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.imaging.grey import Grey
from services.imaging.preprocessing.resizing import resized
from services.imaging.tasks.gate import GateRules, Rejection
from training.chest_xray import data as chest_data
from training.figures import metric
from training.head_ct import data as head_data
from training.image_gate.columns import GATE_SIDE_PX, Kind
from training.image_gate.data import HEAD_HELD_EVERY, turned
from training.image_gate.foreign import measuring_kinds
from training.image_gate.held_out_flaws import HELD_OUT, HELD_OUT_DRAWINGS, HELD_OUT_MILD
from training.image_gate.surroundings import photographed
from training.imaging.figures import show
from training.imaging.onnx_models import image_session, run
from training.model_card import MODEL_REPOSITORY

FOREIGN_PER_KIND = 100
SPOILED_PER_KIND = 180
"""At most so many images are spoiled in each way."""
Hits = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """What the gate says of reading an image as one kind."""

    inverted: bool
    rejections: tuple[Rejection, ...]
    """Empty: it is accepted."""


class Judge:
    """The gate as the service runs it: greys in, what it says of reading them as one kind out."""

    def __init__(self, model: ort.InferenceSession, rules: GateRules) -> None:
        self._model = model
        self._rules = rules

    def __call__(self, greys: Iterable[Grey], kind: Kind) -> list[Judged]:
        squares = [resized(np.ascontiguousarray(grey), GATE_SIDE_PX, GATE_SIDE_PX) for grey in greys]
        rows = run(self._model, np.stack(squares), "probabilities")
        verdicts = [self._rules.verdict(row, colourfulness=0.0) for row in rows]
        return [Judged(verdict.inverted, verdict.rejections({kind})) for verdict in verdicts]


def rejected(verdicts: Sequence[Judged]) -> Hits:
    return np.array([bool(verdict.rejections) for verdict in verdicts])


def share(name: str, hits: Hits, groups: Groups, on: str, subgroup: str = "") -> Metric:
    figure = metric(name, lambda rows: float(hits[rows].mean()), groups, measured_on=on, subgroup=subgroup)
    if hits.all() or not hits.any():
        # A bootstrap of equal values has no width; the interval of Clopper and Pearson has.
        exact = binomtest(int(hits.sum()), len(hits)).proportion_ci()
        figure.ci_low, figure.ci_high = round(exact.low, 4), round(exact.high, 4)
    return figure


@dataclass(frozen=True)
class Held:
    """Images of one kind that training never saw."""

    part: str
    kind: Kind
    greys: list[Grey]
    groups: Groups
    """The patient of each."""
    on: str
    """What they are, for the card."""

    def fewer(self, limit: int) -> Held:
        """Evenly spaced ones of them, at most `limit`."""
        step = -(-len(self.greys) // limit)
        if step == 1:
            return self
        greys = self.greys[::step]
        return replace(self, greys=greys, groups=self.groups[::step], on=f"{len(greys)} of the {self.on}")


def held_out() -> tuple[Held, Held]:
    val = chest_data.load("val")
    chest = [chest_data.read_grey(file) for file in val.files]
    head = head_data.load().greys()[::HEAD_HELD_EVERY]
    return (
        Held(
            "chest", Kind.CHEST_XRAY, chest, val.patients,
            f"chest radiographs of val, {len(chest)} images of unseen patients",
        ),
        Held(
            "head", Kind.HEAD_CT, head, np.arange(len(head)),
            f"head slices left out of training, {len(head)} patients",
        ),
    )  # fmt: skip


def headlines(model: ort.InferenceSession, rules: GateRules) -> list[Metric]:
    """False alarms on images as they are, and foreign images rejected."""
    verdicts_on = Judge(model, rules)
    figures = []
    for held in held_out():
        plain = verdicts_on(held.greys, held.kind)
        figures.append(share(f"false_alarm_{held.part}", rejected(plain), held.groups, held.on))
        if held.kind is Kind.CHEST_XRAY:
            inverted = np.array([v.inverted for v in plain])
            figures.append(share("chest_taken_for_inverted", inverted, held.groups, held.on))
    return figures + _foreign(verdicts_on, np.random.default_rng(1))


def measure(model: ort.InferenceSession, rules: GateRules) -> list[Metric]:
    """The card's figures."""
    verdicts_on = Judge(model, rules)
    rng = np.random.default_rng(1)
    figures = headlines(model, rules)
    for held in held_out():
        figures += _flags(verdicts_on, held, rng)
        fewer = held.fewer(SPOILED_PER_KIND)
        figures += _mild(verdicts_on, fewer, rng)
        figures += _flaws(verdicts_on, fewer, rng)
    for draw in HELD_OUT_DRAWINGS:
        drawings = [draw(rng) for _ in range(FOREIGN_PER_KIND)]
        kind = Kind.CHEST_XRAY if "chest" in draw.__name__ else Kind.HEAD_CT
        hits = rejected(verdicts_on(drawings, kind))
        on = f"{FOREIGN_PER_KIND} drawings of a kind that training never saw"
        figures.append(share("drawing_rejected", hits, np.arange(len(hits)), on, f"kind={draw.__name__}"))
    return figures


def _mild(verdicts_on: Judge, held: Held, rng: np.random.Generator) -> list[Metric]:
    refused = [
        rejected(verdicts_on([change(grey, rng) for grey in held.greys], held.kind))
        for change in HELD_OUT_MILD
    ]
    names = ", ".join(change.__name__ for change in HELD_OUT_MILD)
    on = f"{held.on}, each changed mildly in {len(HELD_OUT_MILD)} ways that training never saw: {names}"
    groups = np.tile(held.groups, len(refused))
    return [share("mildly_changed_refused", np.concatenate(refused), groups, on, f"part={held.part}")]


def _foreign(verdicts_on: Judge, rng: np.random.Generator) -> list[Metric]:
    kinds = measuring_kinds()
    hits = {}
    for name, draw in kinds.items():
        images = [draw(rng) for _ in range(FOREIGN_PER_KIND)]
        hits[name] = rejected(verdicts_on(images, Kind.CHEST_XRAY)) & rejected(
            verdicts_on(images, Kind.HEAD_CT)
        )
    on = f"{FOREIGN_PER_KIND} images each of {len(kinds)} kinds of source that training never saw"
    every = np.concatenate(list(hits.values()))
    figures = [share("foreign_rejected", every, np.arange(len(every)), on)]
    return figures + [
        share("foreign_rejected", of_kind, np.arange(len(of_kind)), on, f"kind={name}")
        for name, of_kind in hits.items()
    ]


def _flags(verdicts_on: Judge, held: Held, rng: np.random.Generator) -> list[Metric]:
    part = f"part={held.part}"
    on_side = verdicts_on([turned(grey, rng) for grey in held.greys], held.kind)
    negative = verdicts_on([255 - grey for grey in held.greys], held.kind)
    photos = verdicts_on([photographed(grey, rng) for grey in held.greys], held.kind)
    found = {
        "upside_down_found": np.array([Rejection.UPSIDE_DOWN in v.rejections for v in on_side]),
        "inverted_found": np.array([v.inverted for v in negative]),
        "photograph_found": rejected(photos),
    }
    return [share(name, hits, held.groups, held.on, part) for name, hits in found.items()]


def _flaws(verdicts_on: Judge, held: Held, rng: np.random.Generator) -> list[Metric]:
    figures = []
    hits = {}
    for flaw, spoils in HELD_OUT.items():
        for spoil in spoils:
            verdicts = verdicts_on([spoil(grey, rng) for grey in held.greys], held.kind)
            hits[f"flaw={flaw}, {spoil.__name__}, part={held.part}"] = rejected(verdicts)
    on = f"{held.on}, spoiled in {len(hits)} ways that training never saw"
    every, groups = np.concatenate(list(hits.values())), np.tile(held.groups, len(hits))
    figures.append(share("spoiled_rejected", every, groups, on, f"part={held.part}"))
    return figures + [share("spoiled_rejected", of, held.groups, held.on, name) for name, of in hits.items()]


def reasons(model: ort.InferenceSession, rules: GateRules) -> None:
    """Prints which reasons fire for each held-out flaw and drawing, in per cent of the images."""
    verdicts_on = Judge(model, rules)
    rng = np.random.default_rng(2)

    def line(name: str, verdicts: Sequence[Judged]) -> None:
        counts = Counter(reason for v in verdicts for reason in v.rejections)
        accepted = sum(not v.rejections for v in verdicts)
        named = ", ".join(f"{reason} {100 * n / len(verdicts):.0f}" for reason, n in counts.most_common())
        print(f"{name:40} accepted {accepted:3} of {len(verdicts)}: {named}", flush=True)

    for held in held_out():
        few = held.fewer(60).greys
        line(f"{held.part} as they are", verdicts_on(few, held.kind))
        for flaw, spoils in tqdm(HELD_OUT.items(), leave=False, mininterval=5):
            for spoil in spoils:
                line(
                    f"{held.part} {flaw} {spoil.__name__}",
                    verdicts_on([spoil(grey, rng) for grey in few], held.kind),
                )
    for draw in HELD_OUT_DRAWINGS:
        kind = Kind.CHEST_XRAY if "chest" in draw.__name__ else Kind.HEAD_CT
        line(f"drawn {draw.__name__}", verdicts_on([draw(rng) for _ in range(60)], kind))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=MODEL_REPOSITORY / "image_gate" / "1" / "model.onnx")
    parser.add_argument("--reasons", action="store_true", help="show which reasons fire instead")
    arguments = parser.parse_args()
    card = json_format.Parse((MODEL_REPOSITORY / "image_gate" / "metadata.json").read_text(), ModelCard())
    model, rules = image_session(arguments.weights), GateRules(card.serving.image_gate)
    if arguments.reasons:
        reasons(model, rules)
    else:
        show(measure(model, rules))


if __name__ == "__main__":
    main()
