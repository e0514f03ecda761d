"""Reads the tables of clinical knowledge: tab separated, `#` begins a comment, every row has all columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def rows(path: Path, columns: int) -> Iterator[list[str]]:
    """The rows of a table; ValueError names the line whose number of columns differs."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            row = line.split("\t")
            if len(row) != columns:
                raise ValueError(f"{path.name}, line {number}: {len(row)} columns instead of {columns}")
            yield row
