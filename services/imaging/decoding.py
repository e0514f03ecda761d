"""Image file bytes -> grey pixels and what the file says of itself: PNG, JPEG and DICOM, bounded before
decoding.

Every limit is checked on what the header declares, before a pixel is unpacked, so that a small file cannot
become a large array. Errors are `InvalidInput` on the field `image`; none quotes the file.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from services.chassis.errors import InvalidInput, Reason
from services.imaging.dicom import decode_dicom
from services.imaging.images import (
    FIELD,
    DecodedImage,
    DecodingLimits,
    FileFormat,
    check_size,
    malformed,
    too_large,
    unsupported,
)
from services.imaging.preprocessing import Grey, spread


def decode_image(data: bytes, limits: DecodingLimits | None = None) -> DecodedImage:
    """Decodes one file; blocking, so call it from a pool.

    Raises InvalidInput: INPUT_MISSING (empty), INPUT_TOO_LARGE, INPUT_UNSUPPORTED (no image, transfer
    syntax, frames, no pixel data), INPUT_MALFORMED (damaged), INPUT_OUT_OF_RANGE (a side below 32 pixels).
    """
    limits = limits or DecodingLimits()
    if not data:
        raise InvalidInput(Reason.INPUT_MISSING, FIELD, "is empty")
    if len(data) > limits.max_file_bytes:
        raise too_large(f"is larger than {limits.max_file_bytes} bytes")
    if data[128:132] == b"DICM":
        return decode_dicom(data, limits)
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _decode_picture(data, limits)
    raise unsupported("is neither DICOM (with its preamble) nor PNG nor JPEG")


def _decode_picture(data: bytes, limits: DecodingLimits) -> DecodedImage:
    try:
        with Image.open(io.BytesIO(data), formats=(FileFormat.PNG, FileFormat.JPEG)) as image:
            check_size(image.height, image.width, limits)
            if getattr(image, "n_frames", 1) > 1:
                raise unsupported("holds more than one frame")
            image.load()
            file_format = FileFormat(image.format or "")
            upright = ImageOps.exif_transpose(image)
            return DecodedImage(file_format, _grey(upright), colourfulness=colourfulness(upright))
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(f"declares more than {limits.max_pixels} pixels") from error
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
    ) as error:
        # Pillow's decoders raise all of these on damaged files; their texts may quote the file.
        raise malformed("is truncated or damaged") from error


def _grey(image: Image.Image) -> Grey:
    if image.mode.startswith(("I", "F")):  # 16 bits a pixel: PNG has no window, so the range is measured
        return spread(np.asarray(image, dtype=np.float32))
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return np.asarray(image.convert("L"), dtype=np.uint8)


def colourfulness(image: Image.Image) -> float:
    """Mean spread between the colour channels, 0 (grey) to 1, on a thumbnail."""
    if image.mode in {"1", "L", "LA"} or image.mode.startswith(("I", "F")):
        return 0.0
    small = np.asarray(image.convert("RGB").resize((64, 64)), dtype=np.float32)
    return float((small.max(axis=2) - small.min(axis=2)).mean() / 255)
