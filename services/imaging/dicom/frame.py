"""Pixel data -> the samples of its one frame, as they were stored.

Everything that a frame would unpack to is known before it is unpacked: native data by its length, compressed
data by the header of the frame, run lengths by a decoder that stops at the declared size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGExtended12Bit

from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.imaging.dicom import jpeg
from services.imaging.dicom.attributes import assumed, integer, needed, pixel_bytes, text
from services.imaging.dicom.codestream import JPEG_END, JPEG_START, FrameHeader, NotReadableError, read_header
from services.imaging.dicom.syntaxes import DECODERS, Decoder
from services.imaging.images import (
    SCAN_START,
    DecodingLimits,
    check_scans,
    check_size,
    malformed,
    strips,
    too_much_memory,
    unsupported,
)

_TRUNCATED = "holds pixel data that cannot be decoded: it is truncated or damaged"
Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
PALETTE = "PALETTE COLOR"
COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_LUMINANCE_APART = frozenset({"YBR_FULL", "YBR_FULL_422"})
"""Colours that the file's decoder leaves in YBR."""
_ONE_FRAME = (
    "Send the frame that matters as a file of its own, e.g. by `emf2sf --frame 1 --out-dir DIR IN` (dcm4che) "
    "of an enhanced object, or by `dcm2img --frame 1 IN OUT.png` (DCMTK)"
)


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
            "has a Photometric Interpretation that is not read; supported: MONOCHROME1 and 2, RGB, YBR_FULL, "
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
    two's complement of `bits` bits. Bits above may hold what is not a pixel (an overlay)."""
    bits: int
    """Significant low-order bits."""
    is_reduced: bool = False
    """Whether it was unpacked at half its rows and columns."""


def decode_frame(
    dataset: Dataset,
    pixels: PixelModule,
    limits: DecodingLimits,
    *,
    result_bytes: int,
    may_shrink: bool = False,
) -> Frame:
    """Unpacks the frame; a compressed one is taken out of the data set.

    `result_bytes`: what becomes of it takes so many for each pixel. `may_shrink`: a JPEG of 8 bits in colour
    that would take too much memory is unpacked at half its rows and columns. Raises InvalidInput when the
    frame is not what it declares, and before it is unpacked when that would take too much memory.
    """
    dataset.add_new("NumberOfFrames", "IS", 1)
    dataset.add_new("PhotometricInterpretation", "CS", pixels.photometric)
    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = DECODERS[syntax]
    header = None
    encoded = b""
    if decoder is Decoder.NONE:
        _check_length(dataset, pixels)
    else:
        encoded = _one_frame(dataset)
        header = None if decoder is Decoder.RUN_LENGTHS else _frame_header(encoded, pixels)
    if syntax == JPEGExtended12Bit and header is not None and header.bits > 8:
        decoder = Decoder.JPEG_TURBO
    left = limits.max_picture_bytes - _held_bytes(dataset, encoded, decoder)
    taken = _taken_bytes(encoded, decoder, pixels, syntax, result_bytes)
    # Not JPEG 2000, which pydicom reads too in a file that calls it JPEG.
    is_colour_jpeg = decoder is Decoder.PILLOW and pixels.samples > 1 and encoded.startswith(JPEG_START)
    # Nor a palette: the mean of two of its entries is another colour altogether.
    is_reduced = may_shrink and taken > left and is_colour_jpeg
    if is_reduced:
        taken = _taken_bytes(encoded, decoder, pixels, syntax, result_bytes, at_half=True)
    if taken > left:
        raise too_much_memory(
            limits, "store it in grey" if pixels.samples > 1 else "store it in fewer pixels"
        )
    by_pydicom = decoder in {Decoder.NONE, Decoder.PILLOW} and not is_colour_jpeg
    if not by_pydicom:
        del dataset["PixelData"]
    try:
        if by_pydicom:
            encoded = b""  # pydicom takes the frame out by itself
            samples = _by_pydicom(dataset, decoder)
        elif is_colour_jpeg:
            samples, is_ybr = jpeg.unpacked(encoded, pixels.photometric, at_half=is_reduced)
            samples = _in_rgb(samples) if is_ybr else samples
        else:
            samples = _unpacked(encoded, decoder, pixels)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # pydicom and the decoders raise almost anything on damaged pixel data
        raise malformed(_TRUNCATED) from error
    native = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    patterns: Any = native.view(f"u{native.itemsize}")
    if header is not None:  # some encoders state whole words for fewer bits stored, others fewer bits
        bits = header.bits if is_colour_jpeg else min(header.bits, pixels.bits_stored)
        return Frame(patterns, bits, is_reduced)
    shift = pixels.high_bit + 1 - pixels.bits_stored
    return Frame(patterns >> shift if shift else patterns, pixels.bits_stored)


def _held_bytes(dataset: Dataset, encoded: bytes, decoder: Decoder) -> int:
    """What is held of the file beside its own bytes: what it inflates to, or its frame taken out."""
    if decoder is Decoder.NONE:
        value = pixel_bytes(dataset)
        is_inflated = dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
        return memoryview(value.obj).nbytes if is_inflated and isinstance(value, memoryview) else 0
    return len(encoded) * (2 if decoder is Decoder.PILLOW else 1)


