"""Pixels in colour -> grey levels and how colourful they are, exactly as if they had come in a PNG."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from services.imaging.dicom.frame import PALETTE, Frame, PixelModule
from services.imaging.grey import Grey
from services.imaging.images import malformed, unsupported
from services.imaging.pictures import colourfulness


def shown(frame: Frame, pixels: PixelModule, dataset: Dataset) -> tuple[Grey, npt.NDArray[np.uint8], float]:
    """Grey uint8 `[rows, columns]`, colours uint8 `[rows, columns, 3]` and the colourfulness in 0..1.

    Raises InvalidInput on a damaged palette.
    """
    if pixels.signed:
        raise unsupported(
            "holds signed colour values (Pixel Representation), which have no meaning that is known"
        )
    if pixels.photometric == PALETTE:
        picture = Image.fromarray(_through_palette(frame, dataset))
    else:
        picture = Image.fromarray(_eight_bits(frame.samples, frame.bits))
    return np.asarray(picture.convert("L"), dtype=np.uint8), np.asarray(picture), colourfulness(picture)


def _through_palette(frame: Frame, dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Red, green and blue of the file's palette, segmented ones too (PS3.3 C.7.6.3.1.5, C.7.9.2)."""
    indices = frame.samples & np.uint16((1 << frame.bits) - 1)
    try:
        colours = apply_color_lut(indices.astype(frame.samples.dtype), dataset)
    except Exception as error:  # pydicom raises almost anything on a damaged palette
        raise malformed("holds a palette that cannot be read (Palette Color Lookup Table)") from error
    bits = 8 * colours.dtype.itemsize
    if bits == 16 and colours.max() <= 0xFF:  # 8-bit entries in 16-bit words, see the note of C.7.6.3.1.5
        bits = 8
    return _eight_bits(colours, bits)


def _eight_bits(colours: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], bits: int) -> npt.NDArray[np.uint8]:
    largest = (1 << bits) - 1
    if bits == 8:
        return (
            np.asarray(colours & largest, dtype=np.uint8)
            if colours.dtype != np.uint8
            else np.asarray(colours)
        )
    table = np.rint(np.arange(largest + 1) * (255.0 / largest)).astype(np.uint8)
    eight: npt.NDArray[np.uint8] = table[colours & largest]
    return eight
