"""What spoils an image, drawn at random, as the gate learns it; `held_out_flaws` has others to measure on.

Each function takes grey uint8 `[height, width]` and returns the spoiled image, uint8. How strong a flaw has
to be was read off the findings model of chest radiographs: from these strengths on it calls most normal ones
pneumonia (Gaussian blur of 1.2 % of the longer side, noise of 25 grey levels, JPEG quality 4, a quarter of
the image clipped). `mild` holds what changes no answer, and what the gate has to accept.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from services.imaging.grey import Grey
from training.image_gate.foreign import font, words
from training.image_gate.surroundings import photographed, screenshot

Spoil = Callable[[Grey, np.random.Generator], Grey]
Floats = npt.NDArray[np.floating]

SMALLEST_COVER = 0.04
"""Share of the pixels that a cover has to change, visibly, to count."""
VISIBLE = 20
"""Grey levels between two pixels that one sees."""
LEAST_CLIPPED = 0.25
"""Share of the pixels that a wrong exposure drives to black or white."""


def longest(grey: Grey) -> int:
    return max(grey.shape)


def as_grey(values: Floats | npt.NDArray[np.integer]) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def gaussian(grey: Grey, sigma_px: float) -> Grey:
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(sigma_px)))


def as_jpeg(grey: Grey, quality: int) -> Grey:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "JPEG", quality=quality)
    with Image.open(out) as picture:
        return np.asarray(picture.convert("L"))


def motion(grey: Grey, length_px: float, angle_rad: float) -> Grey:
    """The mean of copies shifted along a line: a patient or a camera that moved."""
    reach = int(np.ceil(length_px / 2))
    padded = np.pad(grey, reach, mode="edge").astype(np.float32)
    height, width = grey.shape
    steps = np.linspace(-length_px / 2, length_px / 2, max(int(length_px), 3))
    total = np.zeros(grey.shape, np.float32)
    for step in steps:
        top = reach + round(step * np.sin(angle_rad))
        left = reach + round(step * np.cos(angle_rad))
        total += padded[top : top + height, left : left + width]
    return as_grey(total / len(steps))


def blurred(grey: Grey, rng: np.random.Generator) -> Grey:
    """Out of focus, moved, or enlarged from a thumbnail."""
    kind = rng.random()
    if kind < 0.2:
        return enlarged(grey, int(rng.integers(16, 49)), Image.Resampling.BICUBIC)
    if kind < 0.75:
        return gaussian(grey, float(np.exp(rng.uniform(np.log(0.012), np.log(0.06)))) * longest(grey))
    return motion(grey, rng.uniform(0.055, 0.16) * longest(grey), rng.uniform(0, np.pi))


def enlarged(grey: Grey, cells: int, back: Image.Resampling) -> Grey:
    """Reduced to so many pixels on the longer side, and enlarged again by `back`."""
    image = Image.fromarray(grey)
    width, height = (max(2, side * cells // longest(grey)) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX).resize(image.size, back))


def covered(grey: Grey, rng: np.random.Generator) -> Grey:
    """A box, an ellipse, a half, a quarter, several boxes, a bar, a note, smear or writing over the image."""
    covers = (_box, _box, _ellipse, _half, _half, _quarter, _boxes, _bar, _note, _smear, _writing)
    while True:
        result = covers[rng.integers(len(covers))](grey, rng)
        if (np.abs(result.astype(int) - grey) >= VISIBLE).mean() >= SMALLEST_COVER:
            return result


def _fill(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """Black, white, any grey, a gradient or grain."""
    kind = rng.random()
    if kind < 0.35:
        return np.zeros(shape, np.uint8)
    level = 255.0 if kind < 0.5 else rng.uniform(0, 255)
    values = np.full(shape, level)
    if kind > 0.85:
        values += rng.normal(0, rng.uniform(3, 40), shape)
    elif kind > 0.75:
        values += np.linspace(-60, 60, shape[1])
    return as_grey(values)


def _placed(
    grey: Grey, rng: np.random.Generator, smallest: float, largest: float
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a box of so large a share of each side, central in half of the draws."""
    rows, columns = grey.shape
    height, width = (int(side * rng.uniform(smallest, largest)) for side in (rows, columns))
    if rng.random() < 0.5:
        top, left = (rows - height) // 2, (columns - width) // 2
    else:
        top, left = int(rng.integers(0, rows - height + 1)), int(rng.integers(0, columns - width + 1))
    return top, left, height, width


