"""Stored values -> pictures in which burned-in text can be seen, however the image itself is displayed.

A window may hide what the values still hold, as white letters on what a window shows white. So each frame
is looked at twice: as it is best seen, and over the whole range of its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from services.imaging.grey import Grey, apply_window, spread
from services.imaging.images import strips

ALIKE = 12.0
"""Mean difference in grey levels below which a second view shows nothing new."""


def grey_views(values: npt.NDArray[Any]) -> list[Grey]:
    """Of one channel `[rows, columns]`, whatever numbers it holds."""
    low, high = float(values.min()), float(values.max())
    if values.dtype == np.uint8:
        return _unlike([values, spread(values)] if low < high else [values])
    if low == high:
        return [np.zeros(values.shape, np.uint8)]
    whole = np.empty(values.shape, np.uint8)
    for rows in strips(len(values)):
        whole[rows] = apply_window(values[rows].astype(np.float32), (low + high) / 2, high - low)
    return _unlike([whole, spread(values)])


def colour_views(samples: npt.NDArray[Any]) -> list[Grey]:
    """Of red, green and blue `[rows, columns, 3]`: their mean, and what stands out in one of them alone."""
    if samples.dtype != np.uint8:
        eight = np.empty(samples.shape, np.uint8)
        for one in range(3):
            eight[..., one] = spread(samples[..., one])
        samples = eight
    return colour_views_of(samples.shape[0], samples.shape[1], samples.__getitem__)


def colour_views_of(
    row_count: int, column_count: int, samples: Callable[[slice], npt.NDArray[np.uint8]]
) -> list[Grey]:
    """The same of 8 bits, given some rows at a time."""
    mean, most, least = (np.empty((row_count, column_count), np.uint8) for _ in range(3))
    for rows in strips(row_count):
        part = samples(rows)
        mean[rows], most[rows], least[rows] = part.mean(axis=2), part.max(axis=2), part.min(axis=2)
    return _unlike([mean, most, least])


def _unlike(views: list[Grey]) -> list[Grey]:
    kept = views[:1]
    for view in views[1:]:
        if all(_difference(view, one) >= ALIKE for one in kept):
            kept.append(view)
    return kept


def _difference(view: Grey, other: Grey) -> float:
    """In grey levels, on the mean."""
    parts = (
        np.abs(view[rows].astype(np.int16) - other[rows]).sum(dtype=np.int64) for rows in strips(len(view))
    )
    return float(sum(parts)) / view.size
