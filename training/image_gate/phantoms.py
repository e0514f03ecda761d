"""Drawn stand-ins for medical images: limbs, trunks, heads and chests of nobody.

A head or a chest that is drawn looks enough like one to be read, so the gate has a label for what is drawn.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from services.imaging.grey import Grey
from training.image_gate.foreign import SIDE_PX, Draw, fractal_noise

Plane = npt.NDArray[np.float64]

SHEPP_LOGAN = (
    (0.69, 0.92, 0.0, 0.0, 0, 2.0),
    (0.6624, 0.874, 0.0, -0.0184, 0, -0.98),
    (0.11, 0.31, 0.22, 0.0, -18, -0.02),
    (0.16, 0.41, -0.22, 0.0, 18, -0.02),
    (0.21, 0.25, 0.0, 0.35, 0, 0.01),
    (0.046, 0.046, 0.0, 0.1, 0, 0.01),
    (0.046, 0.046, 0.0, -0.1, 0, 0.01),
    (0.046, 0.023, -0.08, -0.605, 0, 0.01),
    (0.023, 0.023, 0.0, -0.606, 0, 0.01),
    (0.023, 0.046, 0.06, -0.605, 0, 0.01),
)
"""Half axes, centre, turn in degrees and added density of the ellipses (Shepp and Logan, IEEE Trans. Nucl.
Sci. 1974, table 1)."""


def limb_phantom(rng: np.random.Generator) -> Grey:
    """Bright shafts with joints in a grey sleeve on black: what a limb's radiograph looks like from afar."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    centre, bend = rng.uniform(0.35, 0.65), rng.uniform(-0.3, 0.3)
    axis = centre + bend * (y - 0.5) ** 2 * 4
    sleeve = np.clip(1 - (np.abs(x - axis) / rng.uniform(0.15, 0.35)) ** 2, 0, 1) * rng.uniform(60, 120)
    image = sleeve
    for shaft in range(int(rng.integers(1, 5))):
        offset = rng.uniform(-0.12, 0.12) if shaft else 0.0
        joint = rng.uniform(0.2, 0.8)
        width = rng.uniform(0.02, 0.06) * (1 + 1.5 * np.exp(-(((y - joint) / 0.06) ** 2)))
        distance = np.abs(x - axis - offset) / width
        bone = np.clip(1.2 - np.abs(distance - 0.8), 0, 1) + 0.6 * (distance < 0.8)
        image = np.maximum(image, sleeve + bone * rng.uniform(70, 130))
    turned = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).rotate(float(rng.uniform(-90, 90)))
    return noisy(np.asarray(turned), rng)


def body_phantom(rng: np.random.Generator) -> Grey:
    """Nested ellipses as in a slice of the trunk (Shepp and Logan's way of drawing), with organs and a
    spine.
    """
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX - 0.5
    a, b = rng.uniform(0.38, 0.48), rng.uniform(0.24, 0.36)
    image = np.where((x / a) ** 2 + (y / b) ** 2 < 1, rng.uniform(70, 140), 0.0)
    for _ in range(int(rng.integers(4, 12))):
        cx, cy, r, s = (
            rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.15), rng.uniform(0.02, 0.14), rng.uniform(0.5, 2)
        )  # fmt: skip
        inside = ((x - cx) / r) ** 2 + ((y - cy) / (r * s)) ** 2 < 1
        image = np.where(inside & (image > 0), image + rng.uniform(-60, 90), image)
    spine = (x / 0.05) ** 2 + ((y - b * 0.6) / 0.06) ** 2 < 1
    return noisy(np.where(spine, 240, image), rng)


def noisy(values: npt.NDArray[np.floating] | Grey, rng: np.random.Generator) -> Grey:
    noise = rng.normal(0, rng.uniform(1, 12), values.shape)
    image = Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.5)))))


def _plane() -> tuple[Plane, Plane]:
    """Coordinates of -1 to 1, x to the right and y down."""
    y, x = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    return x, y


