"""A series -> a volume of Hounsfield units, upright and rectangular.

Slices that a tilted gantry shifted against each other are shifted back; slices at uneven distances stay where
they are until the volume is resampled. Both are linear. What was uneven is told by the notices of `ordering`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.chassis.notices import Notice
from services.imaging.dicom.geometry import Turn, by_cosines, direction
from services.imaging.images import too_large, unsupported
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import Series

Positions = npt.NDArray[np.floating]
"""In mm, `[voxels along an axis]`."""
_PAIRS = ("RL", "AP", "SI")
_HEAD_AND_FEET = str.maketrans("HF", "SI")
"""DICOM's letters -> those of axis codes: superior, inferior."""
AIR_HU = -1000
"""What lies outside the slices."""
SMALLEST_SHIFT_PX = 0.05
"""Slices that are shifted by less, all of them, are left as they are."""


@dataclass(frozen=True)
class Volume:
    """A box of Hounsfield units."""

    hounsfield: npt.NDArray[np.int16]
    """int16 `[depth, height, width]`, rounded to whole units. As it is read, depth goes through the slices to
    the patient's head, left or back, height down and width along each slice as it is displayed."""
    positions_mm: tuple[Positions, Positions, Positions]
    """Where the voxels' centres lie along each axis, ascending from 0."""
    axes: str
    """Where each axis leads, by the patient's directions R/L, A/P, S/I: `SPL` of a transverse stack. Empty:
    oblique."""
    notices: tuple[Notice, ...] = ()
    """What of the slices was assumed, repaired or not understood, each once."""

    def oriented(self, axes: str) -> Volume:
        """The same voxels with other axes, as MONAI's `Orientation` has them; nothing is copied.

        `axes`: three letters out of R/L, A/P, S/I, one of each pair. Raises InvalidInput (INPUT_UNSUPPORTED)
        when the volume is oblique.
        """
        if not self.axes:
            raise unsupported("lies obliquely in the patient, and the model needs it along the body's axes")
        pairs = [_pair(letter) for letter in self.axes]
        order = [pairs.index(_pair(letter)) for letter in axes]
        turned = [self.axes[i] != letter for i, letter in zip(order, axes, strict=True)]
        flips = tuple(slice(None, None, -1) if turn else slice(None) for turn in turned)
        depth, height, width = (
            self.positions_mm[i][-1] - self.positions_mm[i][::-1] if turn else self.positions_mm[i]
            for i, turn in zip(order, turned, strict=True)
        )
        return replace(
            self,
            hounsfield=self.hounsfield.transpose(order)[flips],
            positions_mm=(depth, height, width),
            axes=axes,
        )

    def resampled(self, spacing_mm: tuple[float, float, float]) -> Volume:
        """The volume with voxels at these distances along each axis.

        Trilinear from the centre of the first voxel on, as MONAI's `Spacing` is by default: what becomes
        coarser is sampled, not averaged.
        """
        if min(spacing_mm) <= 0:
            raise ValueError("distances are positive")
        depth, height, width = (
            _between(positions, step) for positions, step in zip(self.positions_mm, spacing_mm, strict=True)
        )
        even = np.empty((len(depth), len(height), len(width)), dtype=np.int16)
        for index in range(len(depth)):
            even[index] = np.rint(width(height(depth.at(self.hounsfield, index)).T).T)
        first, second, third = (np.arange(n) * mm for n, mm in zip(even.shape, spacing_mm, strict=True))
        return replace(self, hounsfield=even, positions_mm=(first, second, third))


def _pair(letter: str) -> str:
    return next(pair for pair in _PAIRS if letter in pair)


@dataclass(frozen=True)
class _Between:
    """Places on an axis, each between two of those that there are."""

    below: npt.NDArray[np.intp]
    """Index of the one before."""
    share: npt.NDArray[np.float32]
    """Of the way to the next."""

    def __len__(self) -> int:
        return len(self.below)

    def __call__(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """`[axis, …]` -> `[places, …]`."""
        share = self.share[:, np.newaxis]
        return np.asarray(values[self.below] * (1 - share) + values[self.below + 1] * share)

    def at(self, values: npt.NDArray[np.int16], index: int) -> npt.NDArray[np.float32]:
        """`[axis, …]` -> `[…]` at one of the places."""
        below, share = self.below[index], self.share[index]
        return np.asarray(values[below] * (1 - share) + values[below + 1] * share)


def _between(positions_mm: npt.NDArray[np.floating], step_mm: float) -> _Between:
    """Places at even distances from the first position to the last, as many as fit when rounded."""
    count = round(float(positions_mm[-1]) / step_mm) + 1
    places = np.minimum(np.arange(count) * step_mm, positions_mm[-1])
    below = (np.searchsorted(positions_mm, places, side="right") - 1).clip(0, len(positions_mm) - 2)
    share = (places - positions_mm[below]) / (positions_mm[below + 1] - positions_mm[below])
    return _Between(below, share.astype(np.float32))


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
