"""What the network learns from: the real notes of `train` with synthetic identifiers in them, anew each epoch."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.language.deidentification.identifiers import Kind
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Options
from services.language.tokenization import TextTokenizer
from training.deidentification.makers import Maker
from training.deidentification.notes import notes
from training.deidentification.synthetic import MARKED, Marked, filled, joined, templates
from training.identifier_tagger.people import with_names, with_people

TYPES = ("NAME", "LOCATION", "ORGANISATION", "DATE", "PHONE", "OTHER")
LABELS = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BI"))
IGNORED = -100
ROOM = 126
"""Tokens of a window between [CLS] and [SEP]."""
_TYPE_OF = {Kind.FAX: "PHONE", Kind.AGE: ""}
_SENTENCE = re.compile(r"(?<=[.:?!])\s+|\n+|(?<=[a-z)]\.)(?=[A-Z])")
_WORD = re.compile(r"\b[a-z]{3,}\b")
_SURE = 0.9
"""From which confidence on what the rules find in a real sentence is taken as true; below it nothing is learned."""


@dataclass(frozen=True)
class Sentence:
    """A real sentence with what stands in it, and where it is not known whether an identifier stands."""

    marked: Marked
    unknown: tuple[tuple[int, int], ...]


def type_of(kind: Kind) -> str:
    """The network's type of a kind; empty: none, the rules find it."""
    return _TYPE_OF.get(kind, kind.value if kind.value in TYPES else "OTHER")


def real_notes(part: str, seed: int) -> list[list[Sentence]]:
    """The notes as sentences, the publisher's marks filled in, the rest labelled by the surest rules."""
    rules, maker = Deidentifier(), Maker(part, seed)
    result = []
    for note in notes(part):
        sentences = []
        for text in _SENTENCE.split(note.text):
            if not text or not text.strip():
                continue
            marked = with_names(text, maker)
            known, unknown = list(marked.identifiers), []
            # A sentence without any sign of an identifier is taken to hold none.
            for found in rules.find([marked.text], Options())[0] if MARKED.search(text) else ():
                if any(found.start < end and start < found.end for start, end, _ in known):
                    continue
                if found.confidence >= _SURE and found.kind is not Kind.ORGANISATION:
                    known.append((found.start, found.end, found.kind))
                else:
                    unknown.append((found.start, found.end))
            sentences.append(Sentence(Marked(marked.text, tuple(sorted(known))), tuple(unknown)))
        result.append(sentences)
    return result


def epoch(
    real: Sequence[Sequence[Sentence]], part: str, seed: int, share: float = 0.35, people: float = 0.3
) -> Iterator[tuple[Marked, list[tuple[int, int]]]]:
    """Every note once, its persons named here and there, with synthetic sentences between the real ones; and where
    nothing is to be learned.
    """
    maker, rng = Maker(part, 1000 + seed), random.Random(seed)
    forms, words = templates(part), plain_words(real)
    for sentences in real:
        parts: list[Marked] = []
        blanks: list[str] = []
        unknown: list[tuple[int, int]] = []
        length = 0
        case = rng.choices((str, str.upper, str.lower), (0.9, 0.05, 0.05))[0]
        for sentence in sentences:
            # What is not known keeps its place only where nobody is named.
            named = not sentence.unknown and rng.random() < people
            pieces = [with_people(sentence.marked, maker, words) if named else sentence.marked]
            unknown += [(start + length, end + length) for start, end in sentence.unknown]
            if rng.random() < share:
                made = filled(rng.choice(forms), maker)
                own = rng.choices((str, str.upper, str.lower), (0.85, 0.08, 0.07))[0]
                changed = own(made.text)
                pieces.append(Marked(changed, made.identifiers) if len(changed) == len(made.text) else made)
            for piece in pieces:
                blank = rng.choices(
                    (" ", "  ", "\n", ""), (0.6, 0.15, 0.15, 0.1 if piece.text.endswith((".", ":")) else 0)
                )[0]
                parts.append(piece)
                blanks.append(blank)
                length += len(piece.text) + len(blank)
        whole = joined(parts, blanks[:-1])
        text = case(whole.text)
        yield Marked(text if len(text) == len(whole.text) else whole.text, whole.identifiers), unknown


def plain_words(real: Sequence[Sequence[Sentence]]) -> list[str]:
    """The words of the notes that are written without capitals, each once."""
    return sorted({word for note in real for s in note for word in _WORD.findall(s.marked.text)})


def labelled(
    text: Marked, unknown: Sequence[tuple[int, int]], tokenizer: TextTokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and a label each, INT64 [tokens]."""
    encoding = tokenizer.encode(text.text)
    labels = np.zeros(len(encoding.ids), dtype=np.int64)
    starts = np.array([word.start for word in encoding.words])
    ends = np.array([word.end for word in encoding.words])
    for start, end, kind in text.identifiers:
        name = type_of(kind)
        first, last = np.searchsorted(ends, start, side="right"), np.searchsorted(starts, end, side="left")
        for at, word in enumerate(range(first, last)):
            tokens = slice(encoding.words[word].first, encoding.words[word].last)
            labels[tokens] = IGNORED if not name else LABELS.index(f"{'I' if at else 'B'}-{name}")
    for start, end in unknown:
        first, last = np.searchsorted(ends, start, side="right"), np.searchsorted(starts, end, side="left")
        for word in range(first, last):
            labels[encoding.words[word].first : encoding.words[word].last] = IGNORED
    return encoding.ids, labels


def frequent_pieces(tokenizer: TextTokenizer, texts: Iterator[Marked]) -> Counter[int]:
    """How often each piece stands in the texts; ids without shapes."""
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(tokenizer.encode(text.text).ids.tolist())
    return counts
