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
from services.imaging.grey import Grey, apply_window, display_range, step
from services.imaging.images import (
    AT_ONCE_PX,
    GREY_SCALE_MEASURED,
    IMAGE_REDUCED,
    SCAN_START,
    DecodedImage,
    DecodingLimits,
    FileFormat,
    check_scans,
    check_size,
    malformed,
    strips,
    too_large,
    too_much_memory,
    unsupported,
)

_QUICK_BYTES = 64 * 1024
_HELD_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
"""Of a pixel, by Pillow's mode; of all others 4."""


def decode_picture(data: bytes, limits: DecodingLimits) -> DecodedImage:
    """Decodes a PNG or JPEG file. Raises InvalidInput as `decode_image` does."""
    with opened_picture(data, limits, may_shrink=True) as (image, is_reduced):
        ImageOps.exif_transpose(image, in_place=True)
        colours = colourfulness(image)  # first: it makes a copy of its own, which then goes
        grey, rgb = _pixels(image)
        return DecodedImage(
            file_format=FileFormat(image.format or ""),
            grey=grey,
            colourfulness=colours,
            rgb=rgb,
            notices=(
                *((GREY_SCALE_MEASURED,) if _is_deep(image) else ()),
                *((IMAGE_REDUCED,) if is_reduced else ()),
            ),
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
def opened_picture(
    data: bytes, limits: DecodingLimits, *, may_shrink: bool = False
) -> Iterator[tuple[Image.Image, bool]]:
    """The picture of a PNG or JPEG file as it is stored, its size checked before it is unpacked, and whether
    it was reduced: with `may_shrink` a JPEG that would take too much memory is unpacked at half its width and
    height.

    Raises InvalidInput as `decode_image` does, also for what Pillow raises within the block.
    """
    try:
        with Image.open(io.BytesIO(data), formats=(FileFormat.PNG, FileFormat.JPEG)) as image:
            check_size(image.height, image.width, limits)
            if image.format == FileFormat.JPEG:
                check_scans(data)
            if getattr(image, "n_frames", 1) > 1:
                raise unsupported("holds more than one frame")
            stored_px = image.width * image.height
            if may_shrink and _taken_bytes(image, stored_px) > limits.max_picture_bytes:
                halve(image, image.mode)
            if _taken_bytes(image, stored_px) > limits.max_picture_bytes:
                raise too_much_memory(limits, "store it in grey")
            image.load()
            yield image, image.width * image.height < stored_px
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


def halve(image: Image.Image, mode: str) -> None:
    """Has a JPEG unpacked in `mode` at half its width and height, rounded up, while it is decoded: no more is
    computed. Of a PNG it does nothing.
    """
    image.draft(mode, (image.width // 2, image.height // 2))


def _pixels(image: Image.Image) -> tuple[Grey, npt.NDArray[np.uint8] | None]:
    """As `DecodedImage` has them: grey, and colours where there are any."""
    if _is_deep(image):  # PNG has no window, so the range is measured
        return _spread(image), None
    if image.mode == "L" and "transparency" not in image.info and image.width * image.height <= AT_ONCE_PX:
        return np.asarray(image), None
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    rgb = None if _is_grey(image) else np.empty((*grey.shape, 3), dtype=np.uint8)
    for rows, part in _strips(image):
        shown = _on_black(part)
        grey[rows] = np.asarray(shown.convert("L"))
        if rgb is not None:
            rgb[rows] = np.asarray(shown.convert("RGB"))
    return grey, rgb


def _spread(image: Image.Image) -> Grey:
    """As `grey.spread`, without a copy of all of the numbers."""
    nth = step(image.height * image.width)
    sample = [
        np.asarray(part)[-rows.start % nth :: nth, ::nth].astype(np.float32) for rows, part in _strips(image)
    ]
    low, high = display_range(np.concatenate(sample))
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    for rows, part in _strips(image):
        grey[rows] = apply_window(np.asarray(part).astype(np.float32), (low + high) / 2, high - low)
    return grey


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    for rows in strips(image.height):
        yield rows, image.crop((0, rows.start, image.width, rows.stop))


def _taken_bytes(image: Image.Image, stored_px: int) -> int:
    """What decoding takes at most: what Pillow holds of a pixel, and then either the result, 3 bytes for
    colours and 1 for grey, or before it the coefficients of a progressive JPEG, 2 bytes for each value.
    """
    held = _HELD_BYTES.get(image.mode, 4)
    coefficients = 2 * len(image.getbands()) * stored_px if "progressive" in image.info else 0
    pixels = image.width * image.height
    return pixels * held + max(coefficients, pixels * (1 if _is_grey(image) else 4))


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
