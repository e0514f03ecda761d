"""The pixels of a DICOM file: what of them is looked at for text, and what is covered.

Uncompressed pixels are covered where they stand, so that every other byte stays as it is. Compressed ones
are unpacked first, and the file goes on uncompressed: to compress them again could change them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from services.chassis.errors import InvalidInput
from services.imaging.deidentification.boxes import Box, outside
from services.imaging.deidentification.changes import Action, Cause, Changes
from services.imaging.deidentification.views import colour_views, grey_views
from services.imaging.dicom.attributes import integer, items, pixel_bytes, text
from services.imaging.dicom.frame import PALETTE, PixelModule, Samples, decode_frame, pixel_module
from services.imaging.dicom.instance import Instance
from services.imaging.dicom.syntaxes import DECODERS, Decoder
from services.imaging.grey import Grey
from services.imaging.images import DecodingLimits, malformed, too_large

MAXIMUM_EXAMINED_FRAMES = 32
"""Of more frames those at even distances are looked at: what is burned in rarely moves."""


class DicomPixels:
    """The pixels of one file."""

    def __init__(self, data: bytes, limits: DecodingLimits) -> None:
        """Raises InvalidInput where the pixels are not of a kind that is read."""
        self._instance = Instance(data, limits)
        self._limits = limits
        self.frame_count = self._instance.frame_count
        first = self._instance.frame_header(0)
        self.module: PixelModule = pixel_module(first, limits, [])
        self._native = DECODERS[first.file_meta.TransferSyntaxUID] is Decoder.NONE

    @property
    def examined(self) -> list[int]:
        """Which frames are looked at."""
        count = min(self.frame_count, MAXIMUM_EXAMINED_FRAMES)
        return sorted({round(one) for one in np.linspace(0, self.frame_count - 1, count)})

    def views(self, index: int) -> list[Grey]:
        """The frame as text in it can be seen. Raises InvalidInput on damaged pixel data."""
        samples = self._samples(index, self._limits, result_bytes=self.module.samples + 3)
        if self.module.samples == 3:
            return colour_views(samples)
        if self.module.photometric == PALETTE:
            return grey_views(samples)
        return grey_views(self._numbers(samples))

    def _samples(self, index: int, limits: DecodingLimits, *, result_bytes: int) -> Samples:
        frame = self._instance.frame(index)
        return decode_frame(frame, self.module, limits, result_bytes=result_bytes).samples

    def _numbers(self, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Stored values as the numbers that they are; bits above them left out."""
        patterns = samples.astype(samples.dtype.newbyteorder("="), copy=False)
        spare = 8 * patterns.itemsize - self.module.bits_stored
        if not self.module.signed:
            return patterns & ((1 << self.module.bits_stored) - 1) if spare else patterns
        numbers = patterns.view(f"i{patterns.itemsize}")
        return numbers << spare >> spare if spare else numbers

    def cover(self, dataset: Dataset, boxes: Sequence[Box]) -> None:
        """Covers the boxes in all frames of `dataset`, which is the whole file. Raises InvalidInput."""
        if not boxes:
            return
        rows, columns, samples = self.module.rows, self.module.columns, self.module.samples
        frame_bytes = rows * columns * samples * self.module.bits_allocated // 8
        # Once covered, and twice in the file that is written.
        if 3 * frame_bytes * self.frame_count > self._limits.max_picture_bytes:
            raise too_large("holds more pixels than are covered at once")
        if self._native and self.module.photometric != "YBR_FULL_422":
            self._cover_in_place(dataset, boxes)
            return
        order = ">" if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
        word = np.dtype(f"{order}u{self.module.bits_allocated // 8}")
        covered = _even(frame_bytes * self.frame_count)
        left = replace(self._limits, max_picture_bytes=self._limits.max_picture_bytes - len(covered))
        for index in range(self.frame_count):
            seen = self._samples(index, left, result_bytes=0)
            frame = np.frombuffer(covered, word, seen.size, index * frame_bytes).reshape(seen.shape)
            frame[:] = seen
            _fill(frame, boxes, self._black(frame))
        if samples == 3:
            dataset.PhotometricInterpretation = "RGB"
            dataset.PlanarConfiguration = 0
        if not self._native:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
                if keyword in dataset:
                    delattr(dataset, keyword)
            dataset.HighBit = self.module.bits_stored - 1
        _set_pixels(dataset, covered, self.module.bits_allocated)

    def _cover_in_place(self, dataset: Dataset, boxes: Sequence[Box]) -> None:
        rows, columns, samples = self.module.rows, self.module.columns, self.module.samples
        order = ">" if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
        held = _copied(pixel_bytes(dataset))
        by_plane = samples == 3 and integer(dataset, "PlanarConfiguration") == 1
        shape = (samples, rows, columns) if by_plane else (rows, columns, samples)
        count = self.frame_count * rows * columns * samples
        words = np.frombuffer(held, np.dtype(f"{order}u{self.module.bits_allocated // 8}"))
        if words.size < count:
            raise malformed("holds fewer frames than it declares")
        for frame in words[:count].reshape(self.frame_count, *shape):
            seen = np.moveaxis(frame, 0, -1) if by_plane else frame
            black = self._black(seen)
            if self.module.photometric == "YBR_FULL":
                black = np.array([0, 128, 128])
            _fill(seen, boxes, black)
        _set_pixels(dataset, held, self.module.bits_allocated)

    def _black(self, frame: npt.NDArray[Any]) -> Any:
        """What is shown darkest of the values that the frame has, so that no window changes."""
        if self.module.samples == 3:
            return 0
        if self.module.photometric == PALETTE:
            return frame.min()
        shift = self.module.high_bit + 1 - self.module.bits_stored if self._native else 0
        numbers = self._numbers(frame >> shift if shift else frame)
        place = numbers.argmax() if self.module.photometric == "MONOCHROME1" else numbers.argmin()
        return frame.reshape(-1)[place]


