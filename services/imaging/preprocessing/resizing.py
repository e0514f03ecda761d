"""One plane to another size, by Pillow's filters: they widen as they shrink, so that a full-size radiograph
is averaged, not sampled. Hugging Face's image processors resize with the same ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[Any]
"""uint8 or float32 `[height, width]`."""
BILINEAR = Image.Resampling.BILINEAR


def resized(plane: Plane, height_px: int, width_px: int, interpolation: Image.Resampling = BILINEAR) -> Plane:
    """The whole plane stretched to `[height_px, width_px]`, of the same data type.

    Raises ValueError on other data types.
    """
    if plane.ndim != 2 or plane.dtype not in (np.uint8, np.float32):
        raise ValueError(
            f"expected uint8 or float32 [height, width], got {plane.dtype} with {plane.ndim} axes"
        )
    image = Image.fromarray(plane).resize((width_px, height_px), interpolation)
    return np.asarray(image, dtype=plane.dtype)
