"""One DICOM file -> one `DecodedImage`: the grey-scale pipeline of PS3.3 C.7.6.3, C.11 and PS3.4 N.2.

Stored values are bit patterns of at most 16 bits, so every step up to the grey level is computed for each
value that there can be and looked up once a pixel; this is exact, and quicker than computing with pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from services.chassis.notices import Notice
from services.imaging.dicom import colour
from services.imaging.dicom.attributes import contradicting, integer, pixel_bytes, text
from services.imaging.dicom.frame import GREY, Frame, PixelModule, decode_frame, pixel_module
from services.imaging.dicom.geometry import Orientation, orientation, spacing_mm
from services.imaging.dicom.modality import ModalityValues, implausible, modality_values
from services.imaging.dicom.reading import read
from services.imaging.dicom.subject import read_subject
from services.imaging.dicom.tables import Numbers
from services.imaging.dicom.voi import WHITE, display
from services.imaging.grey import Grey, display_range, every_nth
from services.imaging.images import (
    AT_ONCE_PX,
    GREY_SCALE_MEASURED,
    IMAGE_REDUCED,
    DecodedImage,
    DecodingLimits,
    FileFormat,
    strips,
    unsupported,
)

PADDING_HU = -1000.0
"""Padding is shown as air is: black."""


def decode_dicom(data: bytes, limits: DecodingLimits) -> DecodedImage:
    """Decodes a DICOM file with a preamble. Raises InvalidInput as `decode_image` does."""
    return decode_dataset(read(data, limits), limits)


def decode_dataset(dataset: Dataset, limits: DecodingLimits) -> DecodedImage:
    """Decodes the one frame of what `read` gives, or of one frame of an `Instance`. Raises as
    `decode_dicom`.
    """
    if not pixel_bytes(dataset):
        raise unsupported(
            "is a DICOM object without pixel data (an image is needed, with whole numbers as pixels)"
        )
    notices: list[Notice] = []
    pixels = pixel_module(dataset, limits, notices)
    hounsfield, rgb, colourfulness, is_reduced = None, None, 0.0, False
    if pixels.photometric in GREY:
        grey, hounsfield = _grey_scale(pixels, dataset, limits, notices)
    else:
        frame = decode_frame(dataset, pixels, limits, result_bytes=colour.RESULT_BYTES, may_shrink=True)
        is_reduced = frame.is_reduced
        grey, rgb, colourfulness = colour.shown(frame, pixels, dataset)
    placed = orientation(dataset)
    subject = read_subject(dataset, placed)
    spacing = spacing_mm(dataset)
    if is_reduced:
        spacing = None if spacing is None else (2 * spacing[0], 2 * spacing[1])
        notices.append(IMAGE_REDUCED)
    if placed is not None and placed.turn and subject.is_displayed_as(placed.view):
        grey = placed.turn(grey)
        hounsfield = None if hounsfield is None else placed.turn(hounsfield)
        rgb = None if rgb is None else placed.turn(rgb)
        spacing = spacing[::-1] if spacing is not None and placed.turn.transposed else spacing
        notices.append(_turned(placed))
    return DecodedImage(
        file_format=FileFormat.DICOM,
        grey=np.ascontiguousarray(grey),
        hounsfield=hounsfield,
        body_part=subject.body_part,
        modality=text(dataset, "Modality"),
        photometric_interpretation=pixels.photometric,
        colourfulness=colourfulness,
        view=subject.view,
        ages_years=subject.ages_years,
        spacing_mm=spacing,
        rgb=rgb,
        notices=(*notices, *subject.notices),
    )


def decode_hounsfield(
    dataset: Dataset, limits: DecodingLimits
) -> tuple[npt.NDArray[np.float32], tuple[Notice, ...]]:
    """Hounsfield units, float32 `[rows, columns]` as they are stored, not turned, and the notices.

    Raises InvalidInput as `decode_dataset`, and INPUT_UNSUPPORTED when the values are not Hounsfield units.
    """
    notices: list[Notice] = []
    pixels = pixel_module(dataset, limits, notices)
    if pixels.photometric in GREY:
        _, hounsfield = _grey_scale(pixels, dataset, limits, notices)
        if hounsfield is not None:
            return hounsfield, tuple(notices)
    raise unsupported("is not in Hounsfield units")


@dataclass(frozen=True)
class StoredValues:
    """The pixels of an image by the levels that they take."""

    patterns: npt.NDArray[np.unsignedinteger]
    """`[rows, columns]`: the bits of each pixel, as they are stored."""
    level_of: npt.NDArray[np.intp]
    """Which of `levels` each pattern stands for; those that no pixel has stand for the nearest one."""
    levels: Numbers
    """Stored values in ascending order, without gaps; negative ones where the pixels are signed."""
    padding: npt.NDArray[np.bool_]
    """Which of `levels` are padding, not image (PS3.3 C.7.5.1.1.2)."""
    bits: int
    """Of a stored value."""
    signed: bool

    @property
    def possible(self) -> tuple[int, int]:
        """The least and the greatest stored value that there can be."""
        count = 1 << self.bits
        return (-count // 2, count // 2 - 1) if self.signed else (0, count - 1)

    def sample(self, table: Numbers) -> Numbers:
        """What `table` has for the levels of enough pixels for statistics, padding left out."""
        some = every_nth(self.patterns).astype(np.intp)
        found: Numbers = table[self.level_of][some]
        return found[~self.padding[self.level_of][some]] if self.padding.any() else found

    def shown_as(self, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`[rows, columns]`: what `table` has for the level of each pixel."""
        of_pattern = table[self.level_of]
        if of_pattern.dtype == self.patterns.dtype == np.uint8 and np.array_equal(of_pattern, np.arange(256)):
            return np.asarray(self.patterns)
        found = np.empty(self.patterns.shape, dtype=table.dtype)
        for rows in strips(len(found)):  # numpy makes each index eight bytes wide
            np.take(of_pattern, self.patterns[rows], out=found[rows], mode="clip")
        return found


