"""Stored values to encode, and the compressed frames of them in `data/frames.zip`.

The frames were made by encoders that share no code with the service's decoders, or an older state of it:
DCMTK 3.6.7 (JPEG lossless, JPEG of 12 bits, JPEG-LS), ffmpeg's own JPEG 2000, OpenJPH 0.9 (High-Throughput
JPEG 2000). An error of a decoder cannot hide behind the same error of its encoder.
"""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 40, 48
"""Not square, so that rows and columns cannot be mixed up."""


def stored(bits: int, signed: int, samples: int) -> np.ndarray:
    """A smooth picture with noise on it that takes the least and the greatest value: int32 `[rows, columns(,
    3)]`.
    """
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    noise = np.random.default_rng(bits + 100 * signed + 1000 * samples).normal(
        0, 0.02, (ROWS, COLUMNS, samples)
    )
    share = (
        0.5
        + 0.4 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None] * np.array([1, 0.7, 0.4])[:samples]
        + noise
    )
    least = -(1 << (bits - 1)) if signed else 0
    values = np.rint(np.clip(share, 0, 1) * ((1 << bits) - 1)).astype(np.int32) + least
    values[0, 0], values[-1, -1] = least, least + (1 << bits) - 1
    return values[..., 0] if samples == 1 else values


@cache
def frame(name: str) -> bytes:
    with zipfile.ZipFile(Path(__file__).parent / "data" / "frames.zip") as archive:
        return archive.read(name)
