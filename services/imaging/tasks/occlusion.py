"""Where evidence lies, by covering parts of the input and watching the probabilities fall (Zeiler and Fergus,
ECCV 2014): for models whose graph has no activation map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

CELLS = 7
"""Rows and columns of the grid; each cell is one inference."""


def covered(tensor: npt.NDArray[Any], *, channels_first: bool, batch_size: int) -> Iterator[npt.NDArray[Any]]:
    """The input with each cell of the grid in turn covered by its channels' means, row by row, in batches."""
    image = np.moveaxis(tensor, 0, -1) if channels_first else tensor
    rows, columns = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in image.shape[:2])
    mean = image.mean(axis=(0, 1), dtype=np.float64)
    fill = (np.rint(mean) if tensor.dtype == np.uint8 else mean).astype(tensor.dtype)
    cells = [(row, column) for row in range(CELLS) for column in range(CELLS)]
    for start in range(0, len(cells), batch_size):
        part = cells[start : start + batch_size]
        batch = np.repeat(tensor[np.newaxis], len(part), axis=0)
        images = np.moveaxis(batch, 1, -1) if channels_first else batch
        for one, (row, column) in zip(images, part, strict=True):
            one[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = fill
        yield batch


def evidence(whole: npt.NDArray[np.float64], without: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Heat maps `[labels, CELLS, CELLS]` in 0..1: how far each label's probability falls without a cell.

    `whole`: `[labels]`, of the uncovered input. `without`: `[CELLS * CELLS, labels]`.
    """
    fall = np.maximum(whole - without, 0).T.reshape(len(whole), CELLS, CELLS)
    most = fall.max(axis=(1, 2), keepdims=True)
    return np.asarray(fall / np.where(most > 0, most, 1), dtype=np.float32)
