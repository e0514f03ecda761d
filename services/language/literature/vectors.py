"""The embeddings of a corpus in one file of rows, in eight bits each, compared with a query one by one.

Every row is looked at: 20 ms for 364,000 of them on one core. An approximate index would be faster, and would
have to be built, kept in step, and searched again where a filter leaves nothing of what it found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simsimd

from services.language.literature.publications import Kind

_SCALE = 127
_UNKNOWN_YEAR = 0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which publications count: of these years, both inclusive, and of one of these kinds. Empty: of any."""

    from_year: int | None = None
    to_year: int | None = None
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class Embedded:
    """The rows of one publication: FP32 [passages, width], and what a filter looks at."""

    values: npt.NDArray[np.float32]
    year: int | None
    kinds: Sequence[Kind]


class VectorFile:
    """Rows of an embedding, a year and kinds. Nobody but the corpus' writer appends and overwrites them."""

    def __init__(self, path: Path, width: int) -> None:
        self._path = path
        self._row = np.dtype(
            [("values", "i1", (width,)), ("year", "<i2"), ("kinds", "<u2"), ("alive", "u1"), ("rest", "V3")]
        )

    def __len__(self) -> int:
        try:
            return self._path.stat().st_size // self._row.itemsize
        except FileNotFoundError:
            return 0

    def append(self, batch: Sequence[Embedded]) -> list[int]:
        """Writes the rows to disk and returns the number of the first of each. OSError: none was written."""
        first = len(self)
        numbers = [first + sum(len(one.values) for one in batch[:at]) for at in range(len(batch))]
        with self._path.open("r+b" if self._path.exists() else "x+b") as file:
            file.seek(first * self._row.itemsize)  # what a writer left that was killed may be no whole row
            try:
                for one in batch:
                    rows = np.zeros(len(one.values), dtype=self._row)
                    rows["values"] = _quantized(one.values)
                    rows["year"] = one.year or _UNKNOWN_YEAR
                    rows["kinds"] = _mask(one.kinds)
                    rows["alive"] = 1
                    file.write(rows.tobytes())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(first * self._row.itemsize)
                raise
        return numbers

    def truncate(self, count: int) -> None:
        """Takes back what was appended behind the first `count` rows."""
        if self._path.exists():
            os.truncate(self._path, count * self._row.itemsize)

    def kill(self, rows: Iterable[int]) -> None:
        """Marks rows as belonging to no passage any more."""
        if numbers := [row for row in rows if row >= 0]:
            mapped = np.memmap(self._path, dtype=self._row, mode="r+", shape=(len(self),))
            mapped["alive"][numbers] = 0
            mapped.flush()

    def read(self) -> Vectors:
        """The rows as they are now."""
        count = len(self)
        if not count:
            return Vectors(np.zeros(0, dtype=self._row))
        return Vectors(np.memmap(self._path, dtype=self._row, mode="r", shape=(count,)))


class Vectors:
    """Rows that do not change in number; safe to share between threads."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def nearest(self, query: npt.NDArray[np.float32], count: int, only: Filter) -> list[tuple[int, float]]:
        """At most `count` rows that the filter lets through, with their cosine, the nearest first."""
        if not len(self._rows):
            return []
        wanted = _quantized(query[np.newaxis])
        distances = np.asarray(
            simsimd.cdist(wanted, self._rows["values"], "cosine"), dtype=np.float64
        ).ravel()
        distances[~self._passing(only)] = np.inf
        first = np.argpartition(distances, min(count, len(distances)) - 1)[:count]
        order = first[np.argsort(distances[first], kind="stable")]
        return [(int(row), 1.0 - float(distances[row])) for row in order if np.isfinite(distances[row])]

    def _passing(self, only: Filter) -> npt.NDArray[np.bool_]:
        passing: npt.NDArray[np.bool_] = self._rows["alive"] == 1
        years = self._rows["year"]
        if only.from_year is not None or only.to_year is not None:
            passing &= years != _UNKNOWN_YEAR
        if only.from_year is not None:
            passing &= years >= only.from_year
        if only.to_year is not None:
            passing &= years <= only.to_year
        if only.kinds:
            passing &= (self._rows["kinds"] & _mask(only.kinds)) != 0
        return passing


def _quantized(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Each row stretched to the range of eight bits; cosines stay what they are to about 0.001."""
    largest = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    quantized: npt.NDArray[np.int8] = np.round(values / largest * _SCALE).astype(np.int8)
    return quantized


def _mask(kinds: Iterable[Kind]) -> int:
    return sum(1 << kind for kind in set(kinds))
