"""The real notes, split by their ids: `train` for the lists and the weights, `tune` to look at, `test` for figures alone."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

from training.data_folder import data_folder

_PARTS = {"test": (0,), "tune": (1,), "train": (2, 3, 4)}


@dataclass(frozen=True)
class Note:
    """One note of the corpus."""

    id: str
    specialty: str
    text: str


def notes(part: str) -> list[Note]:
    """The notes of `train` (three fifths), `tune` or `test` (a fifth each)."""
    path = data_folder() / "clinical_notes" / "notes.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Note(row["id"], row["specialty"], row["text"])
        for row in rows
        if int(row["id"][:8], 16) % 5 in _PARTS[part]
    ]
