"""Rectangles of pixels that are covered, and the cells of a grid that they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

CELL_PX = 4
"""Side of a cell."""
Cells = npt.NDArray[np.bool_]


class MaskCause(StrEnum):
    """Why a rectangle is covered; the contract's names."""

    TEXT = "text"
    OUTSIDE_ULTRASOUND_REGIONS = "outside_ultrasound_regions"


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle, its right and lower edges not included."""

    top: int
    left: int
    bottom: int
    right: int
    cause: MaskCause = MaskCause.TEXT

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def rows(self) -> slice:
        """For an array's first axis."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """For its second."""
        return slice(self.left, self.right)


def grown(cells: Cells, rows: int, columns: int) -> Cells:
    """The cells and their neighbours, so many up and down, left and right."""
    for axis, reach in ((0, rows), (1, columns)):
        for _ in range(reach):
            padded = np.pad(cells, [(1, 1) if axis == one else (0, 0) for one in (0, 1)])
            before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
            cells = cells | before | after
    return cells


def boxes(cells: Cells, height_px: int, width_px: int) -> list[Box]:
    """The rectangles around the connected cells, within an image of this size, in reading order."""
    found = []
    for members in _connected(cells):
        rows, columns = members[:, 0], members[:, 1]
        box = Box(
            int(rows.min()) * CELL_PX,
            int(columns.min()) * CELL_PX,
            min((int(rows.max()) + 1) * CELL_PX, height_px),
            min((int(columns.max()) + 1) * CELL_PX, width_px),
        )
        if box.height > 0 and box.width > 0:
            found.append(box)
    return sorted(found)


def _connected(cells: Cells) -> Iterable[npt.NDArray[np.intp]]:
    """The groups of cells that touch at an edge or a corner; each `[count, 2]` of row and column."""
    left = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    while left:
        reached = [left.pop()]
        for row, column in reached:  # grows while it is gone through
            around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= around
            reached.extend(around)
        yield np.array(reached)


def outside(regions: Iterable[Box], height_px: int, width_px: int) -> list[Box]:
    """Rectangles that cover what lies outside all regions of an image."""
    free = np.ones((height_px, width_px), np.bool_)
    for region in regions:
        free[region.rows, region.columns] = False
    return sorted(_rectangles(free))


def _rectangles(free: Cells) -> Iterable[Box]:
    """Runs of equal rows, cut where columns change."""
    height, _ = free.shape
    top = 0
    while top < height:
        same = np.flatnonzero((free[top:] != free[top]).any(axis=1))
        bottom = top + int(same[0]) if same.size else height
        edges = np.flatnonzero(np.diff(np.pad(free[top].astype(np.int8), 1)))
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            yield Box(top, int(left), bottom, int(right), MaskCause.OUTSIDE_ULTRASOUND_REGIONS)
        top = bottom
