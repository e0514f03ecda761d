"""Files -> a `Series`: headers are read and ordered at once, pixels are decoded when a slice is asked for.

Both steps block; call them from a pool. A series belongs to one caller at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.imaging.dicom.decoding import decode_dataset, decode_hounsfield
from services.imaging.dicom.instance import Instance
from services.imaging.dicom.reading import Kind, kind_of
from services.imaging.images import DecodedImage, DecodingLimits, is_dicom, malformed, too_large, unsupported
from services.imaging.series.archive import Archive, is_archive
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.ordering import Geometry, order
from services.imaging.series.slices import Slice, read_slice


class Series:
    """One stack of slices in order."""

    def __init__(
        self,
        files: Sequence[bytes],
        slices: tuple[Slice, ...],
        geometry: Geometry | None,
        notices: tuple[Notice, ...],
        limits: SeriesLimits,
    ) -> None:
        self.slices = slices
        """From the feet to the head, the right to the left or the front to the back, by their positions."""
        self.geometry = geometry
        """None when no slice says where it lies."""
        self.notices = notices
        self._files = files
        self._limits = limits
        self._open: tuple[int, Instance] | None = None

    def __len__(self) -> int:
        return len(self.slices)

    def decode(self, index: int) -> DecodedImage:
        """Slice `index` as `decode_image` would give it from a file of its own. Raises InvalidInput."""
        place = self.slices[index]
        try:
            return decode_dataset(self._instance(place.file).frame(place.frame), self._limits.one_file)
        except InvalidInput as error:
            raise _of_file(error, place.file) from error

    def hounsfield(self, index: int) -> tuple[npt.NDArray[np.float32], tuple[Notice, ...]]:
        """Slice `index` as `decode_hounsfield` gives it: not turned. Raises InvalidInput."""
        place = self.slices[index]
        try:
            return decode_hounsfield(self._instance(place.file).frame(place.frame), self._limits.one_file)
        except InvalidInput as error:
            raise _of_file(error, place.file) from error

    def _instance(self, file: int) -> Instance:
        """The last file stays open, since the frames of a multi-frame object follow each other."""
        if self._open is None or self._open[0] != file:
            self._open = None  # let go of it before the next one is inflated
            self._open = (file, Instance(self._files[file], self._limits.one_file))
        return self._open[1]


def is_series(sent: Sequence[bytes], limits: DecodingLimits | None = None) -> bool:
    """Whether what was sent for one image is several: more than one file, an archive, or several frames.

    Raises InvalidInput when a single DICOM file is damaged.
    """
    if len(sent) != 1:
        return len(sent) > 1
    if is_archive(sent[0]):
        return True
    return is_dicom(sent[0]) and Instance(sent[0], limits or DecodingLimits()).frame_count > 1


def read_series(sent: Sequence[bytes], limits: SeriesLimits | None = None) -> Series:
    """Reads and orders one series from DICOM files, or from one zip archive of them.

    Raises InvalidInput: INPUT_TOO_LARGE, INPUT_MALFORMED, INPUT_UNSUPPORTED (no DICOM image among the files),
    INPUT_INCONSISTENT (what is no one series, see `ordering`).
    """
    limits = limits or SeriesLimits()
    archive = Archive(sent[0], limits) if len(sent) == 1 and is_archive(sent[0]) else None
    files: Sequence[bytes] = sent if archive is None else archive
    found = _Found(clutter=0 if archive is None else archive.clutter_count)
    slices: list[Slice] = []
    for index in range(len(files)):
        try:
            found, more = _slices_of(files[index], index, found, limits)
        except InvalidInput as error:
            raise _of_file(error, index) from error
        slices += more
        if len(slices) > limits.max_slice_count:
            raise too_large(f"holds more than {limits.max_slice_count} slices")
    if not slices:
        raise unsupported("holds no DICOM image; a series is of DICOM files, or of one zip archive of them")
    ordering = order(slices)
    return Series(files, ordering.slices, ordering.geometry, (*found.notices(), *ordering.notices), limits)


@dataclass(frozen=True)
class _Found:
    """How many files there are beside the images."""

    clutter: int = 0
    """That are known to be no images by name, or are a DICOMDIR."""
    objects: int = 0
    """DICOM objects without pixels: reports, presentation states, structure sets."""
    unknown: int = 0
    """That are not DICOM, or DICOM objects of a kind that the standard does not list."""

    def notices(self) -> list[Notice]:
        notices = []
        if self.clutter or self.objects:
            notices.append(
                Notice(
                    "SERIES_FILES_SKIPPED",
                    f"Beside the images came {self.objects} DICOM objects without pixels and {self.clutter} "
                    "directories or system files; they were not read.",
                )
            )
        if self.unknown:
            notices.append(
                Notice(
                    "SERIES_FILES_NOT_UNDERSTOOD",
                    f"Of the files that came, {self.unknown} are not DICOM files (with their preamble), or "
                    "of no kind that the standard lists, and were not read.",
                    review_required=True,
                )
            )
        return notices


def _slices_of(data: bytes, file: int, found: _Found, limits: SeriesLimits) -> tuple[_Found, list[Slice]]:
    kind = kind_of(data) if is_dicom(data) else None
    if kind is None:
        return replace(found, unknown=found.unknown + 1), []
    if kind is Kind.DIRECTORY:
        return replace(found, clutter=found.clutter + 1), []
    instance = Instance(data, limits.one_file)
    if not instance.has_pixels:
        if kind is Kind.IMAGE:
            raise malformed("is an image without its pixels: it is truncated or damaged")
        if kind is Kind.OTHER_OBJECT:
            return replace(found, objects=found.objects + 1), []
        return replace(found, unknown=found.unknown + 1), []
    if instance.frame_count > limits.max_slice_count:
        raise too_large(f"holds more than {limits.max_slice_count} frames")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return found, [read_slice(instance, file, frame, digest) for frame in range(instance.frame_count)]


def _of_file(error: InvalidInput, file: int) -> InvalidInput:
    return InvalidInput(
        error.reason, error.field, f"holds a file (number {file + 1}) that {error.description}"
    )