def _grey_scale(
    pixels: PixelModule, dataset: Dataset, limits: DecodingLimits, notices: list[Notice]
) -> tuple[Grey, npt.NDArray[np.float32] | None]:
    result_bytes = _CT_BYTES if text(dataset, "Modality") == "CT" else _GREY_BYTES
    frame = decode_frame(dataset, pixels, limits, result_bytes=result_bytes)
    stored = _stored_values(frame, pixels, dataset)
    modality = modality_values(stored.levels, stored.possible, dataset, notices)
    # A CT is read by its Hounsfield units: how the file would have them displayed does not bear on the
    # answer.
    about_display: list[Notice] = []
    shown = display(modality, dataset, about_display)
    if shown is None:
        shown = _without_window(stored, modality, about_display)
    if _inverted(pixels, dataset, about_display):
        shown = WHITE - shown
    grey = stored.shown_as(np.rint(np.where(stored.padding, 0.0, shown)).astype(np.uint8))
    if not modality.hounsfield:
        notices.extend(about_display)
        return grey, None
    units = np.where(stored.padding, np.minimum(modality.values, PADDING_HU), modality.values)
    # The levels end with values that pixels have, so that without padding they tell the extremes.
    if implausible(stored.sample(units) if stored.padding.any() else units):
        notices.append(_IMPLAUSIBLE)
    return grey, stored.shown_as(units.astype(np.float32))


_GREY_BYTES = 1
_CT_BYTES = 5
"""Of a pixel as it is given: its grey level, and of a CT its Hounsfield units."""


