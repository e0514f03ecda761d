"""A PNG or JPEG file -> the same without what it says beside its pixels.

Segments and chunks that pixels need are copied byte for byte, so that no pixel changes; all others go,
and what follows the end of the image. Of Exif only the orientation stays, without which the picture would
be shown turned.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from services.imaging.deidentification.boxes import Box
from services.imaging.deidentification.changes import Action, Cause, Changes
from services.imaging.deidentification.views import colour_views_of, grey_views
from services.imaging.grey import Grey
from services.imaging.images import DecodingLimits, FileFormat, check_size, malformed
from services.imaging.pictures import opened_picture

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"}
)
"""Chunks of fixed form that say how pixels are shown; a colour profile (iCCP) has texts of its own."""
_ORIENTATION = 0x0112
_JPEG_APPLICATIONS = range(0xE0, 0xF0)
_JPEG_COMMENT = 0xFE
_JPEG_JFIF, _JPEG_ADOBE = 0xE0, 0xEE
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class OpenedPicture:
    """One picture."""

    data: bytes
    views: Sequence[Grey]
    """As text in it can be seen."""


@dataclass(frozen=True)
class WrittenPicture:
    """What came of it."""

    data: bytes
    file_format: FileFormat
    changes: Changes


def opened(data: bytes, limits: DecodingLimits) -> OpenedPicture:
    """Decodes the picture as it is stored, not turned; blocking. Raises InvalidInput as `decode_picture`."""
    with opened_picture(data, limits) as (image, _):
        check_size(image.height, image.width, limits)
        if image.mode.startswith(("I", "F")):
            return OpenedPicture(data, grey_views(np.asarray(image)))
        if image.mode in {"1", "L"}:
            return OpenedPicture(data, grey_views(np.asarray(image.convert("L"))))

        # Colours of what is transparent too: the file holds them.
        def colours(rows: slice) -> npt.NDArray[np.uint8]:
            strip = image.crop((0, rows.start, image.width, rows.stop))
            return np.asarray(strip.convert("RGBA"))[:, :, :3]

        return OpenedPicture(data, colour_views_of(image.height, image.width, colours))


def written(file: OpenedPicture, boxes: Sequence[Box], limits: DecodingLimits) -> WrittenPicture:
    """The picture with the boxes covered and without what stands beside its pixels; blocking.

    A JPEG with boxes becomes a PNG: to compress it again would change its other pixels.
    """
    changes = Changes()
    is_png = file.data.startswith(_PNG_START)
    stripped = (_png if is_png else _jpeg)(file.data, changes)
    if not boxes:
        return WrittenPicture(stripped, FileFormat.PNG if is_png else FileFormat.JPEG, changes)
    out = io.BytesIO()
    with opened_picture(stripped, limits) as (image, _):
        orientation = image.getexif().get(_ORIENTATION, 1)
        # Pillow's CMYK has no PNG.
        canvas = image.convert("RGB") if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"} else image
        canvas.info = {key: value for key, value in image.info.items() if key in {"transparency", "gamma"}}
        draw = ImageDraw.Draw(canvas)
        for box in boxes:
            draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=_black(canvas))
        canvas.save(out, "PNG")
    return WrittenPicture(_png(out.getvalue(), Changes(), orientation), FileFormat.PNG, changes)


def _black(image: Image.Image) -> int | tuple[int, ...]:
    if image.mode == "P":  # an index: that of the darkest colour in use
        brightness = np.asarray(image.convert("RGB"), dtype=np.int64).sum(axis=2)
        return int(np.asarray(image).reshape(-1)[brightness.argmin()])
    return {"RGB": (0, 0, 0), "RGBA": (0, 0, 0, 255), "LA": (0, 255)}.get(image.mode, 0)


def _png(data: bytes, changes: Changes, orientation: int = 0) -> bytes:
    """`orientation`: to be stated; 0: as the file does."""
    kept = bytearray(_PNG_START)
    position = len(_PNG_START)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise malformed("is truncated or damaged")
        if kind in _PNG_KEPT:
            if kind == b"IDAT" and orientation > 1:
                kept += _chunk(b"eXIf", _exif(orientation))
                orientation = 0
            kept += data[position:end]
        else:
            found = _orientation(data[position + 8 : position + 8 + length]) if kind == b"eXIf" else 1
            _removed(changes, kind.decode("latin-1") if kind.isalpha() else "chunk")
            if found > 1 and orientation == 0:
                kept += _chunk(b"eXIf", _exif(found))
        position = end
        if kind == b"IEND":
            break
    else:
        raise malformed("is truncated or damaged")
    if position < len(data):
        _removed(changes, "trailer")
    return bytes(kept)


def _jpeg(data: bytes, changes: Changes) -> bytes:
    kept = bytearray(data[:2])
    position, orientation = 2, 1
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _JPEG_WITHOUT_LENGTH:
            kept += data[position : position + 2]
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        body = data[position + 4 : end]
        if marker == _JPEG_SCAN:
            if orientation > 1:
                kept[2:2] = _segment(0xE1, b"Exif\0\0" + _exif(orientation))
            end = _end_of_scan(data, end)
            kept += data[position:end]
            position = end
            if data[position : position + 2] == bytes((0xFF, _JPEG_END)):
                kept += data[position : position + 2]
                if position + 2 < len(data):
                    _removed(changes, "trailer")
                return bytes(kept)
            orientation = 1
            continue
        if body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
        kept += _kept_of_segment(marker, body, changes)
        position = end
    raise malformed("is truncated or damaged")


def _kept_of_segment(marker: int, body: bytes, changes: Changes) -> bytes:
    if marker == _JPEG_JFIF and body.startswith(b"JFIF\0") and len(body) >= _JFIF_BYTES:
        if len(body) > _JFIF_BYTES:
            _removed(changes, "APP0 thumbnail")
        return _segment(marker, body[: _JFIF_BYTES - 2] + b"\0\0")  # a thumbnail of no size
    if marker == _JPEG_ADOBE and body.startswith(b"Adobe") and len(body) >= _ADOBE_BYTES:
        return _segment(marker, body[:_ADOBE_BYTES])  # says what the colours are
    if marker in _JPEG_APPLICATIONS or marker == _JPEG_COMMENT:
        _removed(changes, "COM" if marker == _JPEG_COMMENT else f"APP{marker - 0xE0}")
        return b""
    return _segment(marker, body)


def _end_of_scan(data: bytes, position: int) -> int:
    """Where the marker after the entropy-coded data stands (ISO/IEC 10918-1 B.1.1.5)."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            raise malformed("is truncated or damaged")
        follows = data[position + 1]
        if follows == 0 or 0xD0 <= follows <= 0xD7:
            position += 2
        elif follows == 0xFF:
            position += 1
        else:
            return position


def _orientation(exif: bytes) -> int:
    """The orientation that Exif states, 1 to 8; 1 where it states none that can be read."""
    tags = Image.Exif()
    try:
        tags.load(b"Exif\0\0" + exif)
        found = tags.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  # Pillow raises what it likes on damaged Exif
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(orientation: int) -> bytes:
    """Exif that states the orientation and nothing else: a TIFF header and one entry."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _removed(changes: Changes, what: str) -> None:
    changes.add(what, "", Action.REMOVED, Cause.PICTURE_METADATA)
