"""What a segmented palette expands to (PS3.3 C.7.9), counted before pydicom expands it: six bytes may stand
for 65,535 entries, and eight for copies of others.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

_MOST = 1 << 17
"""Entries and segments together: a palette has at most 65,536 entries, and no segment is empty."""
_DISCRETE, _LINEAR, _INDIRECT = range(3)
_LONGEST_BYTES = 4 * _MOST


def check_segments(dataset: Dataset) -> None:
    """Raises ValueError or struct.error when a segmented palette would expand to more than one may hold."""
    for colour in ("Red", "Green", "Blue"):
        data = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
        if not data:
            continue
        if len(data) > _LONGEST_BYTES:
            raise ValueError("a palette of too many bytes")
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        word = "u1" if dataset[f"{colour}PaletteColorLookupTableDescriptor"].value[2] == 8 else f"{order}u2"
        _check(np.frombuffer(data, word, len(data) // np.dtype(word).itemsize), order)


def _check(words: npt.NDArray[np.unsignedinteger], order: str) -> None:
    left = _MOST

    def count(position: int, segment_count: int, *, copied: bool) -> None:
        nonlocal left
        while position + 1 < len(words) and segment_count != 0:
            kind, length = int(words[position]), int(words[position + 1])
            position += 2
            segment_count -= 1
            left -= 1 + (0 if kind == _INDIRECT else length)
            if left < 0:
                raise ValueError("a palette of too many entries")
            if kind == _INDIRECT:
                if copied:
                    raise ValueError("a palette that copies copies")
                stop = position + 4 // words.itemsize
                low, high = struct.unpack(f"{order}HH", words[position:stop].tobytes())
                count(high << 16 | low, length, copied=True)
                position = stop
            else:
                position += length if kind == _DISCRETE else 1

    count(0, -1, copied=False)