def _stored_values(frame: Frame, pixels: PixelModule, dataset: Dataset) -> StoredValues:
    """What the patterns mean is computed for each that there can be, so that no pixel is copied; those of a
    small image are, since they are fewer.
    """
    patterns = frame.samples
    word_bits = 8 * patterns.itemsize
    bits = frame.bits
    stated = [integer(dataset, k) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    padding = [limit for limit in stated if limit is not None] if stated[0] is not None else []
    beyond = [limit & 0xFFFF for limit in padding if not _fits(limit, bits, signed=pixels.signed)]
    if any((patterns[rows] == word).any() for word in beyond for rows in strips(len(patterns))):
        bits = word_bits  # padding beyond the stored bits, and it is used: the words count as a whole
    low, high = (0, 255) if bits <= 8 and not pixels.signed else _extremes(patterns, bits, pixels.signed)
    mask = (1 << bits) - 1
    if word_bits > 8 and patterns.size <= AT_ONCE_PX:
        patterns = (patterns - patterns.dtype.type(low & 0xFFFF)) & patterns.dtype.type(mask)
        level_of = np.arange(high - low + 1)
    else:
        of_pattern = np.arange(256 if word_bits == 8 else int(patterns.max()) + 1) & mask
        if pixels.signed:
            of_pattern -= (of_pattern >> (bits - 1)) << bits
        level_of = np.clip(of_pattern - low, 0, high - low)
    levels = np.arange(low, high + 1, dtype=np.float64)
    if not padding:
        none = np.zeros(levels.size, dtype=np.bool_)
        return StoredValues(patterns, level_of, levels, none, bits, pixels.signed)
    ends = [_as_stored(limit, bits, signed=pixels.signed) for limit in padding]
    is_padding = (levels >= min(ends)) & (levels <= max(ends))
    return StoredValues(patterns, level_of, levels, is_padding, bits, pixels.signed)


def _extremes(patterns: npt.NDArray[np.unsignedinteger], bits: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest stored value of the pixels."""
    kind, spare = f"{'i' if signed else 'u'}{patterns.itemsize}", 8 * patterns.itemsize - bits
    if not spare:
        values = patterns.view(kind)
        return int(values.min()), int(values.max())
    lows, highs = [], []
    for rows in strips(len(patterns)):
        high_bits_first = (patterns[rows] << spare).view(kind)
        lows.append(int(high_bits_first.min()) >> spare)
        highs.append(int(high_bits_first.max()) >> spare)
    return min(lows), max(highs)


def _fits(value: int, bits: int, *, signed: bool) -> bool:
    """Whether `value`, written as 16 bits of either signedness, is a stored value of `bits` bits."""
    word = value & 0xFFFF
    if signed and word >= 1 << 15:
        return word - (1 << 16) >= -(1 << (bits - 1))
    return word < 1 << bits


def _as_stored(value: int, bits: int, *, signed: bool) -> int:
    """The stored value of `bits` bits that `value` is meant for, whichever signedness it was written with."""
    pattern = value & ((1 << bits) - 1)
    return pattern - (1 << bits) if signed and pattern >= 1 << (bits - 1) else pattern


def _without_window(stored: StoredValues, modality: ModalityValues, notices: list[Notice]) -> Numbers:
    if modality.identity and stored.bits <= 8 and not stored.signed:
        # eight bits as they are
        return np.clip(modality.values * (WHITE / ((1 << stored.bits) - 1)), 0.0, WHITE)
    notices.append(GREY_SCALE_MEASURED)
    low, high = display_range(stored.sample(modality.values))
    return np.clip((modality.values - low) * (WHITE / (high - low)), 0.0, WHITE)


def _inverted(pixels: PixelModule, dataset: Dataset, notices: list[Notice]) -> bool:
    """Whether low values are bright: MONOCHROME1, which Presentation LUT Shape INVERSE repeats
    (C.11.6.1.2).
    """
    inverted = pixels.photometric == "MONOCHROME1"
    shape = text(dataset, "PresentationLUTShape")
    if "PresentationLUTSequence" in dataset or shape not in {"", "INVERSE" if inverted else "IDENTITY"}:
        notices.append(
            contradicting(
                "Photometric Interpretation and Presentation LUT contradict; the former was followed.",
                "PhotometricInterpretation",
                "PresentationLUTShape",
            )
        )
    return inverted


def _turned(placed: Orientation) -> Notice:
    return Notice(
        "IMAGE_REORIENTED",
        "The image was turned the way that its own attributes say.",
        places=(placed.keyword,),
    )


_IMPLAUSIBLE = Notice(
    "HOUNSFIELD_IMPLAUSIBLE",
    "No pixel of the CT is as light as air: its values may not be Hounsfield units as the file says.",
    review_required=True,
    places=("RescaleIntercept", "RescaleSlope"),
)
