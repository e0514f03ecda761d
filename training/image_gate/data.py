"""The gate's examples: medical images as they are, mildly changed or spoiled; drawn ones; foreign ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from services.imaging.grey import Grey
from services.imaging.preprocessing.resizing import resized
from services.imaging.tasks.gate import Rejection
from training.chest_xray import data as chest_data
from training.head_ct import data as head_data
from training.image_gate import flaws, phantoms
from training.image_gate.columns import FLAWS, GATE_LABELS, GATE_SIDE_PX, INVERTED, SOUND, UPSIDE_DOWN, Kind
from training.image_gate.foreign import Draw, detail, scrambled, training_kinds
from training.image_gate.mild import in_field_of_view, mild

KINDS = slice(0, len(Kind))
FLAGS = slice(len(Kind), len(Kind) + 2)
"""Upside down and inverted."""
CONDITIONS = slice(FLAGS.stop, len(GATE_LABELS))
"""Sound, or one of the flaws."""
UNKNOWN = -1.0
"""Target of a question that makes no sense for an image, e.g. which way up a text page is: left out of the
loss."""
HEAD_HELD_EVERY = 4
"""Every fourth head slice is held out."""


@dataclass(frozen=True)
class Examples:
    """`images` uint8 `[n, side, side]`; `targets` float32 `[n, labels]` in the order of GATE_LABELS."""

    images: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Counts:
    """How many examples of each source are drawn."""

    chest: int = 7_000
    head: int = 3_600
    drawn: int = 1_200
    """Of heads and chests each one half."""
    foreign: int = 1_500
    pieces: int = 500
    """Of medical images, scrambled or enlarged, which are foreign too."""


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
    kind: Kind, *, upside_down: float = 0, inverted: float = 0, condition: str | None = SOUND
) -> npt.NDArray[np.float32]:
    """A row in the order of GATE_LABELS; without a condition its columns are UNKNOWN."""
    row = dict.fromkeys(GATE_LABELS, 0.0)
    row[kind] = 1
    row[UPSIDE_DOWN], row[INVERTED] = upside_down, inverted
    if condition is None:
        row.update(dict.fromkeys((SOUND, *FLAWS), UNKNOWN))
    else:
        row[condition] = 1
    return np.array(list(row.values()), np.float32)


FOREIGN = target(Kind.OTHER, upside_down=UNKNOWN, inverted=UNKNOWN, condition=None)


def turned(grey: Grey, rng: np.random.Generator) -> Grey:
    """By half, mirrored top to bottom, or by a quarter."""
    turn = rng.integers(4)
    return np.ascontiguousarray((grey[::-1], grey[::-1, ::-1], np.rot90(grey), np.rot90(grey, 3))[turn])


DRAWN_FLAWS = (*flaws.FLAWS, Rejection.CROPPED)
"""Each as often; cropped twice, since a half of a wide image looks most like a whole one."""
SOUND_SHARE = 0.5
MILD_SHARE = 0.55
"""Of the sound ones, and of those that are spoiled afterwards."""
FIELD_OF_VIEW_SHARE = 0.4
"""Of the head slices, which were published cut out close to the bone."""
TURNED_SHARE = INVERTED_SHARE = 0.15


@dataclass
class _Collected:
    images: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    targets: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def add(self, grey: Grey, row: npt.NDArray[np.float32]) -> None:
        self.images.append(resized(np.ascontiguousarray(grey), GATE_SIDE_PX, GATE_SIDE_PX))
        self.targets.append(row)

    def medical(self, grey: Grey, kind: Kind, rng: np.random.Generator) -> None:
        upside_down, inverted = rng.random() < TURNED_SHARE, rng.random() < INVERTED_SHARE
        if kind is Kind.HEAD_CT and rng.random() < FIELD_OF_VIEW_SHARE:
            grey = in_field_of_view(grey, rng)
        if rng.random() < MILD_SHARE:
            grey = mild(grey, rng)
        if upside_down:
            grey = turned(grey, rng)
        if inverted:
            grey = 255 - grey
        condition = SOUND
        if rng.random() >= SOUND_SHARE:
            condition = DRAWN_FLAWS[rng.integers(len(DRAWN_FLAWS))]
            grey = flaws.FLAWS[condition](grey, rng)
        self.add(
            grey,
            target(kind, upside_down=float(upside_down), inverted=float(inverted), condition=condition),
        )

    def drawn(self, draw: Draw, kind: Kind, rng: np.random.Generator) -> None:
        grey = draw(rng)
        if rng.random() < 0.3:
            grey = mild(grey, rng)
        inverted = rng.random() < INVERTED_SHARE
        row = target(kind, inverted=float(inverted), condition=Rejection.DRAWN)
        self.add(255 - grey if inverted else grey, row)


def training_examples(chest: list[Grey], head: list[Grey], seed: int, counts: Counts = Counts()) -> Examples:
    """Half of the medical ones are spoiled in one way; some of all are turned or inverted."""
    rng = np.random.default_rng(seed)
    collected = _Collected()
    for kind, greys, count in ((Kind.CHEST_XRAY, chest, counts.chest), (Kind.HEAD_CT, head, counts.head)):
        for i in tqdm(range(count), desc=kind, mininterval=5):
            collected.medical(greys[i % len(greys)], kind, rng)
    for kind, draws in ((Kind.CHEST_XRAY, phantoms.OF_CHESTS), (Kind.HEAD_CT, phantoms.OF_HEADS)):
        for i in tqdm(range(counts.drawn // 2), desc=f"drawn {kind}", mininterval=5):
            collected.drawn(list(draws.values())[i % len(draws)], kind, rng)
    foreign = list((training_kinds() | phantoms.OF_OTHER_PARTS).values())
    for i in tqdm(range(counts.foreign), desc="foreign", mininterval=5):
        collected.add(foreign[i % len(foreign)](rng), FOREIGN)
    for _ in range(counts.pieces):
        source = chest if rng.random() < 0.6 else head
        grey = source[rng.integers(len(source))]
        collected.add(scrambled(grey, rng) if rng.random() < 0.5 else detail(grey, rng), FOREIGN)
    return Examples(np.stack(collected.images), np.stack(collected.targets))
