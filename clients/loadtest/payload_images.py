"""Images in a wanted size and format, and variations of them that differ in their pixels yet cost the load
process next to nothing.
"""

from __future__ import annotations

import io
import itertools
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

Variations = Callable[[random.Random], bytes]

_JPEG_QUALITY = 90
_VARIANTS = 4
_STRIPS = 24
_ADLER_BASE = 65521
_CHANGED_BYTES = 64


def sized(content: bytes, side_px: int | None, format_: str | None) -> bytes:
    """The image as a square of `side_px` and in the format that is asked for; where neither is, as it is.

    ValueError: it cannot be read.
    """
    if side_px is None and format_ is None:
        return content
    image = _opened(content)
    if side_px is not None:
        image = image.resize((side_px, side_px), Image.Resampling.BICUBIC)
    kind = format_ or _format(content) or "png"
    if kind == "dicom":
        return _dicom(np.asarray(image.convert("L")))
    to = io.BytesIO()
    image.save(to, "JPEG", quality=_JPEG_QUALITY) if kind == "jpeg" else image.save(
        to, "PNG", compress_level=1
    )
    return to.getvalue()


def variations(content: bytes) -> Variations | None:
    """A function that makes one more variation with each call; None for a format of which it knows none."""
    kind = _format(content)
    if kind == "jpeg":
        return _jpeg(_opened(content))
    if kind == "png":
        return _png(_opened(content))
    return _plain_dicom(content) if kind == "dicom" else None


def _format(content: bytes) -> str | None:
    if content[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    return "dicom" if content[128:132] == b"DICM" else None


def _opened(content: bytes) -> Image.Image:
    try:
        if _format(content) == "dicom":
            pixels = pydicom.dcmread(io.BytesIO(content)).pixel_array.astype(np.float32)
            low, high = float(pixels.min()), float(pixels.max())
            return Image.fromarray(np.uint8(np.round((pixels - low) * (255 / max(1.0, high - low)))))
        image = Image.open(io.BytesIO(content))
        return image.convert("L" if image.mode in {"1", "L", "I;16", "I"} else "RGB")
    except Exception as error:  # pydicom and Pillow raise whatever their parsers do
        raise ValueError("an image of the profile is none that Pillow or pydicom can read") from error


def _jpeg(image: Image.Image) -> Variations:
    """JPEG whose rows of blocks are each taken from one of several encodings: more images than any run can
    send, made by joining bytes.

    A restart marker ends each row, so that no row depends on another (ITU-T T.81, E.1.4). The encodings have
    the same tables and differ by a grey level of noise.
    """
    rows = []
    head = b""
    for _, varied in zip(range(_VARIANTS), _noisy(image), strict=False):
        to = io.BytesIO()
        Image.fromarray(varied.squeeze()).save(to, "JPEG", quality=_JPEG_QUALITY, restart_marker_rows=1)
        head, scan = _split_scan(to.getvalue())
        rows.append(_split_rows(scan))
    return lambda random_: b"".join([head, *(random_.choice(same) for same in zip(*rows, strict=True))])


def _split_scan(content: bytes) -> tuple[bytes, bytes]:
    """The bytes up to the entropy-coded data, and those from there."""
    at = 2
    while content[at + 1] != 0xDA:  # start of scan
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content[:at], content[at:]


def _split_rows(scan: bytes) -> list[bytes]:
    """The intervals, each with the restart marker that ends it; the last with the end of the image."""
    markers = [
        at
        for at in np.flatnonzero(np.frombuffer(scan[:-1], np.uint8) == 0xFF)
        if 0xD0 <= scan[at + 1] <= 0xD7
    ]
    ends = [0, *(int(at) + 2 for at in markers), len(scan)]
    return [scan[begin:end] for begin, end in itertools.pairwise(ends)]


def _png(image: Image.Image) -> Variations:
    """PNG joined in the same way: rows of pixels are compressed in strips that do not look back (RFC 1951),
    and the checksum over all of them is added up from those of the strips.
    """
    strips: list[list[tuple[bytes, int, int]]] = []
    pixels = _noisy(image)
    height, width, channels = next(pixels).shape
    for _ in range(_VARIANTS):
        varied = next(pixels)
        differences = varied.copy()
        differences[:, 1:] -= varied[:, :-1]
        lines = np.full((height, 1 + width * channels), 1, np.uint8)  # filter type 1, Sub
        lines[:, 1:] = differences.reshape(height, -1)
        for number, strip in enumerate(np.array_split(lines, min(_STRIPS, height))):
            plain = strip.tobytes()
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            packed = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
            strips[number:] = strips[number:] or [[]]
            strips[number].append((packed, zlib.adler32(plain), len(plain)))
    colours = 0 if channels == 1 else 2
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0))
    end = _chunk(b"IEND", b"")

    def png(random_: random.Random) -> bytes:
        chosen = [random_.choice(same) for same in strips]
        checksum = 1
        for _, of_strip, length in chosen:
            checksum = _joined_adler32(checksum, of_strip, length)
        packed = b"".join(packed for packed, _, _ in chosen)
        return head + _chunk(b"IDAT", b"\x78\x01" + packed + b"\x03\x00" + struct.pack(">I", checksum)) + end

    return png


def _noisy(image: Image.Image) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """The image, height x width x channels, with ever new noise of three grey levels."""
    noise = np.random.default_rng(0)
    pixels = np.atleast_3d(np.asarray(image)).astype(np.int16)
    while True:
        yield np.clip(pixels + noise.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)


def _joined_adler32(first: int, second: int, length: int) -> int:
    """The Adler-32 of two pieces from theirs; `length` is the second's, in bytes."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % _ADLER_BASE
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % _ADLER_BASE
    return high << 16 | low


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _plain_dicom(content: bytes) -> Variations | None:
    """DICOM with some pixels changed in their lowest bit; None where the pixels are compressed."""
    try:
        data = pydicom.dcmread(io.BytesIO(content))
        if data.file_meta.TransferSyntaxUID.is_compressed:
            return None
        plain: bytes = data.PixelData
        step = int(data.BitsAllocated) // 8
    except (AttributeError, pydicom.errors.InvalidDicomError):
        return None
    at = content.rfind(plain)
    if at < 0 or step not in {1, 2}:
        return None
    changed = np.frombuffer(bytearray(content), np.uint8)
    flat = changed[at : at + len(plain) - len(plain) % step]
    if data.file_meta.TransferSyntaxUID.is_little_endian is False:
        flat = flat[step - 1 :]

    def dicom(random_: random.Random) -> bytes:
        _flip(flat, random_, step)
        return changed.tobytes()

    return dicom


def _flip(flat: np.ndarray[Any, np.dtype[np.uint8]], random_: random.Random, step: int) -> None:
    """Flips the lowest bit of some values, the lower byte of which comes first."""
    chosen = np.frombuffer(random_.randbytes(4 * _CHANGED_BYTES), np.uint32) % (len(flat) // step)
    flat[chosen.astype(np.int64) * step] ^= 1


def _dicom(grey: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """A Secondary Capture image of synthetic conversion type."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.ConversionType, data.Modality, data.BodyPartExamined = "SYN", "CR", "CHEST"
    data.PatientName = data.PatientID = "SYNTHETIC"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = grey.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = grey.tobytes() + b"\0" * (grey.size % 2)
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    to = io.BytesIO()
    data.save_as(to, enforce_file_format=True)
    return to.getvalue()
