"""One image of a series: which it is, and where it lies in the patient (PS3.3 C.7.6.2, C.7.6.16.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from services.imaging.dicom.attributes import decimals, identifier, integer, macro, text, texts
from services.imaging.dicom.instance import Instance
from services.imaging.images import malformed

Vector = npt.NDArray[np.float64]
UNIT_TOLERANCE = 0.01
"""How far direction cosines may be from unit length and from each other's right angle."""


@dataclass(frozen=True)
class Plane:
    """Where an image lies, in the patient's coordinates: to the left, to the back, to the head, in mm."""

    row: Vector
    """Unit vector along a row, `[3]`."""
    column: Vector
    """Unit vector down a column, `[3]`."""
    position_mm: Vector
    """Centre of the first pixel, `[3]`."""

    @property
    def normal(self) -> Vector:
        """Unit vector `[3]` at right angles to the image."""
        return np.cross(self.row, self.column)


@dataclass(frozen=True)
class Slice:
    """One image of a series, without its pixels."""

    file: int
    """Index of its file among those of the series."""
    frame: int
    """Index of the frame in its file."""
    file_digest: bytes = field(repr=False)
    """Of the bytes of its file."""
    sop_instance_uid: str = field(repr=False)
    """Empty when the file does not say; like the other identifiers it may lead to a patient."""
    series_uid: str = field(repr=False)
    frame_of_reference_uid: str = field(repr=False)
    instance_number: int | None
    """As the file has it; of a multi-frame object the frame's number, from 1."""
    modality: str
    is_localizer: bool
    rows: int
    columns: int
    plane: Plane | None
    """None when the file does not say where the image lies."""
    pixel_spacing_mm: tuple[float, float] | None
    """Between rows and between columns."""
    thickness_mm: float | None


def read_slice(instance: Instance, file: int, frame: int, file_digest: bytes) -> Slice:
    """Reads the header of one frame. Raises InvalidInput on numbers that cannot be."""
    header = instance.frame_header(frame)
    is_single = instance.frame_count == 1
    # A position that all frames of a classic multi-frame object share does not say where each lies.
    placed = is_single or instance.has_frame_groups
    kinds = texts(header, "ImageType") + texts(macro(header, "CTImageFrameTypeSequence"), "FrameType")
    measures = macro(header, "PixelMeasuresSequence")
    return Slice(
        file,
        frame,
        file_digest,
        identifier(header, "SOPInstanceUID"),
        identifier(header, "SeriesInstanceUID"),
        identifier(header, "FrameOfReferenceUID"),
        integer(header, "InstanceNumber") if is_single else frame + 1,
        text(header, "Modality"),
        "LOCALIZER" in kinds,
        integer(header, "Rows") or 0,
        integer(header, "Columns") or 0,
        _plane(header) if placed else None,
        _pixel_spacing(measures),
        _positive(measures, "SliceThickness"),
    )


def _plane(header: Dataset) -> Plane | None:
    cosines = _numbers(macro(header, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    position = _numbers(macro(header, "PlanePositionSequence"), "ImagePositionPatient", 3)
    if cosines is None or position is None:
        return None
    row, column = cosines[:3], cosines[3:]
    lengths = np.array([row @ row, column @ column])
    if np.abs(lengths - 1).max() > 2 * UNIT_TOLERANCE or abs(row @ column) > UNIT_TOLERANCE:
        raise malformed(
            "states an Image Orientation (Patient) that is not a pair of perpendicular unit vectors"
        )
    return Plane(row / np.sqrt(lengths[0]), column / np.sqrt(lengths[1]), position)


def _numbers(group: Dataset, keyword: str, count: int) -> Vector | None:
    values = decimals(group, keyword).values
    if not values:
        return None
    if len(values) != count or any(value is None for value in values):
        raise malformed(f"holds no {count} numbers in {keyword}")
    return np.array(values, dtype=np.float64)


def _pixel_spacing(group: Dataset) -> tuple[float, float] | None:
    values = _numbers(group, "PixelSpacing", 2)
    if values is None:
        return None
    if values.min() <= 0:
        raise malformed("states a Pixel Spacing that is not positive")
    return float(values[0]), float(values[1])


def _positive(group: Dataset, keyword: str) -> float | None:
    value = decimals(group, keyword).first
    return value if value is not None and value > 0 else None
