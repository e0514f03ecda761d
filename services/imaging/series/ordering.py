"""Slices in any order -> the order along their normal, what is unusual about it, or why they are no series.

Refused is what cannot be one stack of slices: several series, frames of reference, modalities, sizes or
orientations, two different images at one place. What can be read but could mislead a reader (slices that are
missing, uneven or apart, a localizer that was left out) is told in a notice that asks for review.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from services.chassis.notices import Notice
from services.imaging.dicom.attributes import assumed
from services.imaging.images import inconsistent, malformed
from services.imaging.series.slices import Plane, Slice, Vector

PARALLEL = 0.01
"""How far direction cosines of the slices of one stack may differ; scanners write four to six decimals."""
SAME_PLACE_MM = 0.01
SAME_SPACING = 0.01
"""Share by which pixel spacings may differ: devices round them."""
EVEN = 0.1
"""Share of the usual distance by which a distance between two slices may differ from it."""
APART = 1.1
"""How many times its thickness a slice may lie from the next before tissue between them counts as unseen."""
TILTED = 0.0175
"""Shift of a slice within its plane, relative to its distance from the first, from which the stack counts as
sheared: a gantry tilted by one degree."""


@dataclass(frozen=True)
class Geometry:
    """How a stack lies; vectors in the patient's coordinates (to the left, to the back, to the head)."""

    plane: Plane
    """Of the first slice."""
    direction: Vector
    """Unit vector `[3]` along which the slices are ordered: the way to the patient's head, left or back."""
    positions_mm: Vector
    """`[slices]`: each slice's distance from the first along `direction`, ascending."""
    shifts_mm: Vector
    """`[slices, 2]`: how far the first pixel of each lies from that of the first slice, down the columns and
    along the rows; not zero in a stack that a tilted gantry sheared."""
    spacing_mm: float
    """The usual distance of two slices; 0 of a single slice."""


@dataclass(frozen=True)
class Ordering:
    """The slices of one stack."""

    slices: tuple[Slice, ...]
    geometry: Geometry | None
    """None when no slice says where it lies: they are in the order of their numbers."""
    notices: tuple[Notice, ...]


def order(slices: Sequence[Slice]) -> Ordering:
    """Orders the slices, at least one. Raises InvalidInput (INPUT_INCONSISTENT, INPUT_MALFORMED)."""
    notices: list[Notice] = []
    kept = _without_repeats(_without_localizers(slices, notices), notices)
    _check_alike(kept, notices)
    placed = [(one, one.plane) for one in kept if one.plane is not None]
    if not placed:
        return Ordering(_by_number(kept, notices), None, tuple(notices))
    if len(placed) < len(kept):
        raise malformed("holds slices of which some say where they lie and others do not")
    stack, geometry = _by_position(placed)
    notices += _about_spacing(stack, geometry)
    notices += _about_shifts(stack, geometry)
    return Ordering(stack, geometry, tuple(notices))


def _without_localizers(slices: Sequence[Slice], notices: list[Notice]) -> list[Slice]:
    kept = [one for one in slices if not one.is_localizer]
    if not kept or len(kept) == len(slices):
        return list(slices)
    notices.append(
        Notice(
            "SERIES_LOCALIZER_LEFT_OUT",
            f"{_count(len(slices) - len(kept), 'localizer')} among the slices and left out.",
            review_required=True,
            places=("ImageType",),
        )
    )
    return kept


def _without_repeats(slices: Sequence[Slice], notices: list[Notice]) -> list[Slice]:
    """Refuses different files under one identifier: nobody can tell which is right."""
    kept: dict[tuple[bytes, int], Slice] = {(one.file_digest, one.frame): one for one in slices}
    named = Counter((one.sop_instance_uid, one.frame) for one in kept.values() if one.sop_instance_uid)
    if any(count > 1 for count in named.values()):
        raise inconsistent("holds different images under one SOP Instance UID")
    if len(kept) < len(slices):
        notices.append(
            Notice(
                "SERIES_SLICE_REPEATED",
                f"{_count(len(slices) - len(kept), 'image')} a repeat of another in the series and left out.",
                review_required=True,
                places=("SOPInstanceUID",),
            )
        )
    return list(kept.values())


def _check_alike(slices: Sequence[Slice], notices: list[Notice]) -> None:
    for keyword, value, what in _ALIKE:
        found = {value(one) for one in slices}
        if len(found - {""}) > 1:
            raise inconsistent(
                f"holds slices of {len(found - {''})} {what}; send one stack of slices at a time"
            )
        if "" in found and (len(found) > 1 or len(slices) > 1):
            notices.append(assumed(keyword, "one for all slices"))
    spacings = np.array([one.pixel_spacing_mm for one in slices if one.pixel_spacing_mm is not None])
    if 0 < len(spacings) < len(slices):
        raise malformed("holds slices of which some state a Pixel Spacing and others do not")
    if len(spacings) and (np.ptp(spacings, axis=0) > SAME_SPACING * spacings.min(axis=0)).any():
        raise inconsistent("holds slices of several Pixel Spacings; send one stack of slices at a time")


