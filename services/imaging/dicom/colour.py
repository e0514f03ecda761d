"""Pixels in colour -> grey levels and how colourful they are, exactly as if they had come in a PNG."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from services.imaging.dicom.frame import PALETTE, Frame, PixelModule
from services.imaging.dicom.palette import check_segments
from services.imaging.grey import Grey
from services.imaging.images import malformed, strips, unsupported
from services.imaging.pictures import colourfulness

RESULT_BYTES = 4
"""Of a pixel as it is given: three colours and a grey level."""
_THUMBNAIL_PX = 64


def shown(frame: Frame, pixels: PixelModule, dataset: Dataset) -> tuple[Grey, npt.NDArray[np.uint8], float]:
    """Grey uint8 `[rows, columns]`, colours uint8 `[rows, columns, 3]`, of the frame as it was unpacked, and
    the colourfulness in 0..1.

    Raises InvalidInput on a damaged palette.
    """
    if pixels.signed:
        raise unsupported(
            "holds signed colour values (Pixel Representation), which have no meaning that is known"
        )
    table: npt.NDArray[np.uint8] | None = None
    if pixels.photometric == PALETTE:
        table = _palette(frame, dataset)
    elif frame.bits != 8 or frame.samples.dtype != np.uint8:
        table = _to_eight_bits(frame.bits)
    mask, shape = (1 << frame.bits) - 1, frame.samples.shape[:2]
    as_stored = table is None and frame.samples.flags.c_contiguous
    grey = np.empty(shape, np.uint8)
    rgb = frame.samples.view(np.uint8) if as_stored else np.empty((*shape, 3), np.uint8)
    narrow = Image.new("RGB", (_THUMBNAIL_PX, len(grey)))
    for rows in strips(len(grey)):
        if not as_stored:
            rgb[rows] = frame.samples[rows] if table is None else table[frame.samples[rows] & mask]
        strip = Image.fromarray(rgb[rows])
        grey[rows] = np.asarray(strip.convert("L"))
        narrow.paste(strip.resize((_THUMBNAIL_PX, strip.height)), (0, rows.start))
    return grey, rgb, colourfulness(narrow)  # which resizes the height as it would have with all of it


def _palette(frame: Frame, dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Red, green and blue `[patterns, 3]` of the file's palette, segmented ones too (PS3.3 C.7.6.3.1.5,
    C.7.9.2), for the patterns that the pixels have; black for others.
    """
    mask = (1 << frame.bits) - 1
    is_used = np.zeros(mask + 1, np.bool_)
    for rows in strips(len(frame.samples)):
        is_used[frame.samples[rows] & mask] = True
    used = np.flatnonzero(is_used).astype(frame.samples.dtype)
    try:
        check_segments(dataset)
        colours = apply_color_lut(used, dataset)
    except Exception as error:  # pydicom raises almost anything on a damaged palette
        raise malformed("holds a palette that cannot be read (Palette Color Lookup Table)") from error
    bits = 8 * colours.dtype.itemsize
    if bits == 16 and colours.max() <= 0xFF:  # 8-bit entries in 16-bit words, see the note of C.7.6.3.1.5
        bits = 8
    table = np.zeros((mask + 1, 3), np.uint8)
    table[used] = _to_eight_bits(bits)[colours & ((1 << bits) - 1)]
    return table


def _to_eight_bits(bits: int) -> npt.NDArray[np.uint8]:
    largest = (1 << bits) - 1
    table: npt.NDArray[np.uint8] = np.rint(np.arange(largest + 1) * (255.0 / largest)).astype(np.uint8)
    return table
