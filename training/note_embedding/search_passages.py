"""Reads `tests/language/data/search_passages.tsv`: queries, and passages with what they do to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "tests" / "language" / "data" / "search_passages.tsv"


@dataclass(frozen=True)
class Passage:
    """One passage; `stance` is `agrees`, `contradicts` or `other`, `kind` how it does so."""

    id: str
    query: str
    stance: str
    kind: str
    text: str


def read_passages() -> list[Passage]:
    """All rows, in their order."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [Passage(*line.split("\t")) for line in lines if not line.startswith("#")]
