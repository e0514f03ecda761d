"""Grey levels: values of any range -> uint8, where 0 is shown black and 255 white."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_SAMPLE = 1_000_000
"""Values from which a percentile is taken."""

Grey = npt.NDArray[np.uint8]


def apply_window(values: npt.NDArray[np.float32], center: float, width: float) -> Grey:
    """Linear window: `center - width/2` and below is 0, `center + width/2` and above is 255."""
    lowest = center - width / 2
    scaled = (values - lowest) * (255.0 / width)
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.uint8)


def spread(values: npt.NDArray[Any]) -> Grey:
    """Numbers of unknown range `[height, width]` -> grey uint8: `display_range` becomes black and white."""
    low, high = display_range(every_nth(values).astype(np.float32))
    grey = np.empty(values.shape, dtype=np.uint8)
    for row, numbers in zip(grey, values, strict=True):  # a copy of all of it may take a gigabyte
        row[:] = apply_window(numbers.astype(np.float32), (low + high) / 2, high - low)
    return grey


def every_nth(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every n-th row and column of a large image: a percentile of millions of values takes seconds."""
    nth = step(values.size)
    return values[::nth, ::nth]


def step(size: int) -> int:
    """How many rows and columns of so many values lie between two that are sampled."""
    return max(1, int((size / LARGEST_SAMPLE) ** 0.5))


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