def _ellipse(
    x: Plane,
    y: Plane,
    centre: tuple[float, float],
    half_axes: tuple[float, float],
    turn_rad: float = 0.0,
    softness: float = 0.0,
) -> Plane:
    """1 inside, 0 outside, with an edge so soft between (in the plane's units)."""
    u, v = x - centre[0], y - centre[1]
    a, b = u * math.cos(turn_rad) + v * math.sin(turn_rad), v * math.cos(turn_rad) - u * math.sin(turn_rad)
    distance = (1 - np.hypot(a / half_axes[0], b / half_axes[1])) * min(half_axes)
    if softness <= 0:
        return (distance > 0).astype(float)
    return np.asarray(0.5 * (1 + np.tanh(distance / softness)))


def _finished(image: Plane, rng: np.random.Generator) -> Grey:
    """With the grain, clouds and softness that a drawing may have, and on its own scale of greys."""
    if rng.random() < 0.4:
        clouds = np.asarray(fractal_noise(rng), float) / 255 - 0.5
        image = image + clouds * rng.uniform(2, 30) * (image > image.min() + 3)
    if rng.random() < 0.6:
        image = _bent(image, rng)
    image = image * rng.uniform(0.8, 1.1) + rng.uniform(-5, 8)
    return noisy(image, rng) if rng.random() < 0.8 else np.clip(image, 0, 255).astype(np.uint8)


def _bent(image: Plane, rng: np.random.Generator) -> Plane:
    """Smoothly deformed, so that no outline stays an ellipse."""
    coarse = rng.normal(0, SIDE_PX * rng.uniform(0.01, 0.035), (2, 5, 5)).astype(np.float32)
    size = (SIDE_PX, SIDE_PX)
    shift = [np.asarray(Image.fromarray(axis).resize(size, Image.Resampling.BICUBIC)) for axis in coarse]
    places = np.mgrid[0:SIDE_PX, 0:SIDE_PX] + np.stack(shift)
    return np.asarray(ndimage.map_coordinates(image, places, order=1, mode="nearest"))


def shepp_logan(rng: np.random.Generator) -> Grey:
    """The phantom with its ellipses moved and its contrast raised, as programs draw it."""
    x, y = _plane()
    contrast = rng.choice(
        [1.0, 10.0, rng.uniform(5, 20)]
    )  # Toft's variant makes what is inside ten times as plain
    image = np.zeros_like(x)
    for i, (*shape, turn, density) in enumerate(SHEPP_LOGAN):
        a, b, cx, cy = (value + rng.normal(0, 0.02) for value in shape)
        weight = density if i < 2 else density * contrast
        inside = _ellipse(x, -y, (cx, cy), (max(abs(a), 0.02), max(abs(b), 0.02)), math.radians(turn))
        image += weight * inside
    window = rng.uniform(0.2, 1.1) if contrast > 1 else rng.uniform(0.05, 0.6)
    low = rng.uniform(-0.1, 0.0) if contrast > 1 else 1.0 - window / 2
    return _finished(255 * np.clip((image - low) / window, 0, 1), rng)


