"""What real images differ in without being the worse for it: the gate has to accept all of this."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from services.imaging.grey import Grey
from training.image_gate.flaws import as_grey, as_jpeg, gaussian, longest
from training.image_gate.foreign import font

MARKERS = ("R", "L", "AP", "PA", "P", "SUPINE", "PORTABLE", "ERECT", "10:42", "MOBILE", "SITTING")


def mild(grey: Grey, rng: np.random.Generator) -> Grey:
    """One to three changes."""
    changes = (
        with_margins, collimated, marked, marked, wired,
        slightly_blurred, grainy, toned, contrasted, compressed,
    )  # fmt: skip
    for index in rng.permutation(len(changes))[: int(rng.integers(1, 4))]:
        grey = changes[index](grey, rng)
    return np.ascontiguousarray(grey)


def with_margins(grey: Grey, rng: np.random.Generator) -> Grey:
    """Cropped by up to 8 % or set into black by up to 15 % at each edge: exports differ in what they
    leave.
    """
    height, width = grey.shape
    if rng.random() < 0.4:
        top, bottom, left, right = rng.uniform(0, 0.08, 4)
        return grey[
            int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)
        ]
    top, bottom, left, right = rng.uniform(0, 0.15, 4) * (rng.random(4) < 0.7)
    edges = [(int(top * height), int(bottom * height)), (int(left * width), int(right * width))]
    return np.pad(grey, edges)


def collimated(grey: Grey, rng: np.random.Generator) -> Grey:
    """Black outside a slightly turned rectangle, as a collimator leaves it."""
    height, width = grey.shape
    inset = rng.uniform(0, 0.06, 8) * np.array([width, height] * 4)
    corners = np.array([0, 0, width, 0, width, height, 0, height]) + inset * [1, 1, -1, 1, -1, -1, 1, -1]
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in corners.reshape(4, 2)], fill=255)
    return np.where(np.asarray(mask) > 0, grey, np.uint8(rng.integers(0, 12)))


def marked(grey: Grey, rng: np.random.Generator) -> Grey:
    """Side markers and short annotations near an edge, some on a label of their own."""
    image = Image.fromarray(np.ascontiguousarray(grey))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 4))):
        text = MARKERS[rng.integers(len(MARKERS))]
        size = max(int(longest(grey) * rng.uniform(0.03, 0.07 if len(text) < 3 else 0.045)), 6)
        x, y = rng.uniform(0.02, 0.98) * image.width, rng.uniform(0.02, 0.98) * image.height
        if rng.random() < 0.5:
            x = (0.03 if rng.random() < 0.5 else 0.85) * image.width
        else:
            y = (0.02 if rng.random() < 0.5 else 0.9) * image.height
        place = (float(x), float(y))
        if rng.random() < 0.25:
            draw.rectangle(draw.textbbox(place, text, font=font(size)), fill=int(rng.choice([0, 20, 230])))
        draw.text(place, text, fill=int(rng.choice([255, 220, 180])), font=font(size))
    return np.asarray(image)


def wired(grey: Grey, rng: np.random.Generator) -> Grey:
    """Leads, tubes, clips, or a pacemaker with its wire: thin bright lines and a small bright shape."""
    image = Image.fromarray(np.ascontiguousarray(grey))
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(int(rng.integers(1, 4))):
        points = rng.uniform(0.05, 0.95, (4, 2)) * (width, height)
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 3 * points[0] + 3 * t * (1 - t) ** 2 * points[1]
        curve += 3 * t * t * (1 - t) * points[2] + t**3 * points[3]
        thickness = max(1, round(longest(grey) * rng.uniform(0.003, 0.01)))
        draw.line([(float(x), float(y)) for x, y in curve], fill=int(rng.integers(170, 256)), width=thickness)
        x, y = curve[-1]
        radius = longest(grey) * rng.uniform(0.008, 0.035)
        if rng.random() < 0.6:
            shape = draw.ellipse if rng.random() < 0.7 else draw.rectangle
            shape((x - radius, y - radius, x + radius, y + radius), fill=int(rng.integers(190, 256)))
    return np.asarray(image)


def in_field_of_view(grey: Grey, rng: np.random.Generator) -> Grey:
    """A head as a scanner shows it: turned a little, air around it, some with the arc of the holder."""
    air = int(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))) + 8
    if air > 60:
        return grey  # cut out inside the bone, or on a ground that is not air
    height, width = grey.shape
    side = int(max(grey.shape) * rng.uniform(1.05, 1.7))
    field = Image.new("L", (side, side))
    head = Image.fromarray(grey)
    left, top = (int((side - own) * rng.uniform(0.3, 0.7)) for own in (width, height))
    if rng.random() < 0.5:
        draw = ImageDraw.Draw(field)
        radius = 0.5 * width * rng.uniform(1.05, 1.35)
        low = top + height * rng.uniform(0.98, 1.08)
        box = (left + width / 2 - radius, low - 2 * radius, left + width / 2 + radius, low)
        half = rng.uniform(15, 70)
        draw.arc(box, 90 - half, 90 + half, fill=int(rng.integers(60, 230)), width=int(rng.integers(1, 4)))
    field.paste(head, (left, top), Image.fromarray(np.where(grey > air, np.uint8(255), np.uint8(0))))
    return np.asarray(field.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BILINEAR))


def slightly_blurred(grey: Grey, rng: np.random.Generator) -> Grey:
    return gaussian(grey, rng.uniform(0.001, 0.005) * longest(grey))


def grainy(grey: Grey, rng: np.random.Generator) -> Grey:
    return as_grey(grey + rng.normal(0, rng.uniform(1, 9), grey.shape))


def toned(grey: Grey, rng: np.random.Generator) -> Grey:
    """Another gamma, contrast and brightness, next to nothing clipped."""
    values = (grey / 255.0) ** np.exp(rng.uniform(-0.6, 0.6))
    span = rng.uniform(0.35, 1.05)
    return as_grey(255 * (values * span + rng.uniform(0, max(1 - span, 0))))


def contrasted(grey: Grey, rng: np.random.Generator) -> Grey:
    """Steeper in the middle greys, or raised over its own surroundings, as a scanner's processing does."""
    if rng.random() < 0.5:
        steepness = rng.uniform(2, 7)
        curve = 1 / (1 + np.exp(-steepness * (grey / 255.0 - rng.uniform(0.35, 0.6))))
        low, high = curve.min(), curve.max()
        return as_grey(255 * (curve - low) / max(high - low, 1e-6))
    around = gaussian(grey, rng.uniform(0.02, 0.15) * longest(grey)).astype(float)
    return as_grey(grey + rng.uniform(0.3, 1.2) * (grey - around))


def compressed(grey: Grey, rng: np.random.Generator) -> Grey:
    return as_jpeg(grey, int(rng.integers(20, 90)))
