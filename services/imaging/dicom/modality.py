"""The modality transformation (PS3.3 C.11.1): stored values -> values that mean something, Hounsfield units
in a CT.

It is computed once for every stored value that there can be, not for every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from services.chassis.notices import Notice
from services.imaging.dicom.attributes import (
    assumed,
    contradicting,
    decimals,
    items,
    macro,
    repaired,
    text,
    texts,
)
from services.imaging.dicom.tables import Numbers, read_table
from services.imaging.images import malformed, unsupported

HOUNSFIELD_TYPES = frozenset({"", "HU"})
"""Rescale Type (0028,1054) of values in Hounsfield units; without one those of a CT are (C.11.1.1.2)."""
UNSPECIFIED_TYPES = frozenset({"US", "HU_MOD"})
"""Types that leave open what the values are, or say that they are Hounsfield units that were changed."""
OTHER_CT_VALUES = frozenset(
    {"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED"}
)
"""Values of Image Type (0008,0008) of a multi-energy CT that are not Hounsfield units (C.8.2.1.1.1)."""


@dataclass(frozen=True)
class ModalityValues:
    """What each stored value means."""

    values: Numbers
    """For each stored value that there can be."""
    hounsfield: bool
    """Whether they are Hounsfield units."""
    identity: bool
    """Whether they are the stored values themselves."""
    may_be_negative: bool
    """Whether a value of this image's kind can be negative, whatever values this one has."""


def modality_values(
    stored: Numbers, possible: tuple[int, int], dataset: Dataset, notices: list[Notice]
) -> ModalityValues:
    """Applies the Modality LUT or the rescale. Raises InvalidInput where the rescale cannot be read.

    `stored`: the stored values that the image spans; `possible`: the least and greatest that there can be.
    """
    signed = possible[0] < 0
    group = macro(dataset, "PixelValueTransformationSequence")
    tables = items(dataset, "ModalityLUTSequence")
    is_ct = text(dataset, "Modality") == "CT"
    if tables:
        if "RescaleSlope" in group or "RescaleIntercept" in group:
            sentence = "The file holds a Modality LUT and a rescale; the former was applied."
            notices.append(contradicting(sentence, "ModalityLUTSequence", "RescaleSlope"))
        table = read_table(tables[0], signed_input=signed)
        hounsfield = is_ct and text(tables[0], "ModalityLUTType") == "HU"
        if is_ct and not hounsfield:
            notices.append(_NOT_HOUNSFIELD)
        return ModalityValues(table(stored), hounsfield, identity=False, may_be_negative=False)
    slope, intercept = _number(group, "RescaleSlope", notices), _number(group, "RescaleIntercept", notices)
    if slope == 0:
        raise malformed("states a Rescale Slope of 0, which makes all values the same")
    if slope is None and intercept is None:
        if is_ct:
            notices.append(_NOT_HOUNSFIELD)
        return ModalityValues(stored, hounsfield=False, identity=True, may_be_negative=signed)
    if slope is None:
        notices.append(assumed("RescaleSlope", "1"))
    if intercept is None:
        notices.append(assumed("RescaleIntercept", "0"))
    slope, intercept = (1.0 if slope is None else slope), (intercept or 0.0)
    hounsfield = is_ct and _is_hounsfield(dataset, group)
    if is_ct and not hounsfield:
        notices.append(_NOT_HOUNSFIELD)
    ends = [value * slope + intercept for value in possible]
    return ModalityValues(
        stored * slope + intercept,
        hounsfield,
        identity=slope == 1 and intercept == 0,
        may_be_negative=min(ends) < 0,
    )


_NOT_HOUNSFIELD = Notice(
    "HOUNSFIELD_UNKNOWN",
    "The file is a CT whose values are not known to be Hounsfield units; it was read as it is displayed.",
    review_required=True,
    places=("RescaleIntercept", "RescaleSlope", "RescaleType"),
)


def _number(group: Dataset, keyword: str, notices: list[Notice]) -> float | None:
    numbers = decimals(group, keyword)
    if not numbers.values:
        return None
    if numbers.first is None or len(numbers.values) > 1:
        raise malformed(f"does not hold a single number in {keyword}")
    if numbers.repaired:
        notices.append(repaired(keyword))
    return numbers.first


def _is_hounsfield(dataset: Dataset, group: Dataset) -> bool:
    """Refuses a CT whose values are known to be something else: no window could make them a CT's."""
    rescale_type = text(group, "RescaleType")
    kinds = texts(dataset, "ImageType") + texts(macro(dataset, "CTImageFrameTypeSequence"), "FrameType")
    if rescale_type in UNSPECIFIED_TYPES:
        return False
    if rescale_type not in HOUNSFIELD_TYPES or not OTHER_CT_VALUES.isdisjoint(kinds):
        raise unsupported(
            "is a CT whose values are not Hounsfield units (Rescale Type, Image Type), e.g. a map of atomic "
            "numbers or of a material; send the plain CT image"
        )
    return True


def implausible(hounsfield_of_pixels: Numbers) -> bool:
    """Whether values that are said to be Hounsfield units hold neither air nor a background of air."""
    return bool(hounsfield_of_pixels.size and float(hounsfield_of_pixels.min()) > AIR_AT_MOST_HU)


AIR_AT_MOST_HU = -200.0
"""Air is -1000; what surrounds a head, or fills the square around a round field of view, is not denser than
this.
"""
