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

_DATA = Path(__file__).parents[2] / "tests" / "language" / "data"
LABELS = _DATA / "real_note_assertions.tsv"
IMAGING = _DATA / "real_radiology_findings.tsv"
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


@dataclass(frozen=True, slots=True)
class ImagingSentence:
    """A sentence [start, end) of a note, in code points; the findings it asserts, leaves open, denies."""

    start: int
    end: int
    present: tuple[str, ...]
    possible: tuple[str, ...]
    absent: tuple[str, ...]


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
        _check(text[start:end], row)
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


def read_imaging(data: Path, labels: Path = IMAGING) -> list[tuple[str, list[ImagingSentence]]]:
    """The texts with labelled sentences of imaging; ValueError where the data's text is another one."""
    texts = read_texts(data)
    by_note: dict[str, list[ImagingSentence]] = {}
    for row in _rows(labels.read_text(encoding="utf-8").splitlines()):
        start, end = int(row["start"]), int(row["end"])
        _check(texts[row["note"]][start:end], row)
        present, possible, absent = (
            tuple(name for name in row[column].split("; ") if name)
            for column in ("present", "possible", "absent")
        )
        by_note.setdefault(row["note"], []).append(ImagingSentence(start, end, present, possible, absent))
    return [(texts[name], sentences) for name, sentences in by_note.items()]


def _check(text: str, row: dict[str, str]) -> None:
    if hashlib.sha256(text.encode()).hexdigest()[:8] != row["sha"]:
        raise ValueError(f"note {row['note']} is not the one that was labelled")


def _rows(lines: Iterable[str]) -> Iterable[dict[str, str]]:
    return csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
