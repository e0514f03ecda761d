"""Activation maps -> heat maps that people can read: scaled to 0..1, and drawn over the image."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.imaging.preprocessing import Grey

Floats = npt.NDArray[np.float32]

OVERLAY_MAX_SIDE_PX = 1024
"""Of the drawn picture; larger images are reduced to it."""
_HEAT = np.array([0.0, 0.35, 0.7, 1.0])
_RED = np.array([70.0, 200.0, 255.0, 255.0])
_GREEN = np.array([20.0, 40.0, 140.0, 240.0])
_BLUE = np.array([120.0, 60.0, 0.0, 110.0])
_STRONGEST_OPACITY = 0.6


def heat_maps(activation: Floats) -> Floats:
    """Activation maps `[labels, rows, columns]` -> heat maps of the same shape in 0..1.

    A class probability depends only on differences between logits, so each label's evidence is counted from
    the mean
    over the other labels; what speaks against the label is cut off at 0, and each map is scaled by its own
    maximum.
    """
    labels = len(activation)
    others = (activation.sum(axis=0, keepdims=True) - activation) / max(labels - 1, 1)
    evidence = np.maximum(activation - others, 0)
    strongest = evidence.max(axis=(1, 2), keepdims=True)
    return np.asarray(evidence / np.where(strongest > 0, strongest, 1), dtype=np.float32)


def draw_overlay(grey: Grey, heat: Floats) -> bytes:
    """Heat map `[rows, columns]` in 0..1 drawn over grey uint8 `[height, width]`: a PNG.

    Violet over red and orange to yellow, more opaque where the heat is stronger, so that cold places show
    the image itself. The map covers the whole image.
    """
    image = Image.fromarray(grey)
    image.thumbnail((OVERLAY_MAX_SIDE_PX, OVERLAY_MAX_SIDE_PX))
    grown = Image.fromarray(heat.astype(np.float32)).resize(image.size, Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(grown, dtype=np.float32), 0, 1)
    colour = np.stack([np.interp(strength, _HEAT, channel) for channel in (_RED, _GREEN, _BLUE)], axis=-1)
    opacity = (_STRONGEST_OPACITY * np.minimum(strength * 1.5, 1))[..., np.newaxis]
    base = np.asarray(image, dtype=np.float32)[..., np.newaxis]
    drawn = np.rint(base * (1 - opacity) + colour * opacity).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(drawn, mode="RGB").save(out, format="PNG", compress_level=3)
    return out.getvalue()
