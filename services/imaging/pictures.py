"""PNG and JPEG -> grey pixels, bounded before decoding."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from services.chassis.errors import InvalidInput
from services.imaging.dicom.codestream import JPEG_START, NotReadableError, read_header
from services.imaging.grey import Grey, spread
from services.imaging.images import (
    AT_ONCE_PX,
    GREY_SCALE_MEASURED,
    ROWS_AT_A_TIME,
    SCAN_START,
    DecodedImage,
    DecodingLimits,
    FileFormat,
    check_scans,
    check_size,
    malformed,
    too_large,
    unsupported,
)

_QUICK_BYTES = 64 * 1024


def decode_picture(data: bytes, limits: DecodingLimits) -> DecodedImage:
    """Decodes a PNG or JPEG file. Raises InvalidInput as `decode_image` does."""
    with opened_picture(data, limits) as image:
        ImageOps.exif_transpose(image, in_place=True)
        colours = colourfulness(image)  # first: it makes a copy of its own, which then goes
        grey, rgb = _pixels(image)
        return DecodedImage(
            FileFormat(image.format or ""),
            grey,
            colourfulness=colours,
            rgb=rgb,
            notices=(GREY_SCALE_MEASURED,) if _is_deep(image) else (),
        )


def is_quick(data: bytes) -> bool:
    """Whether `decode_picture` is a matter of a millisecond: a small JPEG of one pass over its pixels."""
    if len(data) > _QUICK_BYTES or not data.startswith(JPEG_START) or data.count(SCAN_START) > 1:
        return False
    try:
        header = read_header(data)
    except NotReadableError:
        return False
    return header.rows * header.columns <= AT_ONCE_PX


@contextmanager
def opened_picture(data: bytes, limits: DecodingLimits) -> Iterator[Image.Image]:
    """The picture of a PNG or JPEG file as it is stored, its size checked before it is unpacked.

    Raises InvalidInput as `decode_image` does, also for what Pillow raises within the block.
    """
    try:
        with Image.open(io.BytesIO(data), formats=(FileFormat.PNG, FileFormat.JPEG)) as image:
            check_size(image.height, image.width, limits)
            if image.format == FileFormat.JPEG:
                check_scans(data)
            if getattr(image, "n_frames", 1) > 1:
                raise unsupported("holds more than one frame")
            image.load()
            yield image
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


def _pixels(image: Image.Image) -> tuple[Grey, npt.NDArray[np.uint8] | None]:
    """As `DecodedImage` has them: grey, and colours where there are any."""
    if _is_deep(image):  # PNG has no window, so the range is measured
        return spread(np.asarray(image)), None
    if image.mode == "L" and "transparency" not in image.info and image.width * image.height <= AT_ONCE_PX:
        return np.asarray(image), None
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    rgb = None if _is_grey(image) else np.empty((*grey.shape, 3), dtype=np.uint8)
    for top in range(0, image.height, ROWS_AT_A_TIME):
        rows = slice(top, min(top + ROWS_AT_A_TIME, image.height))
        shown = _on_black(image.crop((0, rows.start, image.width, rows.stop)))
        grey[rows] = np.asarray(shown.convert("L"))
        if rgb is not None:
            rgb[rows] = np.asarray(shown.convert("RGB"))
    return grey, rgb


def _on_black(image: Image.Image) -> Image.Image:
    """What is transparent is shown black."""
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image


def _is_grey(image: Image.Image) -> bool:
    """Whether the file itself has no colours; of those that have channels for colour, many are grey too."""
    return image.mode in {"1", "L", "LA"} or _is_deep(image)


def _is_deep(image: Image.Image) -> bool:
    """Whether a grey image has more than 8 bits a pixel."""
    return image.mode.startswith(("I", "F"))


def colourfulness(image: Image.Image) -> float:
    """Mean spread between the colour channels, 0 (grey) to 1, on a thumbnail."""
    if _is_grey(image):
        return 0.0
    coloured = image if image.mode == "RGB" else image.convert("RGB")
    small = np.asarray(coloured.resize((64, 64)), dtype=np.float32)
    return float((small.max(axis=2) - small.min(axis=2)).mean() / 255)
