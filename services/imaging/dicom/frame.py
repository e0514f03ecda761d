"""Pixel data -> the samples of its one frame, as they were stored.

Everything that a frame would unpack to is known before it is unpacked: native data by its length, compressed
data by the header of the frame, run lengths by a decoder that stops at the declared size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gdcm
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGExtended12Bit, RLELossless

from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.imaging.dicom.attributes import assumed, integer, needed, text
from services.imaging.dicom.codestream import FrameHeader, NotReadableError, read_header
from services.imaging.dicom.syntaxes import DECODERS
from services.imaging.images import DecodingLimits, check_size, malformed, unsupported

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
PALETTE = "PALETTE COLOR"
COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_ONE_FRAME = (
    "Send the frame that matters as a file of its own, e.g. by `emf2sf --frame 1 --out-dir DIR IN` (dcm4che) "
    "of an enhanced object, or by `dcm2img --frame 1 IN OUT.png` (DCMTK)"
)

for silence in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
    silence()  # what GDCM prints could quote the file


@dataclass(frozen=True)
class PixelModule:
    """The Image Pixel attributes (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    samples: int
    """Per pixel: 1 or 3."""
    photometric: str
    bits_allocated: int
    """8 or 16."""
    bits_stored: int
    high_bit: int
    signed: bool


def pixel_module(dataset: Dataset, limits: DecodingLimits, notices: list[Notice]) -> PixelModule:
    """Reads and checks the description of the pixels. Raises InvalidInput, naming what is missing or not
    read.
    """
    rows, columns = needed(dataset, "Rows"), needed(dataset, "Columns")
    check_size(rows, columns, limits)
    frames = integer(dataset, "NumberOfFrames") or 1
    if frames > 1:
        raise unsupported(f"holds {frames} frames; one is read. {_ONE_FRAME}")
    samples = needed(dataset, "SamplesPerPixel")
    photometric = text(dataset, "PhotometricInterpretation")
    if not photometric:
        raise malformed(
            "lacks the DICOM attribute PhotometricInterpretation, without which it cannot be shown"
        )
    allocated, stored = needed(dataset, "BitsAllocated"), needed(dataset, "BitsStored")
    if allocated not in {8, 16}:
        raise unsupported("holds pixels of other than 8 or 16 bits (Bits Allocated)")
    expected = 1 if photometric in GREY or photometric == PALETTE else 3 if photometric in COLOUR else None
    if expected is None:
        raise unsupported(
            "has a Photometric Interpretation that is not read; read are MONOCHROME1 and 2, RGB, YBR_FULL, "
            "YBR_FULL_422, YBR_ICT, YBR_RCT and PALETTE COLOR"
        )
    if samples != expected:
        raise malformed("contradicts itself in Samples per Pixel and Photometric Interpretation")
    high_bit = integer(dataset, "HighBit")
    if high_bit is None:
        high_bit = stored - 1
        notices.append(assumed("HighBit", "the one that Bits Stored calls for"))
    if not 1 <= stored <= allocated or not stored - 1 <= high_bit < allocated:
        raise malformed("contradicts itself in Bits Allocated, Bits Stored and High Bit")
    signed = needed(dataset, "PixelRepresentation") == 1
    return PixelModule(rows, columns, samples, photometric, allocated, stored, high_bit, signed)


@dataclass(frozen=True)
class Frame:
    """The samples of one frame."""

    samples: Samples
    """`[rows, columns]`, or `[rows, columns, 3]` in red, green, blue. Bit patterns: signed values are in
    two's complement of `bits` bits. Bits above may hold what is no pixel (an overlay)."""
    bits: int
    """Significant low-order bits."""


def decode_frame(dataset: Dataset, pixels: PixelModule) -> Frame:
    """Unpacks the frame. Raises InvalidInput when it is not what it declares."""
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.NumberOfFrames = 1
    dataset.PhotometricInterpretation = pixels.photometric
    header = _frame_header(dataset, pixels) if syntax.is_encapsulated and syntax != RLELossless else None
    if header is None:
        _check_length(dataset, pixels)
    try:
        if syntax == JPEGExtended12Bit and header is not None and header.bits > 8:
            samples = _unpack_jpeg12(dataset, pixels)
        else:
            options: dict[str, Any] = {"correct_unused_bits": False}
            samples, _ = get_decoder(syntax).as_array(
                dataset, index=0, decoding_plugin=DECODERS[syntax], raw=pixels.samples == 1, **options
            )
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # pydicom and the decoders raise almost anything on damaged pixel data
        raise malformed("holds pixel data that cannot be decoded: it is truncated or damaged") from error
    native = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    patterns: Any = native.view(f"u{native.itemsize}")
    if header is not None:
        return Frame(patterns, header.bits)
    shift = pixels.high_bit + 1 - pixels.bits_stored
    return Frame(patterns >> shift if shift else patterns, pixels.bits_stored)


def _check_length(dataset: Dataset, pixels: PixelModule) -> None:
    """Refuses native data that holds a second frame which the file does not declare."""
    if dataset.file_meta.TransferSyntaxUID == RLELossless or pixels.samples != 1:
        return
    frame_bytes = pixels.rows * pixels.columns * pixels.bits_allocated // 8
    if len(dataset.PixelData) >= 2 * frame_bytes:
        raise malformed(f"holds pixel data of more than the one frame that it declares. {_ONE_FRAME}")


def _frame_header(dataset: Dataset, pixels: PixelModule) -> FrameHeader:
    try:
        header = read_header(get_frame(dataset.PixelData, 0, number_of_frames=1))
    except (NotReadableError, ValueError) as error:
        raise malformed("holds a compressed frame without a header that could be read") from error
    if (header.rows, header.columns) != (pixels.rows, pixels.columns):
        raise malformed("holds a frame of another size than it declares")
    if header.samples != pixels.samples:
        raise malformed("holds a frame of other Samples per Pixel than it declares")
    if not 1 <= header.bits <= pixels.bits_allocated:
        raise malformed("holds a frame of more bits than it declares")
    return header


def _unpack_jpeg12(dataset: Dataset, pixels: PixelModule) -> npt.NDArray[np.uint16]:
    """JPEG of 12 bits (process 4): GDCM reads it, though pydicom's use of GDCM leaves it out."""
    if pixels.samples != 1:
        raise unsupported("is a colour JPEG of 12 bits, which is not read; send it as PNG")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(get_frame(dataset.PixelData, 0, number_of_frames=1))
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((pixels.columns, pixels.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    unpacked = image.GetBuffer().encode("utf-8", "surrogateescape")  # GDCM hands its bytes out as text
    return np.frombuffer(unpacked, np.uint16).reshape(pixels.rows, pixels.columns)
