"""A medical image as a camera sees it, and within a screen, a page or a sheet of several."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from services.imaging.grey import Grey
from training.image_gate.foreign import font, fractal_noise, words

SIDE_PX = 256
LEAST_KEYSTONE = 0.08
"""Of the side: how far a corner of a photographed image lies from a rectangle at the least. Less, on a plain
ground, is an export with a margin."""


def perspective(corners_in: npt.NDArray[np.float64], side: int) -> list[float]:
    """Pillow's eight coefficients that put a square of `side` pixels at the corners `[4, 2]` (x, y)."""
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    rows = []
    for (u, v), (x, y) in zip(corners, corners_in, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients: list[float] = np.linalg.solve(np.array(rows), corners.ravel()).tolist()
    return coefficients


def _corners(rng: np.random.Generator, side: int) -> npt.NDArray[np.float64]:
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], float)
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    while True:
        margin = rng.uniform(0.0, rng.uniform(0.1, 0.3), (4, 2))
        if np.ptp(margin, axis=0).max() >= LEAST_KEYSTONE:
            return corners + inward * margin * side


def _ground(rng: np.random.Generator, side: int) -> npt.NDArray[np.float64]:
    """A wall, a table, a dark room: plain or textured."""
    if rng.random() < 0.45:
        return np.full((side, side), rng.choice([0.0, 255.0, rng.uniform(0, 255)]))
    texture = np.asarray(Image.fromarray(fractal_noise(rng)).resize((side, side)), float)
    return texture * rng.uniform(0.1, 0.6) + rng.uniform(0, 130)


def photographed(grey: Grey, rng: np.random.Generator) -> Grey:
    """On a screen or a light box: perspective and surroundings; glare, moire, falling light and blur in
    some.
    """
    side = SIDE_PX
    page = Image.fromarray(grey).resize((side, side))
    coefficients = perspective(_corners(rng, side), side)
    warped = page.transform(
        (side, side), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    mask = Image.new("L", (side, side), 255).transform(
        (side, side), Image.Transform.PERSPECTIVE, coefficients, fillcolor=0
    )
    inside = np.asarray(mask) > 0
    clean = rng.random() < 0.3
    gain, offset = (1.0, 0.0) if clean else (rng.uniform(0.6, 1.0), rng.uniform(0, 40))
    ground = _ground(rng, side)
    scene = np.where(inside, np.asarray(warped, float) * gain + offset, ground)
    if not clean:
        y, x = np.mgrid[0:side, 0:side] / side
        if rng.random() < 0.5:
            wave = np.sin(2 * np.pi * (x * rng.uniform(20, 60) + y * rng.uniform(20, 60)))
            scene += np.where(inside, wave * rng.uniform(2, 12), 0)
        if rng.random() < 0.6:
            cx, cy, spread = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.05, 0.4)
            scene += rng.uniform(20, 150) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / spread**2)
        if rng.random() < 0.4:
            scene *= 1 - rng.uniform(0.2, 0.6) * ((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2
    photo = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if not clean:
        photo = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.5))))
    photo = photo.rotate(float(rng.uniform(-15, 15)), fillcolor=int(ground.mean()))
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=int(rng.integers(50, 95)))
    with Image.open(out) as compressed:
        return np.asarray(compressed)


def screenshot(grey: Grey, rng: np.random.Generator) -> Grey:
    """A viewer's window around it, a page with writing, or a sheet of several images."""
    draws = (_window, _window, _page, _sheet)
    return draws[rng.integers(len(draws))](grey, rng)


def _canvas(rng: np.random.Generator) -> tuple[int, int]:
    return int(SIDE_PX * rng.uniform(1, 1.7)), int(SIDE_PX * rng.uniform(0.85, 1.3))


def _fit(grey: Grey, width: int, height: int, *, keep: bool) -> Image.Image:
    """The image within so many pixels, its aspect ratio kept or not."""
    image = Image.fromarray(grey)
    if keep:
        scale = min(width / image.width, height / image.height)
        width, height = int(image.width * scale), int(image.height * scale)
    return image.resize((max(width, 8), max(height, 8)))