def _box(grey: Grey, rng: np.random.Generator) -> Grey:
    result = grey.copy()
    top, left, height, width = _placed(grey, rng, 0.2, 0.7)
    result[top : top + height, left : left + width] = _fill((height, width), rng)
    return result


def _boxes(grey: Grey, rng: np.random.Generator) -> Grey:
    result = grey.copy()
    for _ in range(int(rng.integers(3, 9))):
        top, left, height, width = _placed(grey, rng, 0.08, 0.3)
        result[top : top + height, left : left + width] = _fill((height, width), rng)
    return result


def _ellipse(grey: Grey, rng: np.random.Generator) -> Grey:
    top, left, height, width = _placed(grey, rng, 0.25, 0.75)
    mask = Image.new("L", grey.shape[::-1])
    ImageDraw.Draw(mask).ellipse((left, top, left + width, top + height), fill=255)
    edge = np.asarray(mask.filter(ImageFilter.GaussianBlur(float(rng.choice([0, 0, 2, 5]))))) / 255
    return as_grey(edge * _fill(grey.shape, rng) + (1 - edge) * grey)


def _half(grey: Grey, rng: np.random.Generator) -> Grey:
    turn = int(rng.integers(4))
    turned = np.rot90(grey, turn).copy()
    rows = int(turned.shape[0] * rng.uniform(0.3, 0.65))
    turned[:rows] = _fill((rows, turned.shape[1]), rng)
    return np.ascontiguousarray(np.rot90(turned, -turn))


def _quarter(grey: Grey, rng: np.random.Generator) -> Grey:
    result = grey.copy()
    height, width = (int(side * rng.uniform(0.4, 0.6)) for side in grey.shape)
    rows = slice(None, height) if rng.random() < 0.5 else slice(-height, None)
    columns = slice(None, width) if rng.random() < 0.5 else slice(-width, None)
    result[rows, columns] = _fill((height, width), rng)
    return result


def _bar(grey: Grey, rng: np.random.Generator) -> Grey:
    """Across the image, at any angle."""
    side = longest(grey)
    angle, at = rng.uniform(0, np.pi), rng.uniform(-0.2, 0.2) * side
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    distance = (x - grey.shape[1] / 2) * np.sin(angle) - (y - grey.shape[0] / 2) * np.cos(angle) - at
    inside = np.abs(distance) < rng.uniform(0.07, 0.2) * side
    return np.where(inside, _fill(grey.shape, rng), grey)


def _note(grey: Grey, rng: np.random.Generator) -> Grey:
    """A crooked quadrangle of one grey, with lines of writing or hatching on it in most."""
    image = Image.fromarray(grey.copy())
    top, left, height, width = _placed(grey, rng, 0.25, 0.6)
    level = int(rng.integers(0, 256))
    paper = Image.new("L", image.size, level)
    draw = ImageDraw.Draw(paper)
    ink = int(np.clip(level + rng.choice([-1, 1]) * rng.integers(60, 220), 0, 255))
    size = int(rng.integers(7, 18))
    for line in range(0, image.height, int(size * rng.uniform(1.1, 2))):
        if rng.random() < 0.8:
            draw.text((int(rng.integers(0, size)), line), words(rng, 9), fill=ink, font=font(size))
    corners = np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]])
    corners = corners + rng.uniform(-0.1, 0.1, (4, 2)) * (width, height)
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    image.paste(paper if rng.random() < 0.7 else level, (0, 0), mask)
    return np.asarray(image)


def _smear(grey: Grey, rng: np.random.Generator) -> Grey:
    """A part blurred beyond recognition."""
    result = grey.copy()
    top, left, height, width = _placed(grey, rng, 0.4, 0.85)
    part = result[top : top + height, left : left + width]
    result[top : top + height, left : left + width] = gaussian(part, rng.uniform(0.05, 0.15) * longest(grey))
    return result