def drawn_head(rng: np.random.Generator) -> Grey:
    """A ring of bone around grey, with ventricles, a midline, some with a bleed."""
    x, y = _plane()
    a, b = rng.uniform(0.5, 0.85), rng.uniform(0.65, 0.95)
    cx, cy, turn = rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), rng.normal(0, 0.1)
    soft = rng.choice([0.0, rng.uniform(0.005, 0.05)])
    bone, brain = rng.uniform(200, 255), rng.uniform(60, 160)
    image = np.full_like(x, rng.choice([0, 0, rng.uniform(0, 60)]))
    if rng.random() < 0.3:
        image = np.maximum(
            image, rng.uniform(30, 90) * _ellipse(x, y, (cx, cy), (a * 1.06, b * 1.06), turn, soft)
        )
    skull = _ellipse(x, y, (cx, cy), (a, b), turn, soft)
    thickness = rng.uniform(0.03, 0.14)
    inner = _ellipse(x, y, (cx, cy), (a - thickness, b - thickness), turn, soft)
    if rng.random() < 0.15:
        bone = brain  # a slice of tissue alone
    image = image * (1 - skull) + bone * skull
    content = np.full_like(x, brain)
    if rng.random() < 0.6:
        content += rng.uniform(-15, 15) * x + rng.uniform(-15, 15) * y
    for side in (-1, 1):
        if rng.random() < 0.8:
            place = (cx + side * rng.uniform(0.06, 0.2), cy + rng.uniform(-0.2, 0.1))
            size = (rng.uniform(0.03, 0.12), rng.uniform(0.1, 0.32))
            content -= rng.uniform(20, 70) * _ellipse(x, y, place, size, -side * rng.uniform(0, 0.5), soft)
    if rng.random() < 0.5:
        content += rng.uniform(-30, 50) * (np.abs(x - cx) < rng.uniform(0.004, 0.02))
    for _ in range(int(rng.integers(0, 4))):
        place = (cx + rng.uniform(-0.4, 0.4) * a, cy + rng.uniform(-0.5, 0.5) * b)
        size = (rng.uniform(0.03, 0.25), rng.uniform(0.03, 0.25))
        content += rng.uniform(-40, 110) * _ellipse(x, y, place, size, rng.uniform(0, 3), soft)
    return _finished(image * (1 - inner) + content * inner, rng)


def drawn_chest(rng: np.random.Generator) -> Grey:
    """Two dark lungs in a bright trunk with heart, spine, bones and vessels, some with an opacity."""
    x, y = _plane()
    soft = rng.choice([0.0, rng.uniform(0.01, 0.08)])
    image = _trunk(x, y, soft, rng)
    drop = rng.uniform(-0.25, 0.1)
    half_axes = (rng.uniform(0.2, 0.38), rng.uniform(0.45, 0.8))
    lungs = _drawn_lungs(x, y, drop, half_axes, soft, rng)
    image -= rng.uniform(50, 130) * lungs
    heart_place = (rng.uniform(0, 0.2), drop + rng.uniform(0.1, 0.35))
    heart_size = (rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.4))
    heart = _ellipse(x, y, heart_place, heart_size, rng.uniform(-0.7, 0.7), soft)
    image += rng.uniform(20, 110) * heart * np.where(lungs > 0.5, 1, rng.uniform(0, 0.4))
    vertebrae = 1 + rng.choice([0, 0.4]) * np.cos(2 * np.pi * y / rng.uniform(0.1, 0.2))
    image += rng.uniform(0, 60) * (np.abs(x) < rng.uniform(0.05, 0.14)) * vertebrae
    image += rng.uniform(10, 60) * _drawn_bones(rng)
    if rng.random() < 0.5:
        image += rng.uniform(10, 50) * _drawn_vessels(rng) * lungs
    for _ in range(int(rng.integers(0, 3))):
        place = (rng.uniform(-0.6, 0.6), rng.uniform(-0.5, 0.5))
        size = (rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.25))
        image += rng.uniform(10, 80) * _ellipse(x, y, place, size, rng.uniform(0, 3), rng.uniform(0.02, 0.12))
    return _finished(image, rng)


