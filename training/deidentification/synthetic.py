"""Synthetic identifiers set into real notes: what the network learns from, and what it and the rules are measured on.

Of the parts `train` and `test` neither names, nor forms of numbers and dates, nor sentences, nor notes are shared. `tune` has
the notes of its own, and the rest of `train`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.language.deidentification.identifiers import Kind
from training.deidentification.makers import KINDS, Maker
from training.deidentification.notes import notes

_HERE = Path(__file__).parent
_FIELD = re.compile(r"\{(\w+)\}")
MARKED = re.compile(
    r"\b(?:Dr|Mr|Ms|Mrs|Drs|Doctor|Miss|Professor)\b\.?|\d{1,4}[/-]\d{1,2}[/-]\d{2,4}|\b(?:XX+|XYZ|ABCD?|xxx+|DD|MM|YYYY|X|Y|Z)\b"
    r"|\b(?:January|February|March|April|June|July|August|September|October|November|December)\b|day\b|Christmas|Hospital|Clinic|University|Center"
    r"|\d{5,}|\d{3}[-.]\d{4}|County|Street|Avenue|Texas|Houston|California|\b9\d[- ]year|[Nn]amed|Sincerely|Serial|SURGEON|ANESTHESIOLOGIST|cc:"
)
"""What may be an identifier that was there already, or the publisher's mark for one."""


@dataclass(frozen=True)
class Marked:
    """A text and the identifiers in it: first character, one past the last, kind."""

    text: str
    identifiers: tuple[tuple[int, int, Kind], ...]
    source: str = ""
    """The note that the text around comes from."""


@cache
def templates(part: str, file: str = "templates.tsv") -> list[str]:
    own = "test" if part == "test" else "train"
    rows = [
        line.split("\t", 1)
        for line in (_HERE / file).read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    return [text.replace("\\n", "\n") for which, text in rows if which == own]


def filled(template: str, maker: Maker) -> Marked:
    """A template with identifiers in its fields."""
    parts: list[str] = []
    spans = []
    length, before = 0, 0
    for match in _FIELD.finditer(template):
        parts.append(template[before : match.start()])
        length += match.start() - before
        value = getattr(maker, match[1])()
        if match[1] in KINDS:
            spans.append((length, length + len(value), KINDS[match[1]]))
        parts.append(value)
        length += len(value)
        before = match.end()
    return Marked("".join([*parts, template[before:]]), tuple(spans))


def clean_sentences(text: str) -> list[str]:
    """The sentences of a note in which nothing looks like an identifier or the publisher's mark for one."""
    return [s for s in re.split(r"(?<=[.:])\s+|\n+", text) if 15 < len(s) < 400 and not MARKED.search(s)]


def joined(parts: Sequence[Marked], between: Sequence[str]) -> Marked:
    """Texts one after another, with what stands between them."""
    text, spans = "", []
    for part, blank in zip(parts, [*between, ""], strict=True):
        spans += [(start + len(text), end + len(text), kind) for start, end, kind in part.identifiers]
        text += part.text + blank
    return Marked(text, tuple(spans))


def passages(part: str, count: int, seed: int) -> list[Marked]:
    """`count` passages: a synthetic sentence among one to three real ones; every template once before any twice."""
    maker = Maker(part, seed)
    rng = maker.rng
    sources = [(note.id, clean_sentences(note.text)) for note in notes(part)]
    sources = [(id_, sentences) for id_, sentences in sources if len(sentences) > 5]
    todo: list[str] = []
    result: list[Marked] = []
    while len(result) < count:
        if not todo:
            todo = templates(part).copy()
            rng.shuffle(todo)
        made = filled(todo.pop(), maker)
        id_, sentences = rng.choice(sources)
        at = rng.randrange(len(sentences) - 2)
        before, after = sentences[at : at + rng.randint(1, 2)], sentences[at + 2 : at + 2 + rng.randint(0, 1)]
        parts = [*(Marked(s, ()) for s in before), made, *(Marked(s, ()) for s in after)]
        blanks = [
            rng.choice((" ", "  ", "\n", "" if part_.text.endswith(".") else " ")) for part_ in parts[:-1]
        ]
        whole = joined(parts, blanks)
        result.append(Marked(whole.text, whole.identifiers, id_))
    return result + [filled(text, maker) for text in templates(part, "chinese_templates.tsv") * 6]