def _fill(frame: npt.NDArray[Any], boxes: Sequence[Box], value: Any) -> None:
    for box in boxes:
        frame[box.rows, box.columns] = value


def _even(size_bytes: int) -> bytearray:
    """A place for so many bytes of Pixel Data, whose length is even (PS3.5 7.1.1)."""
    return bytearray(size_bytes + size_bytes % 2)


def _copied(pixels: bytes | memoryview) -> bytearray:
    copied = _even(len(pixels))
    copied[: len(pixels)] = pixels
    return copied


def _set_pixels(dataset: Dataset, covered: bytearray, bits_allocated: int) -> None:
    dataset.add_new("PixelData", "OW" if bits_allocated > 8 else "OB", memoryview(covered))
    dataset["PixelData"].is_undefined_length = False


def clear_unused_bits(dataset: Dataset, pixels: DicomPixels, changes: Changes) -> None:
    """Overlays of old files stand in bits of the pixels that no value uses (PS3.5 8.1.2, retired); they
    are cleared.
    """
    module = pixels.module
    positions = [integer(dataset, f"{group:04X}0102") for group in range(0x6000, 0x6020, 2)]
    if not any(positions):
        return
    if (
        DECODERS[dataset.file_meta.TransferSyntaxUID] is not Decoder.NONE
        or module.bits_allocated == module.bits_stored
    ):
        return
    used = ((1 << module.bits_stored) - 1) << (module.high_bit + 1 - module.bits_stored)
    order = ">" if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    held = _copied(pixel_bytes(dataset))
    words = np.frombuffer(held, np.dtype(f"{order}u{module.bits_allocated // 8}"))
    if (words & ~np.array(used, words.dtype)).any():
        words &= np.array(used, words.dtype)
        _set_pixels(dataset, held, module.bits_allocated)
        changes.add("7FE00010", "Pixel Data", Action.CLEANED, Cause.EMBEDDED)


def outside_ultrasound_regions(dataset: Dataset, height_px: int, width_px: int) -> list[Box]:
    """What lies outside the regions that an ultrasound image declares (PS3.3 C.8.5.5): there devices
    write. Of an image that declares none, nothing.
    """
    if text(dataset, "Modality") not in {"US", "IVUS"}:
        return []
    regions = []
    for item in items(dataset, "SequenceOfUltrasoundRegions"):
        try:
            left, top, right, bottom = (
                integer(item, f"RegionLocation{edge}") for edge in ("MinX0", "MinY0", "MaxX1", "MaxY1")
            )
        except InvalidInput:
            continue
        if left is None or top is None or right is None or bottom is None:
            continue
        region = Box(max(top, 0), max(left, 0), min(bottom + 1, height_px), min(right + 1, width_px))
        if region.height > 0 and region.width > 0:
            regions.append(region)
    return outside(regions, height_px, width_px) if regions else []
