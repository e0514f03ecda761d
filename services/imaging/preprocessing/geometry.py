"""Where in an image the edges of a model's input lie, so that what the model says of a place can be shown in
the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.imaging.preprocessing.resizing import resized

Floats = npt.NDArray[np.float32]
LARGEST_HEAT_MAP = 64
"""Rows and columns of a heat map, where the model does not see the whole image."""


@dataclass(frozen=True)
class Seen:
    """A rectangle of the image, in its pixels from the upper left corner; beyond the image where the input
    has borders.
    """

    top: float
    left: float
    bottom: float
    right: float

    def crop(self, top: float, left: float, bottom: float, right: float) -> Seen:
        """The part between these shares of the height and the width; below 0 and above 1 is around it."""
        height, width = self.bottom - self.top, self.right - self.left
        return Seen(
            self.top + top * height,
            self.left + left * width,
            self.top + bottom * height,
            self.left + right * width,
        )

    def is_whole(self, height_px: int, width_px: int) -> bool:
        """Whether it is the image itself."""
        return (self.top, self.left, self.bottom, self.right) == (0, 0, height_px, width_px)


def over_image(cells: Floats, seen: Seen, height_px: int, width_px: int) -> Floats:
    """A map of the input `[rows, columns]` -> one of the whole image, with cells of about the same size.

    What the model does not see is 0. The map itself where it sees the whole image.
    """
    if seen.is_whole(height_px, width_px):
        return cells
    rows = _cell_count(cells.shape[0], height_px, seen.bottom - seen.top)
    columns = _cell_count(cells.shape[1], width_px, seen.right - seen.left)
    return _sampled(cells, seen, height_px, width_px, (rows, columns), nearest=False)


def mask_over_image(
    mask: npt.NDArray[np.bool_], seen: Seen, height_px: int, width_px: int
) -> npt.NDArray[np.bool_]:
    """A mask of the input `[rows, columns]` -> one of the image, by nearest pixels."""
    if seen.is_whole(height_px, width_px):
        whole = resized(mask.astype(np.uint8), height_px, width_px, Image.Resampling.NEAREST)
        return np.asarray(whole, dtype=np.bool_)
    size = (height_px, width_px)
    return _sampled(mask.astype(np.float32), seen, *size, size, nearest=True) > 0.5


def _cell_count(cells: int, image_px: int, seen_px: float) -> int:
    return int(min(max(round(cells * image_px / seen_px), 1), max(LARGEST_HEAT_MAP, cells)))


def _sampled(
    cells: Floats, seen: Seen, height_px: int, width_px: int, size: tuple[int, int], *, nearest: bool
) -> Floats:
    """`cells` at the centres of a grid of `size` over the image; 0 outside of `seen`."""
    rows, in_rows = _places(size[0], height_px, seen.top, seen.bottom, cells.shape[0])
    columns, in_columns = _places(size[1], width_px, seen.left, seen.right, cells.shape[1])
    if nearest:
        found = cells[np.rint(rows).astype(int)][:, np.rint(columns).astype(int)]
    else:
        found = _between(_between(cells, rows).T, columns).T
    return np.asarray(found * in_rows[:, None] * in_columns[None, :], dtype=np.float32)


def _places(
    count: int, image_px: int, start: float, end: float, cells: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """For each of `count` places over the image the index of the cell there, and whether there is one."""
    share = ((np.arange(count) + 0.5) * image_px / count - start) / (end - start)
    return np.clip(share * cells - 0.5, 0, cells - 1), (share >= 0) & (share <= 1)


def _between(cells: Floats, places: npt.NDArray[np.float64]) -> Floats:
    """Rows of `cells` at `places`, linear between them."""
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, len(cells) - 1)
    part = (places - low)[:, None]
    return np.asarray(cells[low] * (1 - part) + cells[high] * part, dtype=np.float32)