def _taken_bytes(
    encoded: bytes,
    decoder: Decoder,
    pixels: PixelModule,
    syntax: UID,
    result_bytes: int,
    *,
    at_half: bool = False,
) -> int:
    """What unpacking takes at most, as it was measured: the samples with what their decoder needs for them,
    and then the samples as they are passed on with the result that is made of them.
    """
    count, word = pixels.samples, pixels.bits_allocated // 8
    samples, scratch = count * word, 0
    if decoder is Decoder.NONE:  # they stand where they are, but for those in an order of bytes of their own
        is_moved = pixels.photometric == "YBR_FULL_422" or pixels.high_bit + 1 > pixels.bits_stored
        samples = samples if is_moved or syntax == ExplicitVRBigEndian else 0
        scratch = samples
    elif decoder is Decoder.RUN_LENGTHS:
        scratch = samples if pixels.high_bit + 1 > pixels.bits_stored else 0
    elif decoder is Decoder.PILLOW:
        # Its own, four for three, and the pieces that they are joined of.
        samples, scratch = (samples, 2) if count == 1 else (4, 6)
    elif decoder is Decoder.OPENJPEG:
        scratch = 4 * count  # it computes in 32 bits
    stored_px = pixels.rows * pixels.columns
    unpacked_px = -(-pixels.rows // 2) * -(-pixels.columns // 2) if at_half else stored_px
    coefficients = 0
    if decoder in {Decoder.PILLOW, Decoder.JPEG_TURBO} and encoded.count(SCAN_START) > 1:
        coefficients = 2 * count * stored_px  # kept from scan to scan
    return unpacked_px * samples + max(coefficients, unpacked_px * max(scratch, result_bytes))


def _by_pydicom(dataset: Dataset, decoder: Decoder) -> npt.NDArray[Any]:
    """Native values, and by Pillow JPEG of 8 bits in grey, or JPEG 2000 that is called JPEG."""
    options: dict[str, Any] = {"index": 0, "raw": True, "correct_unused_bits": False, "view_only": True}
    samples, found = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(
        dataset, decoding_plugin=decoder.value, **options
    )
    return _in_rgb(samples) if found["photometric_interpretation"] in _LUMINANCE_APART else samples


def _in_rgb(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Some rows at a time, since pydicom makes each number four bytes wide."""
    if samples.dtype != np.uint8:
        raise unsupported("holds YBR colours of more than 8 bits, which are not read; send it as PNG")
    rgb = np.empty(samples.shape, np.uint8)
    for rows in strips(len(rgb)):
        rgb[rows] = convert_color_space(samples[rows], "YBR_FULL", "RGB")
    return rgb


def _unpacked(encoded: bytes, decoder: Decoder, pixels: PixelModule) -> npt.NDArray[Any]:
    if decoder in {Decoder.JPEG_TURBO, Decoder.CHARLS} and not encoded.rstrip(b"\0\xff").endswith(JPEG_END):
        # The one would fill the rest with grey, the other look for it for many seconds.
        raise malformed(_TRUNCATED)
    shape = (pixels.rows, pixels.columns, pixels.samples)[: 2 if pixels.samples == 1 else 3]
    samples: npt.NDArray[Any]
    if decoder is Decoder.RUN_LENGTHS:
        # Unpacked into a given place, so that no run goes beyond it. Colours come plane by plane.
        dtype = np.dtype(f"<u{pixels.bits_allocated // 8}")
        planes = bytearray(pixels.rows * pixels.columns * pixels.samples * dtype.itemsize)
        if len(imagecodecs.dicomrle_decode(encoded, dtype, out=planes)) < len(planes):
            raise malformed(_TRUNCATED)
        samples = np.frombuffer(planes, dtype).reshape(pixels.samples, pixels.rows, pixels.columns)
        samples = samples[0] if pixels.samples == 1 else np.moveaxis(samples, 0, -1)
    elif decoder is Decoder.JPEG_TURBO:
        as_it_is = "GRAYSCALE" if pixels.samples == 1 else "RGB"  # no conversion, whatever the markers say
        samples = imagecodecs.jpeg8_decode(encoded, colorspace=as_it_is, outcolorspace=as_it_is)
    elif decoder is Decoder.CHARLS:
        samples = imagecodecs.jpegls_decode(encoded)
    else:
        samples = imagecodecs.jpeg2k_decode(encoded, numthreads=1)
    if samples.shape != shape:
        raise malformed("holds a frame of another size than it declares")
    return _in_rgb(samples) if pixels.photometric in _LUMINANCE_APART else samples


def _check_length(dataset: Dataset, pixels: PixelModule) -> None:
    """Refuses native data that holds a second frame which the file does not declare."""
    if pixels.samples != 1:
        return
    frame_bytes = pixels.rows * pixels.columns * pixels.bits_allocated // 8
    if len(pixel_bytes(dataset)) >= 2 * frame_bytes:
        raise malformed(f"holds pixel data of more than the one frame that it declares. {_ONE_FRAME}")


def _one_frame(dataset: Dataset) -> bytes:
    try:
        return get_frame(bytes(pixel_bytes(dataset)), 0, number_of_frames=1)
    except Exception as error:
        raise malformed("holds compressed pixel data that is truncated or damaged") from error


def _frame_header(encoded: bytes, pixels: PixelModule) -> FrameHeader:
    check_scans(encoded)
    try:
        header = read_header(encoded)
    except NotReadableError as error:
        raise malformed("holds a compressed frame without a header that could be read") from error
    if (header.rows, header.columns) != (pixels.rows, pixels.columns):
        raise malformed("holds a frame of another size than it declares")
    if header.samples != pixels.samples:
        raise malformed("holds a frame of other Samples per Pixel than it declares")
    if not 1 <= header.bits <= pixels.bits_allocated:
        raise malformed("holds a frame of more bits than it declares")
    return header
