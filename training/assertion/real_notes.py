"""Reads the labelled mentions of real notes; `tests/language/data/real_notes.md` says what they are."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.language.entities import Assertion, EntityType, Span

LABELS = Path(__file__).parents[2] / "tests" / "language" / "data" / "real_note_assertions.tsv"
NOTES = Path("clinical_notes") / "notes.jsonl.gz"


@dataclass(frozen=True, slots=True)
class LabelledMention:
    """A mention; `sentence` is [start, end) of its passage, in code points of the note as `span` is."""

    span: Span
    sentence: tuple[int, int]
    label: Assertion
    kind: str
    doubtful: bool


@dataclass(frozen=True, slots=True)
class LabelledNote:
    """A whole note; its mentions stand in its order."""

    name: str
    split: str
    text: str
    mentions: tuple[LabelledMention, ...]


def read_texts(data: Path) -> dict[str, str]:
    """The text of every note of the data folder `data` by id."""
    with gzip.open(data / NOTES, "rt", encoding="utf-8") as lines:
        notes = [json.loads(line) for line in lines]
    return {note["id"]: note["text"] for note in notes}


def read_notes(data: Path, labels: Path = LABELS) -> list[LabelledNote]:
    """The labelled notes; ValueError where the data's text is not the one that was labelled."""
    texts = read_texts(data)
    by_note: dict[tuple[str, str], list[LabelledMention]] = {}
    for row in _rows(labels.read_text(encoding="utf-8").splitlines()):
        text, start, end = texts[row["note"]], int(row["start"]), int(row["end"])
        if hashlib.sha256(text[start:end].encode()).hexdigest()[:8] != row["sha"]:
            raise ValueError(f"note {row['note']} is not the one that was labelled")
        mention = LabelledMention(
            span=Span(start, end, EntityType[row["type"].upper()]),
            sentence=(int(row["sentence_start"]), int(row["sentence_end"])),
            label=Assertion(row["label"]),
            kind=row["kind"],
            doubtful=row["doubtful"] == "yes",
        )
        by_note.setdefault((row["note"], row["split"]), []).append(mention)
    return [
        LabelledNote(name, split, texts[name], tuple(mentions)) for (name, split), mentions in by_note.items()
    ]


def _rows(lines: Iterable[str]) -> Iterable[dict[str, str]]:
    return csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
