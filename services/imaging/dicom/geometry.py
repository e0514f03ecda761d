"""Which way up an image is by its own attributes, and what turns it the way its readers expect it.

A frontal radiograph is read with the patient's left at the right and the feet at the bottom, a transverse
slice with the left at the right and the back at the bottom. PS3.3 C.7.6.1.1.1 (Patient Orientation),
C.7.6.2.1.1 (Image Orientation Patient).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from services.imaging.dicom.attributes import decimals, macro, texts
from services.imaging.images import View

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
_AXIS = {"L": "x", "R": "x", "A": "y", "P": "y", "H": "z", "F": "z"}
NEARLY_ALONG = 0.8
"""Cosine from which a direction counts as along an axis: gantries tilt by up to 30 degrees (0.87)."""


_PLANES = {frozenset("xz"): View.FRONTAL, frozenset("yz"): View.LATERAL, frozenset("xy"): View.TRANSVERSE}
_WANTED = {
    View.FRONTAL: ("L", "F"),
    View.TRANSVERSE: ("L", "P"),
    View.LATERAL: (None, "F"),
}
"""Where a row and a column lead to in an image that stands as it is read; None: either way will do."""


@dataclass(frozen=True)
class Turn:
    """What sets an image upright: first transposed, then mirrored."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    def __bool__(self) -> bool:
        return self.transposed or self.left_right or self.up_down

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`[rows, columns, …]`, turned."""
        if self.transposed:
            image = np.swapaxes(image, 0, 1)
        return np.ascontiguousarray(image[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])


@dataclass(frozen=True)
class Orientation:
    """How an image lies."""

    view: View
    turn: Turn
    keyword: str
    """The attribute that says so."""


def orientation(dataset: Dataset) -> Orientation | None:
    """From Image Orientation (Patient), else Patient Orientation; None when neither says anything usable."""
    group = macro(dataset, "PlaneOrientationSequence")
    cosines = decimals(group, "ImageOrientationPatient").values
    if len(cosines) == 6 and all(value is not None for value in cosines):
        numbers = [float(value or 0) for value in cosines]
        return by_cosines(numbers[:3], numbers[3:])
    letters = [value[:1] for value in texts(dataset, "PatientOrientation")]
    if len(letters) == 2 and all(letter in _AXIS for letter in letters):
        return _oriented(letters[0], letters[1], "PatientOrientation")
    return None


def by_cosines(row: Sequence[float], column: Sequence[float]) -> Orientation | None:
    """From the direction cosines of a row and a column, three each."""
    along, down = direction(row), direction(column)
    if not along or not down:
        return Orientation(View.OBLIQUE, Turn(), "ImageOrientationPatient")
    return _oriented(along, down, "ImageOrientationPatient")


def direction(cosines: Sequence[float]) -> str:
    """The letter of the direction that a vector points to: the left is +x, the back +y, the head +z; empty:
    oblique.
    """
    axis = max(range(3), key=lambda i: abs(cosines[i]))
    if abs(cosines[axis]) < NEARLY_ALONG:
        return ""
    return ("LR", "PA", "HF")[axis][cosines[axis] < 0]


def _oriented(row: str, column: str, keyword: str) -> Orientation | None:
    """`row` and `column`: where the patient is along a row and down a column."""
    view = _PLANES.get(frozenset((_AXIS[row], _AXIS[column])))
    if view is None:
        return None
    along, down = _WANTED[view]
    transposed = _AXIS[column] != _AXIS[str(down)]
    if transposed:
        row, column = column, row
    turn = Turn(
        transposed, left_right=row == _OPPOSITE.get(str(along)), up_down=column == _OPPOSITE[str(down)]
    )
    return Orientation(view, turn, keyword)


def spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """Distance of two rows' and two columns' centres in the patient; None when the file does not say it.

    A radiograph's Pixel Spacing that only repeats Imager Pixel Spacing is that on the detector, where the
    patient is magnified (PS3.3 10.7.1.3).
    """
    measures = macro(dataset, "PixelMeasuresSequence")
    values = decimals(measures, "PixelSpacing").values
    at_detector = decimals(dataset, "ImagerPixelSpacing").values
    if len(values) != 2 or any(value is None or value <= 0 for value in values):
        return None
    if values == at_detector and not texts(dataset, "PixelSpacingCalibrationType"):
        return None
    return float(values[0] or 0), float(values[1] or 0)
