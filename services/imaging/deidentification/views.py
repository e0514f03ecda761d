"""Stored values -> pictures in which burned-in text can be seen, however the image itself is displayed.

A window may hide what the values still hold, as white letters on what a window shows white. So each frame
is looked at twice: as it is best seen, and over the whole range of its values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.imaging.grey import Grey, apply_window, spread

ALIKE = 12.0
"""Mean difference in grey levels below which a second view shows nothing new."""


def grey_views(values: npt.NDArray[Any]) -> list[Grey]:
    """Of one channel `[rows, columns]`, whatever numbers it holds."""
    if values.dtype == np.uint8:
        numbers = values.astype(np.float32)
        views = [values, spread(numbers)] if values.min() < values.max() else [values]
    else:
        numbers = values.astype(np.float32)
        low, high = float(numbers.min()), float(numbers.max())
        if low == high:
            return [np.zeros(values.shape, np.uint8)]
        views = [apply_window(numbers, (low + high) / 2, high - low), spread(numbers)]
    return _unlike(views)


def colour_views(samples: npt.NDArray[Any]) -> list[Grey]:
    """Of red, green and blue `[rows, columns, 3]`: their mean, and what stands out in one of them alone."""
    if samples.dtype != np.uint8:
        samples = np.stack([spread(samples[..., one].astype(np.float32)) for one in range(3)], axis=-1)
    mean = samples.mean(axis=2).astype(np.uint8)
    return _unlike([mean, samples.max(axis=2), samples.min(axis=2)])


def _unlike(views: list[Grey]) -> list[Grey]:
    kept = views[:1]
    for view in views[1:]:
        if all(np.abs(view.astype(np.int16) - one).mean() >= ALIKE for one in kept):
            kept.append(view)
    return kept
