"""Draws the phantom: a frontal chest X-ray of nobody, from ellipses, arcs and noise.

What is drawn is the thickness of tissue and bone that the rays pass (soft tissue 1 at its thickest), blurred
as by a focal spot; the grey value rises with it, as on a film. The coordinates run from -1 to 1, x to the
image's right (the patient's left), y down. It shows what a chest X-ray shows and is no model of anatomy:
nothing can be measured on it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

SIZE_PX = 512
LABEL = "SYNTHETIC - NOT A PATIENT"

Plane = npt.NDArray[np.float64]
Point = tuple[float, float]


def chest_xray(seed: int, *, opacity: float) -> npt.NDArray[np.uint8]:
    """The phantom as grey values, uint8 [512, 512].

    `opacity` is how dense the consolidation in the patient's right lower lung is; 0: none.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    lungs = _lungs(x, y)
    heart = _ellipse(x, y, (0.12, 0.20), (0.40, 0.27), tilt=0.62, softness=0.04)
    mediastinum = _edge(0.13 + 0.05 * np.clip(-y - 0.2, 0, 1) - np.abs(x + 0.01), 0.05) * (y > -0.75)
    body = _body(x, y)
    air = lungs * (1 - 0.93 * heart) * (1 - 0.92 * mediastinum)
    thickness = body * (1 - 0.60 * air)
    thickness += 0.10 * heart * body + 0.16 * mediastinum * body + _spine(x, y) * body
    thickness += 0.30 * _edge(y - 0.42, 0.15) * body * (1 - lungs)  # liver and stomach below the diaphragm
    thickness -= 0.14 * _edge(0.05 - np.abs(x), 0.02) * _edge(-0.28 - y, 0.06) * body  # trachea
    thickness += 0.20 * _bones() * body + 0.08 * _vessels(rng) * air
    thickness += opacity * _consolidation(x, y, rng) * lungs
    thickness = _blur(thickness, 1.2) + rng.normal(0, 0.006, thickness.shape)
    grey = 235 * np.clip((thickness - 0.02) / 1.35, 0, 1) ** 0.9
    return _labelled(np.clip(grey, 0, 255).astype(np.uint8))


def _edge(signed_distance: Plane, softness: float) -> Plane:
    """1 inside (positive distance), 0 outside, soft between."""
    return 0.5 * (1 + np.tanh(signed_distance / softness))


def _ellipse(x: Plane, y: Plane, centre: Point, radii: Point, *, tilt: float, softness: float) -> Plane:
    u, v = x - centre[0], y - centre[1]
    a, b = u * math.cos(tilt) + v * math.sin(tilt), v * math.cos(tilt) - u * math.sin(tilt)
    return _edge((1 - np.hypot(a / radii[0], b / radii[1])) * min(radii), softness)


def _body(x: Plane, y: Plane) -> Plane:
    chest_width = 0.74 + 0.08 * np.clip(y, -1, 1)
    shoulder = y + 0.86 - 0.55 * np.clip(np.abs(x) - 0.15, 0, 1) ** 1.5
    chest = np.sqrt(np.clip(1 - (x / chest_width) ** 2, 0, 1)) ** 0.7 * _edge(shoulder, 0.06)
    neck = 0.8 * np.sqrt(np.clip(1 - (x / 0.30) ** 2, 0, 1)) * _edge(-0.6 - y, 0.08)
    arms = sum(
        0.55 * _ellipse(x, y, (side * 0.86, -0.55), (0.15, 0.42), tilt=side * 0.35, softness=0.03)
        for side in (-1, 1)
    )
    return np.maximum(np.maximum(chest, neck), arms)


def _lungs(x: Plane, y: Plane) -> Plane:
    both = np.zeros_like(x)
    for side, dome in ((-1, 0.40), (1, 0.47)):
        u = side * x - 0.31 - 0.06 * np.clip(y, -1, 0.5)
        # Narrow at the apex, wide at the base.
        half_width = (
            0.29
            * np.clip(1 - np.clip((0.05 - y) / 0.80, 0, 1) ** 2, 0, 1) ** 0.6
            * (1 + 0.2 * np.clip(y, 0, 1))
        )
        floor = dome - 0.16 * np.sqrt(np.clip(1 - (u / 0.36) ** 2, 0, 1)) + 0.10
        both = np.maximum(both, _edge(half_width - np.abs(u), 0.03) * _edge(floor - y, 0.02))
    return both


def _spine(x: Plane, y: Plane) -> Plane:
    vertebrae = 0.75 + 0.25 * np.cos(2 * np.pi * y / 0.135)
    return 0.16 * _edge(0.085 - np.abs(x + 0.01), 0.012) * vertebrae * _edge(y + 1.05, 0.1)


