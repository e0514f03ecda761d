"""Lookup tables (PS3.3 C.11.1.1.1 and C.11.2.1.1): numbers in, numbers out, clamped at both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from services.imaging.dicom.attributes import unread
from services.imaging.images import malformed

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LookupTable:
    """One table."""

    first: int
    """Input that maps to the first entry; what lies below maps there too, what lies beyond the last to the
    last."""
    entries: Numbers
    bits: int
    """Of an entry: the output's range is 0 to `2**bits - 1`, whether the entries use it all or not."""
    bits_as_stated: bool = True
    """Whether the entries fit in the bits that the file states; if not, `bits` is what they need."""

    def __call__(self, inputs: Numbers) -> Numbers:
        """The output of each input."""
        index = np.clip(np.floor(inputs - self.first + 0.5), 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)]


def read_table(item: Dataset, *, signed_input: bool) -> LookupTable:
    """The table of one item of a LUT sequence. Raises InvalidInput when its parts do not fit together.

    `signed_input`: whether what goes in can be negative; the first mapped value is signed then, whatever
    value representation the writer chose for it.
    """
    descriptor = _words(item, "LUTDescriptor")
    data = _words(item, "LUTData")
    if descriptor is None or data is None or len(descriptor) < 3:
        raise malformed("holds a lookup table without LUT Descriptor or LUT Data")
    count = int(descriptor[0]) or 1 << 16
    first = int(descriptor[1])
    if signed_input and first >= 1 << 15:
        first -= 1 << 16
    if len(data) < count and 2 * len(data) >= count:  # two entries of 8 bits in each word
        data = data.astype("<u2").view(np.uint8)
    if len(data) < count:
        raise malformed("holds a lookup table that is shorter than its LUT Descriptor says")
    entries = data[:count].astype(np.float64)
    stated, used = int(descriptor[2]), int(entries.max()).bit_length()
    fits = 8 <= stated <= 16 and used <= stated
    return LookupTable(first, entries, stated if fits else max(used, 8), bits_as_stated=fits)


def _words(item: Dataset, keyword: str) -> npt.NDArray[np.uint16] | None:
    """The unsigned 16-bit words of an attribute, whatever value representation it has (US, SS or OW)."""
    element = unread(item, keyword)
    value: Any = None if element is None else element.value
    if isinstance(value, bytes):
        big_endian = isinstance(element, RawDataElement) and not element.is_little_endian
        words = np.frombuffer(value[: len(value) // 2 * 2], dtype=">u2" if big_endian else "<u2")
        return words.astype(np.uint16)
    if value is None:
        return None
    return (np.atleast_1d(np.asarray(value, dtype=np.int64)) & 0xFFFF).astype(np.uint16)