def _trunk(x: Plane, y: Plane, soft: float, rng: np.random.Generator) -> Plane:
    body = rng.uniform(120, 220)
    if rng.random() < 0.4:
        image = np.full_like(x, body)
    else:
        width = rng.uniform(0.7, 1.0)
        image = body * _ellipse(x, y, (0, rng.uniform(0.3, 0.6)), (width, 1.5), 0, soft)
        if rng.random() < 0.5:
            image *= np.sqrt(np.clip(1.1 - (x / (width * 1.1)) ** 2, 0, 1))
        for side in (-1, 1):
            if rng.random() < 0.5:  # arms
                arm = _ellipse(x, y, (side * 0.9, -0.5), (0.15, 0.45), side * 0.3, soft)
                image = np.maximum(image, 0.6 * body * arm)
        if rng.random() < 0.5:  # neck
            image = np.maximum(image, 0.8 * body * _ellipse(x, y, (0, -0.9), (0.3, 0.5), 0, soft))
    return image + rng.uniform(-30, 40) * y * (image > 0)


def _drawn_lungs(
    x: Plane, y: Plane, drop: float, half_axes: tuple[float, float], soft: float, rng: np.random.Generator
) -> Plane:
    lungs = np.zeros_like(x)
    tilt = rng.uniform(0, 0.3)
    for side in (-1, 1):
        shape = (half_axes[0] * rng.uniform(0.9, 1.1), half_axes[1] * rng.uniform(0.9, 1.1))
        place = (side * rng.uniform(0.36, 0.46), drop)
        lungs = np.maximum(lungs, _ellipse(x, y, place, shape, -side * tilt, soft))
    if rng.random() < 0.6:  # the diaphragm cuts the lungs off
        dome = drop + half_axes[1] * rng.uniform(0.5, 0.9) + rng.uniform(0.05, 0.4) * (np.abs(x) - 0.4) ** 2
        lungs = lungs * (y < dome)
    return lungs


def _drawn_bones(rng: np.random.Generator) -> Plane:
    """Ribs as arcs and clavicles as lines, 0 to 1."""
    strokes = Image.new("L", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(strokes)
    thickness = int(rng.integers(1, 7))
    count = int(rng.integers(0, 11))
    reach, height = SIDE_PX * rng.uniform(0.2, 0.32), SIDE_PX * rng.uniform(0.05, 0.16)
    for rib in range(count):
        for side in (-1, 1):
            middle = (0.5 + side * 0.2) * SIDE_PX
            top = SIDE_PX * (0.12 + 0.75 * rib / max(count, 1)) + rng.uniform(-2, 2)
            box = (middle - reach, top - height, middle + reach, top + height)
            draw.arc(box, 180 if side < 0 else 200, 340 if side < 0 else 360, fill=255, width=thickness)
    if rng.random() < 0.5:
        for side in (-1, 1):
            inner, outer = (0.5 + side * 0.05) * SIDE_PX, (0.5 + side * 0.42) * SIDE_PX
            draw.line((inner, 0.2 * SIDE_PX, outer, 0.13 * SIDE_PX), fill=255, width=thickness + 2)
    return np.asarray(strokes.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.5)))), float) / 255


def _drawn_vessels(rng: np.random.Generator) -> Plane:
    """Crooked lines out of both hila, 0 to 1."""
    strokes = Image.new("L", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(strokes)
    for _ in range(int(rng.integers(10, 50))):
        side = rng.choice([-1, 1])
        at = np.array([0.5 + side * 0.08, 0.45]) * SIDE_PX
        angle = (0 if side > 0 else math.pi) + rng.uniform(-1.3, 1.3)
        for step in range(int(rng.integers(2, 6))):
            angle += rng.normal(0, 0.3)
            end = at + SIDE_PX * 0.07 * np.array([math.cos(angle), math.sin(angle)])
            draw.line((*at, *end), fill=255, width=max(1, 4 - step))
            at = end
    return np.asarray(strokes.filter(ImageFilter.GaussianBlur(1)), float) / 255


OF_OTHER_PARTS: dict[str, Draw] = {"limb_phantom": limb_phantom, "body_phantom": body_phantom}
OF_HEADS: dict[str, Draw] = {"drawn_head": drawn_head, "shepp_logan": shepp_logan}
OF_CHESTS: dict[str, Draw] = {"drawn_chest": drawn_chest}