def _bones() -> Plane:
    """Ribs, clavicles, shoulder blades and upper arms, each brighter at its edge (the cortex)."""
    canvas = _Strokes()
    for side in (-1, 1):
        for rib in range(8):
            top = -0.66 + 0.125 * rib
            reach = 0.24 + 0.36 * math.sin(math.pi * (rib + 1.5) / 12)
            angles = np.linspace(0, math.pi / 2, 24)
            posterior = [
                (side * (0.08 + reach * math.sin(t)), top + 0.24 * (1 - math.cos(t)) ** 1.3) for t in angles
            ]
            canvas.tube(posterior, width=0.055, strength=0.9)
            end_x, end_y = posterior[-1]
            anterior = [
                (end_x * (1 - 0.52 * s), end_y + 0.02 + 0.22 * s - 0.10 * s * s)
                for s in np.linspace(0, 1, 16)
            ]
            canvas.tube(anterior, width=0.045, strength=0.4)
        canvas.tube(
            [(side * 0.07, -0.60), (side * 0.25, -0.66), (side * 0.45, -0.72), (side * 0.66, -0.71)],
            0.05,
            0.9,
        )
        canvas.tube([(side * 0.72, -0.70), (side * 0.82, -0.45), (side * 0.92, -0.15)], 0.10, 0.9)
        canvas.tube([(side * 0.66, -0.68), (side * 0.58, -0.45), (side * 0.62, -0.22)], 0.03, 0.4)
    return canvas.plane(blur_px=1.0)


def _vessels(rng: np.random.Generator) -> Plane:
    """Vessels that leave both hila and grow thin and faint as they branch."""
    canvas = _Strokes()

    def grow(start: Point, angle: float, width: float, length: float) -> None:
        if width < 0.004:
            return
        end = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
        canvas.line([start, end], width, strength=min(1.0, width / 0.02))
        for turn in (rng.uniform(0.15, 0.6), -rng.uniform(0.15, 0.6)):
            grow(end, angle + turn, width * rng.uniform(0.6, 0.8), length * rng.uniform(0.7, 0.95))

    for side, hilum in ((-1, (-0.15, -0.08)), (1, (0.16, -0.12))):
        for angle in np.linspace(-1.2, 1.3, 6):
            grow(hilum, angle if side > 0 else math.pi - angle, 0.024, 0.12)
    return canvas.plane(blur_px=1.5)


def _consolidation(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """A patchy density in the right lower zone, with air bronchograms as darker streaks."""
    patch = _ellipse(x, y, (-0.36, 0.20), (0.24, 0.17), tilt=-0.3, softness=0.10)
    coarse = _blur(rng.normal(0, 1, x.shape), 10)
    patch *= np.clip(1 + 0.22 * coarse / coarse.std(), 0.3, 1.6)
    canvas = _Strokes()
    for angle in (2.3, 2.7, 3.1):
        canvas.line(
            [(-0.18, 0.02), (-0.18 + 0.34 * math.cos(angle), 0.02 + 0.34 * math.sin(angle))], 0.012, 1.0
        )
    return patch * (1 - 0.35 * canvas.plane(blur_px=2.0))


class _Strokes:
    """A canvas for lines, in the phantom's coordinates."""

    def __init__(self) -> None:
        self._sum = np.zeros((SIZE_PX, SIZE_PX))

    def line(self, points: list[Point], width: float, strength: float) -> None:
        image = Image.new("L", (SIZE_PX, SIZE_PX))
        pixels = [((px + 1) / 2 * SIZE_PX, (py + 1) / 2 * SIZE_PX) for px, py in points]
        ImageDraw.Draw(image).line(pixels, fill=255, width=max(1, round(width / 2 * SIZE_PX)), joint="curve")
        self._sum += strength * np.asarray(image, float) / 255

    def tube(self, points: list[Point], width: float, strength: float) -> None:
        """A bone: bright at its two edges, where the rays pass through the cortex, fainter between."""
        self.line(points, width, strength)
        self.line(points, 0.6 * width, -0.45 * strength)

    def plane(self, blur_px: float) -> Plane:
        return _blur(np.clip(self._sum, 0, 1.4), blur_px)


def _blur(plane: Plane, sigma_px: float) -> Plane:
    image = Image.fromarray(plane.astype(np.float32))
    radius = round(3 * sigma_px)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(np.asarray(image, float), radius, mode="edge")
    rows = np.apply_along_axis(np.convolve, 1, padded, kernel, "valid")
    return np.apply_along_axis(np.convolve, 0, rows, kernel, "valid")


def _labelled(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The side marker, and what the image is, burned in."""
    image = Image.fromarray(grey)
    draw = ImageDraw.Draw(image)
    draw.text((30, 200), "R", fill=230, font=ImageFont.load_default(26))
    draw.text((SIZE_PX // 2, SIZE_PX - 12), LABEL, fill=255, font=ImageFont.load_default(13), anchor="mm")
    return np.asarray(image)
