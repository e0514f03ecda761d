"""Decoded image -> the uint8 tensor a model takes; the one piece of code for training and for serving.

Every network takes `[1, side, side]` grey bytes and does its own scaling inside the graph, so what can
differ between training and serving is only what happens here: the choice of grey values and one resize.

The whole image is stretched to the square. Keeping the aspect ratio (letter-boxing) was considered and
refused: 70 % of
the paediatric chest radiographs were published already stretched to a square, so only stretching gives both
kinds, and a full-size radiograph, the same geometry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

PREPROCESSING_VERSION = "imaging-square-2"
"""Named in every model card and every answer; changes whenever the bytes that a network sees could change."""

LARGEST_SAMPLE = 1_000_000
"""Values from which a percentile is taken."""

BRAIN_WINDOW_CENTER_HU = 40.0
BRAIN_WINDOW_WIDTH_HU = 80.0
"""The usual window for brain tissue: 0 HU is black, 80 HU is white; fresh blood (50-80 HU) is bright."""

Grey = npt.NDArray[np.uint8]


def stretch_to_square(grey: Grey, side_px: int) -> Grey:
    """Grey uint8 `[height, width]` -> uint8 `[1, side_px, side_px]`, the aspect ratio given up (see the
    module).

    Pillow's bilinear filter widens with the reduction factor, so a full-size radiograph is averaged, not
    sampled.
    """
    if grey.dtype != np.uint8 or grey.ndim != 2:
        raise ValueError(f"expected uint8 [height, width], got {grey.dtype} with {grey.ndim} axes")
    square = Image.fromarray(grey).resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(square, dtype=np.uint8)[np.newaxis]


def apply_window(values: npt.NDArray[np.float32], center: float, width: float) -> Grey:
    """Linear window: `center - width/2` and below is 0, `center + width/2` and above is 255."""
    lowest = center - width / 2
    scaled = (values - lowest) * (255.0 / width)
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.uint8)


def brain_window(hounsfield: npt.NDArray[np.float32]) -> Grey:
    """Hounsfield units `[height, width]` -> grey uint8 of the brain window."""
    return apply_window(hounsfield, BRAIN_WINDOW_CENTER_HU, BRAIN_WINDOW_WIDTH_HU)


def spread(values: npt.NDArray[np.float32]) -> Grey:
    """Values of unknown range `[height, width]` -> grey uint8: `display_range` becomes black and white."""
    low, high = display_range(every_nth(values))
    return apply_window(values, (low + high) / 2, high - low)


def every_nth(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every n-th row and column of a large image: a percentile of millions of values takes seconds."""
    step = max(1, int((values.size / LARGEST_SAMPLE) ** 0.5))
    return values[::step, ::step]


def display_range(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """What is shown as black and as white where nothing says it: the 0.5 and 99.5 percentiles.

    The first is less than the second, also for values without contrast, which all become black.
    """
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)
