"""What a compressed frame says of itself: read from its header, so that it can be refused before it is
unpacked.

JPEG and JPEG-LS: the frame header of ISO/IEC 10918-1 B.2.2 and 14495-1 C.2.2. JPEG 2000, with or without high
throughput: the SIZ segment of ISO/IEC 15444-1 A.5.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
JPEG2000_START = b"\xff\x4f\xff\x51"
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
"""Some writers wrap the codestream in a JP2 file, which PS3.5 A.4.4 does not allow."""
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15 without the tables between them, and SOF55 of JPEG-LS."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_LONGEST_WRAPPER = 4096
"""Bytes of a JP2 file that are searched for the codestream."""


class NotReadableError(Exception):
    """The frame has no header of a process that is known here."""


@dataclass(frozen=True)
class FrameHeader:
    """What a compressed frame declares."""

    rows: int
    columns: int
    samples: int
    """Colour components."""
    bits: int
    """Sample precision."""


def read_header(frame: bytes) -> FrameHeader:
    """Raises NotReadableError when `frame` is neither JPEG, JPEG-LS nor JPEG 2000, or ends within its
    header.
    """
    try:
        if frame.startswith(JPEG_START):
            return _jpeg(frame)
        if frame.startswith(JP2_SIGNATURE):
            start = frame.find(JPEG2000_START, 0, _LONGEST_WRAPPER)
            return _jpeg2000(frame, start)
        return _jpeg2000(frame, 0)
    except (struct.error, IndexError) as error:
        raise NotReadableError from error


def _jpeg(frame: bytes) -> FrameHeader:
    position = len(JPEG_START)
    while frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker in _FRAME_HEADERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 4)
            return FrameHeader(rows, columns, samples, bits)
        (length,) = struct.unpack_from(">H", frame, position + 2)
        position += 2 + max(length, 2)
    raise NotReadableError


def _jpeg2000(frame: bytes, start: int) -> FrameHeader:
    if start < 0 or not frame.startswith(JPEG2000_START, start):
        raise NotReadableError
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    precisions = [frame[start + 42 + 3 * sample] & 0x7F for sample in range(samples)]
    return FrameHeader(bottom - top, right - left, samples, max(precisions, default=0) + 1)
