"""A series -> a volume of Hounsfield units, upright and rectangular.

Slices that a tilted gantry shifted against each other are shifted back, linearly; slices at uneven distances
stay where they are until the volume is resampled. What was uneven is told by the notices of `ordering`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.chassis.notices import Notice
from services.imaging.dicom.geometry import Turn, by_cosines, direction
from services.imaging.images import too_large, unsupported
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import Series
from services.imaging.series.volume import Volume

AIR_HU = -1000
"""What lies outside the slices."""
SMALLEST_SHIFT_PX = 0.05
"""Slices that are shifted by less, all of them, are left as they are."""
_HEAD_AND_FEET = str.maketrans("HF", "SI")
"""DICOM's letters -> those of axis codes: superior, inferior."""


def read_volume(series: Series, limits: SeriesLimits | None = None) -> Volume:
    """Decodes every slice into one array; blocking, so call it from a pool.

    Raises InvalidInput: INPUT_UNSUPPORTED (a single slice, no positions, no Pixel Spacing, not in Hounsfield
    units), INPUT_TOO_LARGE, and what decoding raises.
    """
    limits = limits or SeriesLimits()
    first, geometry = series.slices[0], series.geometry
    spacing = first.pixel_spacing_mm
    if len(series) < 2:
        raise unsupported("is a single slice; a volume is needed")
    if geometry is None or spacing is None:
        raise unsupported(
            "does not say where its slices lie (Image Position (Patient), Pixel Spacing), as volumes must"
        )
    shifts = geometry.shifts_mm / spacing
    if np.abs(shifts).max() < SMALLEST_SHIFT_PX:
        shifts = np.zeros_like(shifts)
    shifts = shifts - shifts.min(axis=0)
    margin = np.ceil(shifts.max(axis=0)).astype(int)
    rows, columns = first.rows + int(margin[0]), first.columns + int(margin[1])
    if rows * columns * len(series) > limits.max_voxel_count:
        raise too_large(f"holds more than {limits.max_voxel_count} voxels")
    plane = geometry.plane
    placed = by_cosines(plane.row.tolist(), plane.column.tolist())
    turn = Turn() if placed is None else placed.turn
    down, along = plane.column, plane.row
    if turn.transposed:
        rows, columns, spacing = columns, rows, (spacing[1], spacing[0])
        down, along = along, down
    axes = [
        direction(vector.tolist())
        for vector in (
            geometry.direction,
            -down if turn.up_down else down,
            -along if turn.left_right else along,
        )
    ]
    volume = np.empty((len(series), rows, columns), dtype=np.int16)
    notices: dict[Notice, None] = {}
    for index in range(len(series)):
        units, of_slice = series.hounsfield(index)
        notices.update(dict.fromkeys(of_slice))
        if margin.any():
            units = _shifted(units, shifts[index], margin)
        volume[index] = turn(np.rint(units).clip(-32768, 32767))
    positions = (geometry.positions_mm, np.arange(rows) * spacing[0], np.arange(columns) * spacing[1])
    return Volume(
        volume, positions, "".join(axes).translate(_HEAD_AND_FEET) if all(axes) else "", tuple(notices)
    )


def _shifted(
    plane: npt.NDArray[np.float32], shift_px: npt.NDArray[np.float64], margin: npt.NDArray[np.int_]
) -> npt.NDArray[np.float32]:
    """`[rows, columns]`, larger by `margin`, the plane moved down and to the right by `shift_px`; linear."""
    rows, columns = plane.shape
    canvas = np.full((rows + margin[0] + 1, columns + margin[1] + 1), AIR_HU, dtype=np.float32)
    (down, right), (part_down, part_right) = np.divmod(shift_px, 1)[0].astype(int), np.modf(shift_px)[0]
    canvas[down : down + rows, right : right + columns] = plane
    # The part of a pixel that is left: each value is a mean of its own and the one before it.
    canvas[1:] = canvas[1:] * np.float32(1 - part_down) + canvas[:-1] * np.float32(part_down)
    canvas[:, 1:] = canvas[:, 1:] * np.float32(1 - part_right) + canvas[:, :-1] * np.float32(part_right)
    return canvas[:-1, :-1]