def _writing(grey: Grey, rng: np.random.Generator) -> Grey:
    """Lines of large letters burnt in over the anatomy."""
    image = Image.fromarray(grey.copy())
    draw = ImageDraw.Draw(image)
    size = int(longest(grey) * rng.uniform(0.07, 0.2))
    ink = 255 if rng.random() < 0.6 else int(rng.integers(0, 256))
    for top in range(
        int(rng.uniform(0, 0.3) * grey.shape[0]), grey.shape[0], int(size * rng.uniform(1, 1.6))
    ):
        draw.text((int(rng.integers(0, size)), top), words(rng, 5), fill=ink, font=font(size))
    return np.asarray(image)


def cropped(grey: Grey, rng: np.random.Generator) -> Grey:
    """A part that leaves out what the reader needs: 22 to 58 % of both sides, or of one."""
    if rng.random() < 0.4:
        top, left, height, width = _placed(grey, rng, 0.22, 0.58)
    else:
        rows, columns = grey.shape
        shares = [rng.uniform(0.35, 0.58), 1 - max(rng.uniform(-0.1, 0.15), 0)]
        vertical, horizontal = shares if rng.random() < 0.5 else shares[::-1]
        height, width = int(rows * vertical), int(columns * horizontal)
        top, left = (
            (0, room, int(rng.integers(0, room + 1)))[rng.integers(3)]
            for room in (rows - height, columns - width)
        )
    return np.ascontiguousarray(grey[top : top + height, left : left + width])


def degraded(grey: Grey, rng: np.random.Generator) -> Grey:
    """Noise, coarse pixels, JPEG artefacts, wrong exposure or too few grey levels."""
    kinds = (_noise, _noise, _specks, _coarse, _bad_jpeg, _exposed, _exposed, _gamma, _few_levels)
    return kinds[rng.integers(len(kinds))](grey, rng)


def _noise(grey: Grey, rng: np.random.Generator) -> Grey:
    deviation = rng.uniform(32, 90) * (longest(grey) / 256)
    return as_grey(grey + rng.normal(0, deviation, grey.shape))


def _specks(grey: Grey, rng: np.random.Generator) -> Grey:
    hit = rng.random(grey.shape) < rng.uniform(0.07, 0.35)
    return np.where(hit, rng.choice(np.array([0, 255], np.uint8), grey.shape), grey)


def _coarse(grey: Grey, rng: np.random.Generator) -> Grey:
    return enlarged(grey, int(rng.integers(12, 50)), Image.Resampling.NEAREST)


def _bad_jpeg(grey: Grey, rng: np.random.Generator) -> Grey:
    return as_jpeg(grey, int(rng.integers(1, 5)))


def _exposed(grey: Grey, rng: np.random.Generator) -> Grey:
    """Over- or under-exposed, or windowed too narrowly, until enough is clipped."""
    before = np.isin(grey, (0, 255)).mean()
    gain = rng.uniform(1.2, 4)
    level = rng.uniform(0, 255)
    for _ in range(12):
        result = as_grey((grey - level) * gain + 255 - level)
        if np.isin(result, (0, 255)).mean() - before >= LEAST_CLIPPED:
            return result
        gain *= 1.3
    return np.where(grey > np.median(grey), np.uint8(255), np.uint8(0))


def _gamma(grey: Grey, rng: np.random.Generator) -> Grey:
    exponent = rng.uniform(0.08, 0.18) if rng.random() < 0.5 else rng.uniform(7, 14)
    return as_grey(255 * (grey / 255.0) ** exponent)


def _few_levels(grey: Grey, rng: np.random.Generator) -> Grey:
    steps = int(rng.integers(1, 3))
    return as_grey(np.rint(grey / 255.0 * steps) * (255 / steps))


FLAWS: dict[str, Spoil] = {
    "photograph": photographed,
    "screenshot": screenshot,
    "blurred": blurred,
    "covered": covered,
    "cropped": cropped,
    "degraded": degraded,
}
"""By the gate's label."""
