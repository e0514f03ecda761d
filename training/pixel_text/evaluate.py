"""Measures `pixel_text` by the services' own code: `python -m training.pixel_text.evaluate
[--model FILE]`.

A line of text counts as found when at least 90 % of its box is covered; what is covered beyond the boxes
is the price.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from medmesh.common.v1.model_card_pb2 import Metric
from services.imaging.deidentification.burned_in import TextMap, tiles
from services.imaging.grey import Grey
from training.model_card import MODEL_REPOSITORY
from training.onnx_runtime import session as onnx_session
from training.pixel_text import grounds
from training.pixel_text.writing import Written, write

Detect = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating]]
"""Tiles `[n, side, side]` -> probabilities `[n, rows, columns]`."""
NAME = "pixel_text"
TILE_PX, CELLS = 512, 128
COVERED = 0.9
MEASURED_ON = (
    "lines of text drawn into real radiographs and CT slices and into drawn ultrasound, 8 to 96 px; a line "
    "counts where 90 % of its box are covered"
)
SIZES_PX = (8.0, 96.0)
SEED = 7


@dataclass(frozen=True)
class Line:
    """One line of text, and how much of it was covered."""

    written: Written
    source: str
    covered: float


def pictures(count: int) -> Iterator[tuple[str, Grey, list[Written]]]:
    """Held-out images at their own size with one to four lines; some inverted, some drawn ultrasound."""
    rng = np.random.default_rng(SEED)
    files = grounds.files()
    for number in range(count):
        source, ground = "ultrasound, drawn", grounds.ultrasound(640, rng)
        if number % 4:
            source, path = files[int(rng.integers(len(files)))]
            image = Image.open(path).convert("L")
            image.thumbnail((1600, 1600))
            if max(image.size) < 512:  # the small ones of the sets, as they come from devices
                image = image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC)
            ground = np.asarray(image)
        ground = grounds.distracted(ground, rng)
        if rng.random() < 0.2:
            ground = 255 - ground
        yield (source, *write(ground, rng, lines=int(rng.integers(1, 5)), sizes=SIZES_PX))


def measured(detect: Detect, threshold: float, count: int) -> tuple[list[Line], float]:
    """Each line, and the mean share of an image that is covered beyond the text."""
    lines, beyond = [], []
    for source, image, written in tqdm(pictures(count), total=count, mininterval=10):
        found = TextMap(image.shape[0], image.shape[1], threshold)
        cut = list(tiles(image, TILE_PX))
        for start in range(0, len(cut), 8):
            some = cut[start : start + 8]
            for tile, scores in zip(some, detect(np.stack([one.pixels for one in some])), strict=True):
                found.add(tile, scores)
        mask, text = np.zeros(image.shape, np.bool_), np.zeros(image.shape, np.bool_)
        for box in found.boxes():
            mask[box.rows, box.columns] = True
        for one in written:
            left, top, right, bottom = one.box
            text[top:bottom, left:right] = True
            lines.append(Line(one, source, float(mask[top:bottom, left:right].mean())))
        beyond.append(float((mask & ~text).mean()))
    return lines, float(np.mean(beyond))


def interval(hits: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """95 % of a share (Wilson)."""
    count, share, z = len(hits), float(hits.mean()), 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def metrics(detect: Detect, threshold: float, count: int = 400) -> list[Metric]:
    """For the card."""
    return figures(*measured(detect, threshold, count), count)


def figures(lines: Sequence[Line], beyond: float, count: int) -> list[Metric]:
    """Shares of the lines that are covered, of all and by groups, and what is covered beyond them."""
    groups: dict[str, list[Line]] = {"": list(lines)}
    for line in lines:
        height, contrast = line.written.height_px, line.written.contrast
        groups.setdefault(
            f"height={'8-11' if height < 12 else '12-23' if height < 24 else '24-96'} px", []
        ).append(line)
        groups.setdefault("contrast=" + ("faint (<60)" if contrast < 60 else "60 and more"), []).append(line)
        groups.setdefault(f"image={line.source}", []).append(line)
    found = []
    for group, members in groups.items():
        hits = np.array([line.covered >= COVERED for line in members])
        low, high = interval(hits)
        found.append(
            Metric(
                name="lines_covered",
                value=round(float(hits.mean()), 4),
                ci_low=round(low, 4),
                ci_high=round(high, 4),
                case_count=len(hits),
                subgroup=group,
                measured_on=MEASURED_ON,
            )
        )
    found.append(
        Metric(
            name="covered_beyond_text",
            value=round(beyond, 4),
            case_count=count,
            measured_on="the same images: mean share of the image that is covered beyond the boxes of text",
        )
    )
    return found


def onnx_detect(path: Path) -> Detect:
    """By a file of this model."""
    session = onnx_session(path)
    return lambda images: np.asarray(session.run(["probabilities"], {"image": images[:, np.newaxis]})[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_REPOSITORY / NAME / "1" / "model.onnx")
    parser.add_argument("--threshold", type=float, default=0.1)
    parser.add_argument("--images", type=int, default=400)
    arguments = parser.parse_args()
    for metric in metrics(onnx_detect(arguments.model), arguments.threshold, arguments.images):
        interval_of = f"({metric.ci_low} to {metric.ci_high}), n = {metric.case_count}"
        print(f"{metric.name} {metric.subgroup}: {metric.value} {interval_of}")


if __name__ == "__main__":
    main()
