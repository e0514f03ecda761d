"""A series -> a volume of Hounsfield units, upright and rectangular.

Slices that a tilted gantry shifted against each other are shifted back; slices at uneven distances stay where
they are until the volume is resampled. Both are linear. What was uneven is told by the notices of `ordering`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.chassis.notices import Notice
from services.imaging.dicom.geometry import Turn, by_cosines
from services.imaging.images import too_large, unsupported
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import Series

AIR_HU = -1000
"""What lies outside the slices."""
SMALLEST_SHIFT_PX = 0.05
"""Slices that are shifted by less, all of them, are left as they are."""


@dataclass(frozen=True)
class Volume:
    """A box of Hounsfield units."""

    hounsfield: npt.NDArray[np.int16]
    """int16 `[slices, rows, columns]`, rounded to whole units. Slices go to the patient's head, left or back;
    of a transverse stack rows go to the back and columns to the left."""
    positions_mm: npt.NDArray[np.float64]
    """`[slices]`: where each lies along their normal, ascending from 0."""
    spacing_mm: tuple[float, float]
    """Between rows and between columns."""
    notices: tuple[Notice, ...] = ()
    """What of the slices was assumed, repaired or not understood, each once."""

    def resampled(self, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.int16]:
        """int16 `[slices, rows, columns]` with these distances between slices, rows and columns.

        Linear between slices and within them; what becomes smaller within them is averaged, not sampled. What
        is left over at the far ends, less than one distance, is cut off.
        """
        if min(spacing_mm) <= 0:
            raise ValueError("distances are positive")
        extent = [n * mm for n, mm in zip(self.hounsfield.shape[1:], self.spacing_mm, strict=True)]
        rows, columns = (
            max(1, int(mm / step + 1e-6)) for mm, step in zip(extent, spacing_mm[1:], strict=True)
        )
        box = (0, 0, columns * spacing_mm[2] / self.spacing_mm[1], rows * spacing_mm[1] / self.spacing_mm[0])
        box = (0, 0, min(box[2], self.hounsfield.shape[2]), min(box[3], self.hounsfield.shape[1]))
        places = np.arange(0, self.positions_mm[-1] + 1e-6 * spacing_mm[0], spacing_mm[0])
        even = np.empty((len(places), rows, columns), dtype=np.int16)
        for index, place in enumerate(places):
            plane = Image.fromarray(self._plane(place))
            even[index] = np.rint(
                np.asarray(plane.resize((columns, rows), Image.Resampling.BILINEAR, box=box))
            )
        return even

    def _plane(self, place_mm: float) -> npt.NDArray[np.float32]:
        """The plane at a position, between two slices."""
        above = int(np.searchsorted(self.positions_mm, place_mm).clip(1, len(self.positions_mm) - 1))
        low, high = self.positions_mm[above - 1], self.positions_mm[above]
        share = np.float32(min((place_mm - low) / (high - low), 1.0))
        return np.asarray(self.hounsfield[above - 1] * (1 - share) + self.hounsfield[above] * share)


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
    placed = by_cosines(list(geometry.plane.row), list(geometry.plane.column))
    turn = Turn() if placed is None else placed.turn
    if turn.transposed:
        rows, columns, spacing = columns, rows, (spacing[1], spacing[0])
    volume = np.empty((len(series), rows, columns), dtype=np.int16)
    notices: dict[Notice, None] = {}
    for index in range(len(series)):
        plane, of_slice = series.hounsfield(index)
        notices.update(dict.fromkeys(of_slice))
        if margin.any():
            plane = _shifted(plane, shifts[index], margin)
        volume[index] = turn(np.rint(plane).clip(-32768, 32767))
    return Volume(volume, geometry.positions_mm, spacing, tuple(notices))


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