def _window(grey: Grey, rng: np.random.Generator) -> Grey:
    """Title bar, tools, panels and lines of text around the image, light or dark."""
    width, height = _canvas(rng)
    dark = rng.random() < 0.5
    ground = int(rng.integers(0, 70)) if dark else int(rng.integers(170, 256))
    ink = int(rng.integers(150, 256)) if dark else int(rng.integers(0, 110))
    desk = Image.new("L", (width, height), ground)
    draw = ImageDraw.Draw(desk)
    top = int(height * rng.uniform(0.06, 0.17))
    bottom = height - int(height * rng.choice([0, rng.uniform(0.02, 0.12)]))
    left = int(width * rng.choice([0, rng.uniform(0.03, 0.3)]))
    right = width - int(width * rng.choice([0, rng.uniform(0.03, 0.3)]))
    inner = Image.new("L", (right - left, bottom - top), int(rng.choice([0, 0, ground, 255])))
    picture = _fit(grey, *inner.size, keep=rng.random() < 0.7)
    inner.paste(picture, ((inner.width - picture.width) // 2, (inner.height - picture.height) // 2))
    desk.paste(inner, (left, top))
    small = font(int(rng.integers(6, 11)))
    _buttons(draw, rng, (0, 0, width, top), ink)
    draw.text((4, 1), words(rng, 3), fill=ink, font=small)
    if bottom < height - 4:
        draw.text((6, bottom + 1), words(rng, 6), fill=ink, font=small)
    for x0, x1 in ((0, left), (right, width)):
        if x1 - x0 > 14:
            line = int(rng.integers(9, 20))
            for y in range(top + 4, bottom - 8, line):
                if rng.random() < 0.75:
                    draw.text((x0 + 3, y), words(rng, 2)[: max((x1 - x0) // 6, 1)], fill=ink, font=small)
    if rng.random() < 0.5:
        for x, y in ((left + 3, top + 2), (max(right - 70, left), bottom - 24)):
            for i in range(int(rng.integers(1, 4))):
                draw.text((x, y + 9 * i), words(rng, 2), fill=int(rng.integers(170, 256)), font=small)
    return np.asarray(desk)


def _buttons(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, area: tuple[int, int, int, int], ink: int
) -> None:
    left, top, right, bottom = area
    side = max((bottom - top) - 6, 3)
    gap = int(side * rng.uniform(1.3, 2.5))
    for x in range(left + int(rng.integers(4, 90)), right - side, gap):
        if rng.random() < 0.75:
            shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
            filled = int(rng.integers(0, 256)) if rng.random() < 0.4 else None
            shape((x, top + 3, x + side, top + 3 + side), outline=ink, fill=filled)


def _page(grey: Grey, rng: np.random.Generator) -> Grey:
    """A figure in an article, a slide or a printed report: text above, below or beside it."""
    width, height = _canvas(rng)
    ground, ink = (int(rng.integers(225, 256)), int(rng.integers(0, 90)))
    if rng.random() < 0.25:
        ground, ink = ink, ground
    page = Image.new("L", (width, height), ground)
    draw = ImageDraw.Draw(page)
    share = rng.uniform(0.4, 0.85)
    picture = _fit(grey, int(width * share), int(height * share), keep=True)
    x = int(rng.uniform(0.02, 0.98) * (width - picture.width))
    y = int(rng.uniform(0.02, 0.98) * (height - picture.height))
    size = int(rng.integers(7, 18))
    for line in range(int(rng.integers(2, 14)), height - size, int(size * rng.uniform(1.1, 1.7))):
        if rng.random() < 0.85:
            draw.text((int(rng.integers(3, 12)), line), words(rng, 12), fill=ink, font=font(size))
    if rng.random() < 0.6:  # most figures stand free
        around = int(rng.integers(2, 14))
        draw.rectangle(
            (x - around, y - around, x + picture.width + around, y + picture.height + around), ground
        )
    page.paste(picture, (x, y))
    return np.asarray(page)


def _sheet(grey: Grey, rng: np.random.Generator) -> Grey:
    """Several images side by side, as a viewer or a film lays them out; the others are variants of the
    one.
    """
    rows, columns = ((1, 2), (2, 1), (2, 2), (2, 3), (3, 3), (1, 3), (4, 4))[rng.integers(7)]
    cell = SIDE_PX // max(rows, columns)
    gap = int(rng.integers(0, 8))
    ground = int((0, 0, 255, rng.integers(256))[rng.integers(4)])
    sheet = Image.new("L", (columns * (cell + gap), rows * (cell + gap)), ground)
    for row in range(rows):
        for column in range(columns):
            if rng.random() < 0.08 and rows * columns > 3:
                continue
            variant = grey[:, ::-1] if rng.random() < 0.3 else grey
            if rng.random() < 0.5:
                h, w = variant.shape
                y, x = int(rng.uniform(0, 0.3) * h), int(rng.uniform(0, 0.3) * w)
                variant = variant[y : y + int(0.7 * h), x : x + int(0.7 * w)]
            toned = (255 * (variant / 255.0) ** np.exp(rng.uniform(-0.6, 0.6))).astype(np.uint8)
            sheet.paste(
                _fit(toned, cell, cell, keep=rng.random() < 0.5), (column * (cell + gap), row * (cell + gap))
            )
    return np.asarray(sheet)
