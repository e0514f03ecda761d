"""Large DICOM files of each kind of encoding, small as files: what they cost is what they unpack to."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.imaging import samples

SYNTAXES = {
    "native": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG": JPEGBaseline8Bit,
    "progressive JPEG": JPEGBaseline8Bit,
    "JPEG extended": JPEGExtended12Bit,
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "HTJ2K": HTJ2KLossless,
}
PHOTOMETRIC = {"grey": "MONOCHROME2", "CT": "MONOCHROME2", "palette": "PALETTE COLOR", "planes": "RGB"}


def file(kind: str, side: int) -> bytes:
    """A square image of a kind such as `RLE, RGB, 16`: how it is encoded, its colours, its bits."""
    encoding, colours, written_bits = kind.split(", ")
    bits = int(written_bits)
    count = 1 if colours in {"grey", "CT", "palette"} else 3
    values = (np.arange(side) % 200 + 5).astype(np.uint8 if bits <= 8 else np.uint16)
    pixels = np.broadcast_to(values[:, None, None], (side, side, count))
    attributes: dict[str, object] = {
        "Rows": side,
        "Columns": side,
        "SamplesPerPixel": count,
        "PhotometricInterpretation": PHOTOMETRIC.get(colours, colours),
        "BitsAllocated": 8 if bits <= 8 else 16,
        "BitsStored": bits,
        "HighBit": bits - 1,
    }
    if count == 3:
        attributes["PlanarConfiguration"] = int(colours == "planes")
    if colours == "CT":
        attributes |= {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
    for colour in ("Red", "Green", "Blue") if colours == "palette" else ():
        attributes[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        attributes[f"{colour}PaletteColorLookupTableData"] = (np.arange(256) * 257).astype("<u2").tobytes()
    syntax = SYNTAXES[encoding]
    if syntax.is_encapsulated:
        attributes["PixelData"] = encapsulate([_frame(encoding, pixels, bits)])
    else:
        attributes["PixelData"] = _native(pixels, colours, syntax)
    return samples.dicom(np.zeros((1, 1), pixels.dtype), syntax, **attributes)


def _native(pixels: np.ndarray, colours: str, syntax: UID) -> bytes:
    if colours == "YBR_FULL_422":
        pixels = pixels[..., :2]
    if colours == "planes":
        pixels = np.moveaxis(pixels, -1, 0)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    return pixels.astype(pixels.dtype.newbyteorder(order), copy=False).tobytes()


def _frame(encoding: str, pixels: np.ndarray, bits: int) -> bytes:
    if encoding == "RLE":
        return _run_lengths(pixels)
    whole = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if encoding in {"JPEG", "progressive JPEG"}:
        out = io.BytesIO()
        options = {"subsampling": 0} if whole.ndim == 3 else {}
        Image.fromarray(whole).save(out, "JPEG", progressive=encoding.startswith("progressive"), **options)
        return out.getvalue()
    if encoding == "JPEG extended":
        return imagecodecs.jpeg8_encode(whole, bitspersample=bits)
    if encoding == "JPEG lossless":
        return imagecodecs.jpeg8_encode(whole, lossless=True, bitspersample=bits)
    if encoding == "JPEG-LS":
        return imagecodecs.jpegls_encode(whole)
    if encoding == "HTJ2K":
        return imagecodecs.htj2k_encode(whole)
    return imagecodecs.jpeg2k_encode(
        whole, level=0, reversible=True, codecformat="j2k", bitspersample=bits, numthreads=1
    )


def _run_lengths(pixels: np.ndarray) -> bytes:
    """All pixels alike: runs of 128 bytes (PS3.5 Annex G)."""
    side, _, count = pixels.shape
    runs, rest = divmod(side * side, 128)
    segment = b"\x81\x07" * runs + (bytes([rest - 1]) + bytes(rest) if rest else b"")
    segment += b"\x80" * (len(segment) % 2)
    segments = count * pixels.itemsize
    offsets = [64 + index * len(segment) for index in range(segments)]
    return struct.pack("<16L", segments, *offsets, *[0] * (15 - segments)) + segment * segments


def decoded(file: Path) -> list[str]:
    """By how many bytes the memory of a process has grown at most that decodes a file; the first side of the
    image or `refused`; and the reasons of its notices.
    """
    return _said(_DECODE, file)


def deidentified(file: Path) -> list[str]:
    """The same of one that takes out what identifies, text that stands in a corner among it; and the words of
    its refusal.
    """
    return _said(_DEIDENTIFY, file)


def read_as_series(file: Path) -> list[str]:
    """The same of one that reads it as a series."""
    return _said(_READ_SERIES, file)


def _said(script: str, file: Path) -> list[str]:
    return subprocess.check_output([sys.executable, "-c", _START + script, file], text=True).split()


_START = """
import sys
from pathlib import Path
from services.chassis.errors import InvalidInput, Reason

def peak():
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024

content = Path(sys.argv[1]).read_bytes()
"""
_DECODE = """
from services.imaging.decoding import decode_image

before = peak()
try:
    image = decode_image(content)
    shown = image.grey.shape[0], *(notice.reason for notice in image.notices)
except InvalidInput as error:
    assert error.reason in {Reason.INPUT_TOO_LARGE, Reason.INPUT_UNSUPPORTED, Reason.INPUT_MALFORMED}
    shown = ["refused"]
print(peak() - before, *shown)
"""
_DEIDENTIFY = """
from services.imaging.deidentification import dicom, pictures
from services.imaging.deidentification.boxes import Box
from services.imaging.images import DecodingLimits, is_dicom

before = peak()
refused, boxes, limits = "", [Box(0, 0, 20, 20)], DecodingLimits()
try:
    if is_dicom(content):
        opened = dicom.opened(content, limits)
        opened.pixels.views(0)
        dicom.written(opened, boxes, frozenset(), bytes(32), "patient")
    else:
        pictures.written(pictures.opened(content, limits), boxes, limits)
except InvalidInput as error:
    assert error.reason is Reason.INPUT_TOO_LARGE, error
    refused = error.description
print(peak() - before, refused)
"""
_READ_SERIES = """
from services.imaging.series.reading import read_series

before = peak()
refused = ""
try:
    read_series([content])
except InvalidInput as error:
    refused = error.description
print(peak() - before, refused)
"""
