"""Reads the labelled assertion sentences; the head of the file explains its marks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from services.language.entities import Assertion, EntityType, Span

PATH = Path(__file__).parents[2] / "tests" / "language" / "data" / "assertion_sentences.tsv"

_LABELS = {
    "P": Assertion.PRESENT,
    "A": Assertion.ABSENT,
    "U": Assertion.POSSIBLE,
    "H": Assertion.HISTORICAL,
    "F": Assertion.FAMILY,
    "Y": Assertion.HYPOTHETICAL,
    "L": Assertion.ALLERGY,
}
_MARK = re.compile(r"<([PAUHFYL])(:C)? ([^<>]+)>")


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """A sentence or short note; `labels` stand in the order of `spans`."""

    name: str
    split: str
    style: str
    text: str
    spans: tuple[Span, ...]
    labels: tuple[Assertion, ...]


def read_sentences(path: Path = PATH) -> list[LabelledSentence]:
    """All sentences of the file; ValueError for a malformed line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def _parse(name: str, split: str, style: str, marked: str) -> LabelledSentence:
    marked = marked.replace("\\n", "\n")
    text, spans, labels, last = "", [], [], 0
    for mark in _MARK.finditer(marked):
        text += marked[last : mark.start()]
        kind = EntityType.CHEMICAL if mark[2] else EntityType.DISEASE
        spans.append(Span(len(text), len(text) + len(mark[3]), kind))
        labels.append(_LABELS[mark[1]])
        text += mark[3]
        last = mark.end()
    if not spans:
        raise ValueError(f"{name}: no entity is marked")
    return LabelledSentence(name, split, style, text + marked[last:], tuple(spans), tuple(labels))
