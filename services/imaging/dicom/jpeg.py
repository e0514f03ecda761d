"""A JPEG frame of 8 bits in colour, unpacked by Pillow at its full size or at half its rows and columns.

Which colours its samples are: what the frame says goes before what the data set says, and of what the frame
says JFIF goes before Adobe's marker, and that before the components' identifiers, as in libjpeg.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.imaging.pictures import halve


def unpacked(encoded: bytes, photometric: str, *, at_half: bool) -> tuple[npt.NDArray[np.uint8], bool]:
    """The samples `[rows, columns, 3]`, and whether they are YBR_FULL; else they are red, green, blue. Halves
    of odd numbers are rounded up. `photometric`: the data set's Photometric Interpretation.
    """
    image: Any = Image.open(io.BytesIO(encoded), formats=("JPEG",))
    identifiers = bytes(component[0] for component in image.layer)
    if "adobe_transform" in image.info or identifiers == b"RGB":
        # libjpeg knows by itself, and gives red, green, blue.
        mode, is_ybr = "RGB", False
    else:
        # libjpeg takes all others for YBR, whatever the data set says; asked for YBR, it converts nothing.
        is_rgb = photometric == "RGB" or identifiers == b"rgb"
        mode, is_ybr = "YCbCr", "jfif" in image.info or not is_rgb
    if at_half:
        halve(image, mode)
    else:
        image.draft(mode, image.size)
    return np.asarray(image), is_ybr
