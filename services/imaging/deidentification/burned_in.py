"""Finds text that is burned into an image, by whatever model is served for it.

The image is looked at in overlapping tiles and at several magnifications, since letters of a few pixels
and of a hundred are the same letters; a place counts as text where any of them says so. What is found is
grown by about half a letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.imaging.deidentification.boxes import CELL_PX, Box, Cells, boxes, grown
from services.imaging.grey import Grey

OVERLAP_PX = 64
LARGEST_SIDE_PX = 3072
"""Of the first magnification: larger images are reduced to it, where letters that can be read at a glance
are large still.
"""
SMALL_SIDE_PX = 768
"""Images up to this size are looked at enlarged too."""
SMALLEST_SIDE_PX = 160
"""Below this a reduced image shows no text any more."""
MARKER_SHAPE = 1.7
"""Width over height up to which a lone box is a marker, not a word: at most two letters."""

Probabilities = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Tile:
    """A square of a view at one magnification."""

    pixels: Grey
    scale: float
    """Pixels of the tile for one of the view."""
    left: int
    """First column, in pixels at this magnification."""
    top: int


def tiles(view: Grey, side_px: int) -> Iterator[Tile]:
    """The view in tiles of `side_px`; those at the edges are filled up with the edge's own grey."""
    for scale in _scales(*view.shape):
        height, width = (max(1, round(extent * scale)) for extent in view.shape)
        resampling = Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX
        scaled = view if scale == 1 else np.asarray(Image.fromarray(view).resize((width, height), resampling))
        for top in _starts(height, side_px):
            for left in _starts(width, side_px):
                piece = scaled[top : top + side_px, left : left + side_px]
                below, right = side_px - piece.shape[0], side_px - piece.shape[1]
                if below or right:
                    piece = np.pad(piece, ((0, below), (0, right)), mode="edge")
                yield Tile(np.ascontiguousarray(piece), scale, left, top)


def _scales(height: int, width: int) -> list[float]:
    first = min(1.0, LARGEST_SIDE_PX / max(height, width))
    scales = [2.0, first] if max(height, width) <= SMALL_SIDE_PX else [first]
    while min(height, width) * scales[-1] / 2 >= SMALLEST_SIDE_PX:
        scales.append(scales[-1] / 2)
    return scales


def _starts(extent: int, side: int) -> list[int]:
    if extent <= side:
        return [0]
    count = -(-(extent - OVERLAP_PX) // (side - OVERLAP_PX))
    return [round(one) for one in np.linspace(0, extent - side, count)]


class TextMap:
    """Where text is in one image, gathered from its tiles."""

    def __init__(self, height_px: int, width_px: int, min_probability: float) -> None:
        self._height_px, self._width_px = height_px, width_px
        self._min_probability = min_probability
        self._cells: Cells = np.zeros((-(-height_px // CELL_PX), -(-width_px // CELL_PX)), np.bool_)

    def add(self, tile: Tile, probabilities: Probabilities) -> None:
        """`probabilities` `[rows, columns]` of the tile's own cells."""
        cell_px = tile.pixels.shape[0] / probabilities.shape[0] / tile.scale
        rows, columns = np.nonzero(probabilities >= self._min_probability)
        top, left = tile.top / tile.scale, tile.left / tile.scale
        reach = max(1, round(cell_px / CELL_PX))
        for row, column in zip(
            ((top + rows * cell_px) // CELL_PX).astype(int).tolist(),
            ((left + columns * cell_px) // CELL_PX).astype(int).tolist(),
            strict=True,
        ):
            self._cells[row : row + reach, column : column + reach] = True

    def boxes(self) -> list[Box]:
        """The places, each grown by about a third of its height, words of a line joined."""
        joined = grown(self._cells, 1, 2)
        found = boxes(joined, self._height_px, self._width_px)
        return [self._with_margin(box) for box in found]

    def _with_margin(self, box: Box) -> Box:
        margin = max(3, min(box.height, box.width) * 3 // 10)
        return Box(
            max(box.top - margin, 0),
            max(box.left - margin, 0),
            min(box.bottom + margin, self._height_px),
            min(box.right + margin, self._width_px),
        )


def without_markers(found: Sequence[Box]) -> list[Box]:
    """The boxes that are wider or taller than two letters; a side marker or a view stays."""
    return [box for box in found if max(box.width / box.height, box.height / box.width) > MARKER_SHAPE]
