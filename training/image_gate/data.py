"""The gate's examples: medical images as they are, spoiled in known ways, and foreign ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from services.imaging.gate import GATE_LABELS
from services.imaging.models import GATE_SIDE_PX
from services.imaging.preprocessing import Grey, stretch_to_square
from training.chest_xray import data as chest_data
from training.head_ct import data as head_data
from training.image_gate.foreign import detail, photographed, scrambled, training_kinds

CHEST, HEAD, OTHER, UPSIDE_DOWN, INVERTED, PHOTOGRAPH = range(len(GATE_LABELS))
UNKNOWN = -1.0
"""Target of a question that makes no sense for an image, e.g. which way up a text page is: left out of the
loss."""
HEAD_HELD_EVERY = 4
"""Every fourth head slice is held out."""


@dataclass(frozen=True)
class Examples:
    """`images` uint8 `[n, side, side]`; `targets` float32 `[n, 6]` in the order of GATE_LABELS."""

    images: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]


def medical_greys() -> tuple[list[Grey], list[Grey], list[Grey], list[Grey]]:
    """Chest to fit on, chest to calibrate on (other patients of the training set), head to fit on, head held
    out.
    """
    fitted, held = chest_data.split_calibration(chest_data.load("train"))
    chest = [[chest_data.read_grey(f) for f in tqdm(part.files, mininterval=5)] for part in (fitted, held)]
    heads = head_data.load().greys()
    kept = [grey for i, grey in enumerate(heads) if i % HEAD_HELD_EVERY]
    return chest[0], chest[1], kept, heads[::HEAD_HELD_EVERY]


def target(
    kind: int, *, upside_down: float = 0, inverted: float = 0, photograph: float = 0
) -> npt.NDArray[np.float32]:
    row = np.zeros(len(GATE_LABELS), np.float32)
    row[kind] = 1
    row[UPSIDE_DOWN:] = (upside_down, inverted, photograph)
    return row


FOREIGN = target(OTHER, upside_down=UNKNOWN, inverted=UNKNOWN, photograph=UNKNOWN)


def spoil(
    grey: Grey, rng: np.random.Generator, *, upside_down: bool, inverted: bool, photograph: bool
) -> Grey:
    """Turns (by half, mirrored top to bottom, or by a quarter), inverts, photographs, in this order."""
    if upside_down:
        turn = rng.integers(4)
        grey = (grey[::-1], grey[::-1, ::-1], np.rot90(grey), np.rot90(grey, 3))[turn]
    if inverted:
        grey = 255 - grey
    return photographed(np.ascontiguousarray(grey), rng) if photograph else np.ascontiguousarray(grey)


def with_margins(grey: Grey, rng: np.random.Generator) -> Grey:
    """Cropped by up to 12 % or set into black by up to 15 % at each edge: exports differ in what they
    leave.
    """
    height, width = grey.shape
    if rng.random() < 0.5:
        top, bottom, left, right = rng.uniform(0, 0.12, 4)
        rows, columns = (
            slice(int(top * height), height - int(bottom * height)),
            slice(int(left * width), width - int(right * width)),
        )
        return grey[rows, columns]
    edges = [(int(a * height), int(b * height)) for a, b in [rng.uniform(0, 0.15, 2)]]
    edges += [(int(a * width), int(b * width)) for a, b in [rng.uniform(0, 0.15, 2)]]
    return np.pad(grey, edges)


def training_examples(chest: list[Grey], head: list[Grey], seed: int) -> Examples:
    """About 3,400 chest, 2,300 head and 4,300 foreign examples; half of the medical ones spoiled in one or
    more ways.
    """
    rng = np.random.default_rng(seed)
    images: list[npt.NDArray[np.uint8]] = []
    targets: list[npt.NDArray[np.float32]] = []

    def add(grey: Grey, row: npt.NDArray[np.float32]) -> None:
        images.append(stretch_to_square(np.ascontiguousarray(grey), GATE_SIDE_PX)[0])
        targets.append(row)

    for kind, greys in ((CHEST, chest), (HEAD, head * 20)):
        for grey in tqdm(greys, desc="medical", mininterval=5):
            flags = {name: bool(rng.random() < 0.22) for name in ("upside_down", "inverted", "photograph")}
            whole = with_margins(grey, rng) if rng.random() < 0.4 else grey
            add(spoil(whole, rng, **flags), target(kind, **{k: float(v) for k, v in flags.items()}))
    for draw in tqdm(training_kinds().values(), desc="foreign"):
        for _ in range(450):
            add(draw(rng), FOREIGN)
    for _ in range(700):
        source = chest if rng.random() < 0.6 else head
        grey = source[rng.integers(len(source))]
        add(scrambled(grey, rng) if rng.random() < 0.5 else detail(grey, rng), FOREIGN)
    return Examples(np.stack(images), np.stack(targets))