_ALIKE: tuple[tuple[str, Callable[[Slice], Hashable], str], ...] = (
    ("SeriesInstanceUID", lambda one: one.series_uid, "series"),
    ("FrameOfReferenceUID", lambda one: one.frame_of_reference_uid, "frames of reference"),
    ("Modality", lambda one: one.modality, "modalities"),
    ("Rows", lambda one: (one.rows, one.columns), "sizes"),
)


def _by_number(slices: Sequence[Slice], notices: list[Notice]) -> tuple[Slice, ...]:
    numbers = [one.instance_number for one in slices if one.instance_number is not None]
    numbered = len(set(numbers)) == len(slices)
    if len(slices) > 1:
        notices.append(
            Notice(
                "SERIES_ORDER_ASSUMED",
                "No slice says where it lies; they were taken in the order "
                + ("of their numbers." if numbered else "in which they came."),
                review_required=True,
                places=("ImagePositionPatient", "ImageOrientationPatient"),
            )
        )
    return tuple(sorted(slices, key=lambda one: one.instance_number or 0) if numbered else slices)


def _by_position(placed: Sequence[tuple[Slice, Plane]]) -> tuple[tuple[Slice, ...], Geometry]:
    first = placed[0][1]
    for _, plane in placed:
        if max(np.abs(plane.row - first.row).max(), np.abs(plane.column - first.column).max()) > PARALLEL:
            raise inconsistent("holds slices of several orientations; send one stack of slices at a time")
    normal = first.normal
    direction = normal * np.sign(normal[np.argmax(np.abs(normal))])
    placed = sorted(placed, key=lambda pair: float(pair[1].position_mm @ direction))
    plane = placed[0][1]
    offsets = np.array([other.position_mm for _, other in placed]) - plane.position_mm
    positions = offsets @ direction
    distances = np.diff(positions)
    if distances.size and distances.min() < SAME_PLACE_MM:
        raise inconsistent(
            "holds different images of one place, e.g. of several acquisitions, phases or reconstructions; "
            "send one of them"
        )
    shifts = np.stack([offsets @ plane.column, offsets @ plane.row], axis=1)
    spacing = float(np.median(distances)) if distances.size else 0.0
    return tuple(one for one, _ in placed), Geometry(plane, direction, positions, shifts, spacing)


def _about_spacing(stack: Sequence[Slice], geometry: Geometry) -> list[Notice]:
    if len(stack) < 2:
        return []
    distances = np.diff(geometry.positions_mm)
    usual = geometry.spacing_mm
    missing, uneven = [], []
    absent_count = 0
    for index, distance in enumerate(distances):
        if abs(distance - usual) <= EVEN * usual:
            continue
        multiple = round(distance / usual)
        thickness = max(stack[index].thickness_mm or 0.0, stack[index + 1].thickness_mm or 0.0)
        # Thicker slices lie further apart: nothing is missing between them.
        explained = bool(thickness) and distance <= APART * thickness
        if multiple >= 2 and abs(distance - multiple * usual) <= EVEN * usual and not explained:
            missing.append(index)
            absent_count += multiple - 1
        else:
            uneven.append(index)
    numbers = {one.instance_number for one in stack if one.instance_number is not None}
    skipped = max(numbers) - min(numbers) + 1 - len(numbers) if len(numbers) == len(stack) else 0
    notices = []
    if missing or skipped > 0:
        notices.append(
            Notice(
                "SERIES_SLICES_MISSING",
                f"{_count(max(absent_count, skipped), 'slice')} missing, by position or by number.",
                review_required=True,
                places=(*(["InstanceNumber"] if skipped > 0 else []), *_between(missing)),
            )
        )
    if uneven:
        notices.append(
            Notice(
                "SERIES_SPACING_UNEVEN",
                "The slices do not lie at even distances.",
                review_required=True,
                places=("ImagePositionPatient", *_between(uneven)),
            )
        )
    thickness = float(np.median([one.thickness_mm or np.inf for one in stack]))
    if usual > APART * thickness:
        notices.append(
            Notice(
                "SERIES_GAPS_BETWEEN_SLICES",
                "The slices lie further apart than they are thick: what is between them was not imaged.",
                review_required=True,
                places=("SliceThickness", "ImagePositionPatient"),
            )
        )
    return notices


def _about_shifts(stack: Sequence[Slice], geometry: Geometry) -> list[Notice]:
    """A steady shift is a tilted gantry; any other is a patient or a table that moved."""
    if len(stack) < 2:
        return []
    length = geometry.positions_mm[-1]
    slope = geometry.shifts_mm[-1] / length
    residual = np.abs(geometry.shifts_mm - geometry.positions_mm[:, None] * slope).max()
    pixel = min(stack[0].pixel_spacing_mm or (1.0, 1.0))
    if residual > pixel:
        return [
            Notice(
                "SERIES_SLICES_SHIFTED",
                "The slices are shifted against each other unevenly.",
                review_required=True,
                places=("ImagePositionPatient",),
            )
        ]
    if np.abs(slope).max() > TILTED:
        return [
            Notice(
                "SERIES_TILTED",
                "The slices are shifted against each other evenly, as by a tilted gantry.",
                places=("ImagePositionPatient", "ImageOrientationPatient"),
            )
        ]
    return []


def _between(indices: Sequence[int]) -> list[str]:
    """Where in the ordered series, counted from 0."""
    return [f"slices[{index}] to slices[{index + 1}]" for index in indices]


def _count(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
