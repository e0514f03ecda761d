"""File bytes -> a data set that holds only the attributes that are read, of a transfer syntax that is read.

Nothing else is kept, so that nothing that identifies a patient is held beyond the date of birth that an age
needs and, of a series, the identifiers that tell its slices apart; `read_whole` alone, for de-identification,
reads everything.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from dataclasses import dataclass
from enum import Enum

from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from services.chassis.errors import InvalidInput
from services.imaging.dicom.syntaxes import DECODERS, Decoder, refusal
from services.imaging.images import DecodingLimits, malformed, too_large

config.settings.reading_validation_mode = config.IGNORE
# pydicom warns and logs with the values it finds odd, which may identify a patient.
logging.getLogger("pydicom").addFilter(lambda _record: False)
warnings.filterwarnings("ignore", module=r"pydicom\..*")

PREAMBLE_BYTES = 132
READ_ATTRIBUTES = [
    # what the image is
    "ImageType", "SOPClassUID", "Modality", "PresentationIntentType", "AnatomicRegionSequence",
    "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "SeriesDescription", "ProtocolName",
    "PatientOrientation", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "PixelSpacingCalibrationType",
    # how old the patient is
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate", "PatientAge",
    # its pixels
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    # what its values mean and how they are shown
    "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape", "PresentationLUTSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "PixelData",
]  # fmt: skip
READ_OF_SERIES = [
    # which series, and which image of it
    "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "InstanceNumber",
    # where it lies; a multi-frame object says so in its functional groups, which are read whole
    "ImagePositionPatient", "SliceThickness",
    # where its frames start
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
_READ_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in READ_ATTRIBUTES]
_HEADER_TAGS = [*_READ_TAGS, *(Tag(keyword) for keyword in READ_OF_SERIES)]
_PIXEL_DATA = Tag("PixelData")
_FIRST_PIXEL_DATA = Tag("FloatPixelData")
"""The first of the attributes that hold pixels; none that is read lies between it and Pixel Data."""
_UNDEFINED_LENGTH = 0xFFFFFFFF
_PIECE_BYTES = 1 << 20
"""So much is inflated at once."""


@dataclass(frozen=True)
class Header:
    """A file whose pixel data still stands among its bytes."""

    dataset: Dataset
    """`READ_ATTRIBUTES` and `READ_OF_SERIES` but for Pixel Data."""
    data: bytes
    """The file, or what it inflates to."""
    pixels_at: int
    """Where in `data` the value of Pixel Data starts."""
    pixels_length: int
    """In bytes; 0: there is none. Up to the end of `data` when it is encapsulated."""
    pixels_vr: str
    """`OB` or `OW`."""

    def pixels(self, start: int = 0, length: int | None = None) -> bytes | memoryview:
        """The value of Pixel Data, or a part of it: native pixels are looked at where they stand."""
        start += self.pixels_at
        stop = self.pixels_at + self.pixels_length if length is None else start + length
        is_native = DECODERS[self.dataset.file_meta.TransferSyntaxUID] is Decoder.NONE
        return memoryview(self.data)[start:stop] if is_native else self.data[start:stop]


def read(data: bytes, limits: DecodingLimits) -> Dataset:
    """The data set with `READ_ATTRIBUTES` only. Raises InvalidInput as `decode_image` does."""
    header = read_header(data, limits, _READ_TAGS)
    if header.pixels_length:
        header.dataset.add_new(_PIXEL_DATA, header.pixels_vr, header.pixels())
    return header.dataset


def read_header(data: bytes, limits: DecodingLimits, tags: list[BaseTag | int] | None = None) -> Header:
    """Everything but the pixel data, which is located and not copied. Raises InvalidInput as `read` does.

    `tags`: what is read, else `READ_ATTRIBUTES` and `READ_OF_SERIES`.
    """
    try:
        opened = _opened(data, limits)
        dataset = read_dataset(
            opened.source,
            opened.is_implicit,
            opened.is_little_endian,
            stop_when=lambda tag, _vr, _length: tag >= _FIRST_PIXEL_DATA,
            specific_tags=_HEADER_TAGS if tags is None else tags,
        )
        is_implicit = bool(dataset.original_encoding[0])  # which may be other than the syntax says
        pixels = next(
            data_element_generator(opened.source, is_implicit, opened.is_little_endian, defer_size=0), None
        )
        return _located(_with_syntax(dataset, opened), opened.data, pixels)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # pydicom raises almost anything on a damaged file
        raise malformed("is truncated or damaged") from error


def read_whole(data: bytes, limits: DecodingLimits) -> Dataset:
    """Every attribute, the pixel data as it stands, and the file's meta information: for what goes
    through all of them. Raises InvalidInput as `read` does.
    """
    try:
        opened = _opened(data, limits)
        dataset = read_dataset(opened.source, opened.is_implicit, opened.is_little_endian)
        dataset.file_meta = FileMetaDataset(_meta(io.BytesIO(data)))
        return dataset
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:
        raise malformed("is truncated or damaged") from error


_VRS_OF_BYTES = {None, "OB", "OW", "OB or OW", "UN"}
"""Of pixel data: both that PS3.5 allows, how an implicit one is told, and what relays make of the unknown."""


def _located(dataset: Dataset, data: bytes, pixels: RawDataElement | DataElement | None) -> Header:
    if not isinstance(pixels, RawDataElement) or pixels.tag != _PIXEL_DATA:
        return Header(dataset, data, 0, 0, "OW")
    left = len(data) - pixels.value_tell
    length = left if pixels.length == _UNDEFINED_LENGTH else pixels.length
    if length > left + 1:  # the byte that makes a length even may be missing
        raise malformed("is truncated: it ends before its pixel data does")
    if pixels.VR not in _VRS_OF_BYTES:
        raise malformed("holds pixel data of a value representation other than OB or OW")
    return Header(dataset, data, pixels.value_tell, length, pixels.VR or "OW")


class Kind(Enum):
    """What a DICOM file is, by the class that it states first of all (Media Storage SOP Class UID)."""

    IMAGE = "image"
    OTHER_OBJECT = "other object"
    """A report, a presentation state, a structure set and the like."""
    DIRECTORY = "directory"
    """A DICOMDIR: an index of files."""
    UNKNOWN = "unknown"


def kind_of(data: bytes) -> Kind:
    """What the file, which has a preamble, says that it is. Raises InvalidInput as `read` does."""
    try:
        stated = UID(str(_meta(io.BytesIO(data)).get("MediaStorageSOPClassUID") or ""))
    except Exception as error:
        raise malformed("is truncated or damaged") from error
    if stated == MediaStorageDirectoryStorage:
        return Kind.DIRECTORY
    if not stated or stated.name == str(stated):  # not in the standard's registry
        return Kind.UNKNOWN
    return Kind.IMAGE if "Image" in stated.name else Kind.OTHER_OBJECT


@dataclass(frozen=True)
class _Opened:
    """A file up to its data set."""

    source: io.BytesIO
    """Stands where the data set starts."""
    data: bytes
    syntax: UID

    @property
    def is_implicit(self) -> bool:
        return self.syntax == ImplicitVRLittleEndian

    @property
    def is_little_endian(self) -> bool:
        return self.syntax != ExplicitVRBigEndian


def _opened(data: bytes, limits: DecodingLimits) -> _Opened:
    source = io.BytesIO(data)
    syntax = _read_syntax(_meta(source))
    if syntax != DeflatedExplicitVRLittleEndian:
        return _Opened(source, data, syntax)
    inflated = _inflated(memoryview(data)[source.tell() :], limits)
    inflated.seek(0)
    return _Opened(inflated, inflated.getvalue(), syntax)


def _meta(source: io.BytesIO) -> Dataset:
    source.seek(PREAMBLE_BYTES)
    return read_dataset(
        source, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, _vr, _n: tag >> 16 != 2
    )


def _with_syntax(dataset: Dataset, opened: _Opened) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = opened.syntax
    return dataset


def _read_syntax(meta: Dataset) -> UID:
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID) or not syntax:
        raise malformed("states no DICOM transfer syntax (Transfer Syntax UID)")
    if syntax not in DECODERS:
        raise refusal(syntax)
    return syntax


def _inflated(data: memoryview, limits: DecodingLimits) -> io.BytesIO:
    """Piece by piece into its place: `zlib` alone would hold all of it twice for a moment."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO()
    left = limits.max_inflated_bytes
    for start in range(0, len(data), _PIECE_BYTES):
        piece: bytes | memoryview = data[start : start + _PIECE_BYTES]
        while piece and not unpacker.eof:
            left -= inflated.write(unpacker.decompress(piece, _PIECE_BYTES))
            if left <= 0:
                raise too_large(f"inflates to more than {limits.max_inflated_bytes // 10**6} MB")
            piece = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise malformed("is truncated or damaged")
    return inflated
