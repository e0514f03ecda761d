"""A box of Hounsfield units: its axes and where its voxels lie, turned and resampled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.chassis.notices import Notice
from services.imaging.images import unsupported

Positions = npt.NDArray[np.floating]
"""In mm, `[voxels along an axis]`."""
PAIRS = ("RL", "AP", "SI")
"""Opposite directions in the patient."""


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
            raise ValueError("distances must be positive")
        depth, height, width = (
            _between(positions, step) for positions, step in zip(self.positions_mm, spacing_mm, strict=True)
        )
        even = np.empty((len(depth), len(height), len(width)), dtype=np.int16)
        for index in range(len(depth)):
            even[index] = np.rint(width(height(depth.at(self.hounsfield, index)).T).T)
        first, second, third = (np.arange(n) * mm for n, mm in zip(even.shape, spacing_mm, strict=True))
        return replace(self, hounsfield=even, positions_mm=(first, second, third))


def _pair(letter: str) -> str:
    return next(pair for pair in PAIRS if letter in pair)


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
