"""Where a model sees what, as people can read it: heat maps in 0..1, and heat maps and masks over the
image.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.imaging.grey import Grey

Floats = npt.NDArray[np.float32]

OVERLAY_MAX_SIDE_PX = 1024
"""Of the drawn picture; larger images are reduced to it."""
_STRENGTH = np.linspace(0, 1, 256)
_COLOURS = np.stack(
    [
        np.interp(_STRENGTH, (0.0, 0.35, 0.7, 1.0), channel)
        for channel in ((70, 200, 255, 255), (20, 40, 140, 240), (120, 60, 0, 110))
    ],
    axis=-1,
).astype(np.uint8)
"""Violet over red and orange to yellow, by heat: uint8 `[256, 3]`."""
_OPACITY = np.rint(0.6 * 255 * np.minimum(_STRENGTH * 1.5, 1)).astype(np.uint8)
"""More opaque where the heat is stronger, so that cold places show the image itself."""
MASK_OPACITY = 110
"""Of 255."""
_MASK_COLOURS = ((0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (213, 94, 0), (0, 114, 178))
"""Told apart by colour-blind eyes too (Okabe and Ito, 2008); they repeat after six."""


def heat_maps(activation: Floats, *, exclusive: bool) -> Floats:
    """Activation maps `[labels, rows, columns]` -> heat maps of the same shape in 0..1.

    Where labels exclude each other a probability depends only on differences between logits, so each label's
    evidence is counted from the mean over the other labels. What speaks against a label is cut off at 0, and
    each map is scaled by its own maximum.
    """
    others: Floats | float = 0.0
    if exclusive:
        labels = len(activation)
        others = (activation.sum(axis=0, keepdims=True) - activation) / max(labels - 1, 1)
    evidence = np.maximum(activation - others, 0)
    strongest = evidence.max(axis=(1, 2), keepdims=True)
    return np.asarray(evidence / np.where(strongest > 0, strongest, 1), dtype=np.float32)


def draw_overlay(grey: Grey, heat: Floats) -> bytes:
    """Heat map `[rows, columns]` in 0..1 drawn over grey uint8 `[height, width]`: a PNG.

    The map covers the whole image. The palette keeps its order in grey and for colour-blind eyes.
    """
    image = _reduced(grey)
    grown = Image.fromarray(heat.astype(np.float32)).resize(image.size, Image.Resampling.BICUBIC)
    level = np.rint(np.clip(np.asarray(grown), 0, 1) * 255).astype(np.uint8)
    colour, opacity = Image.fromarray(_COLOURS[level]), Image.fromarray(_OPACITY[level])
    return _png(Image.composite(colour, image.convert("RGB"), opacity))


def draw_masks(grey: Grey, masks: Sequence[npt.NDArray[np.bool_]]) -> bytes:
    """Masks `[height, width]` drawn over grey uint8 `[height, width]`, each in a colour of its own: a PNG."""
    image = _reduced(grey).convert("RGB")
    for index, mask in enumerate(masks):
        colour = _MASK_COLOURS[index % len(_MASK_COLOURS)]
        opacity = Image.fromarray(mask.astype(np.uint8) * MASK_OPACITY)
        image.paste(Image.new("RGB", image.size, colour), mask=opacity.resize(image.size))
    return _png(image)


def _reduced(grey: Grey) -> Image.Image:
    image = Image.fromarray(grey)
    image.thumbnail((OVERLAY_MAX_SIDE_PX, OVERLAY_MAX_SIDE_PX))
    return image


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", compress_level=1)
    return out.getvalue()
