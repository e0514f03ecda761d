"""The abstracts that search is measured on: BC5CDR's, put together again, and as many as are wanted made of
their sentences.

The set's files hold tokens and sentences, and neither abstracts nor PubMed's numbers. A title is told by its
form (a short sentence without a finite verb, of which the next sentences say more); so where one abstract
ends and the next begins is a guess, which is right for most. A sentence is named by where it stands
(`train:12`), which is no guess, and what is relevant to a query is a list of such names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("train", "devel")

_FINITE = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|we|our|this|these|it|they|he|she|showed|did|does|may|can|there|those|reported|"
    r"developed|received|occurred|which|who)\b",
    re.IGNORECASE,
)
_MOST_TITLE_WORDS = 36
_SENTENCES_OF_AN_ABSTRACT = (2, 26)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and where it stands in the set."""

    name: str
    text: str
    entities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Abstract:
    """A title and the sentences after it."""

    name: str
    title: str
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(sentence.text for sentence in self.sentences)


def read(folder: Path) -> list[Abstract]:
    """The abstracts of both parts in their order."""
    return [abstract for part in PARTS for abstract in _abstracts(list(_sentences(folder, part)))]


def recombined(abstracts: Sequence[Abstract], count: int, seed: int = 7) -> Iterator[Abstract]:
    """Abstracts that nobody wrote: each sentence from an abstract of its own. The lengths are those of the
    real ones.
    """
    chance = random.Random(seed)
    pool = [sentence for abstract in abstracts for sentence in abstract.sentences]
    titles = [abstract.title for abstract in abstracts]
    lengths = [len(abstract.sentences) for abstract in abstracts if abstract.sentences]
    for number in range(count):
        sentences = tuple(chance.sample(pool, chance.choice(lengths)))
        yield Abstract(f"made:{number}", chance.choice(titles), sentences)


def _sentences(folder: Path, part: str) -> Iterator[Sentence]:
    blocks = (folder / f"{part}.tsv").read_text(encoding="utf-8").strip("\n").split("\n\n")
    for number, block in enumerate(blocks):
        rows = [line.split("\t") for line in block.split("\n")]
        yield Sentence(f"{part}:{number}", _joined([row[0] for row in rows]), frozenset(_entities(rows)))


def _entities(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    words: list[str] = []
    for word, tag in [*rows, ["", "O"]]:
        if words and not tag.startswith("I-"):
            yield " ".join(words).lower()
            words = []
        if tag != "O":
            words.append(word)


def _joined(words: Sequence[str]) -> str:
    """Tokens as they were written, as far as that can be told."""
    text = " ".join(words)
    text = re.sub(r"(\d) ([.,]) (?=\d)", r"\1\2", text)
    text = re.sub(r" ([.,;:!?%)\]])", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text)
    text = re.sub(r" ' s\b", "'s", text)
    text = re.sub(r" ?([-/]) ?", r"\1", text)
    return re.sub(r"\b([a-z]\.) (?=[a-z]\.)", r"\1", text)


def _abstracts(sentences: Sequence[Sentence]) -> Iterator[Abstract]:
    starts = [at for at in range(len(sentences)) if _is_title(sentences, at)]
    if starts[:1] != [0]:
        starts.insert(0, 0)
    for start, end in zip(starts, [*starts[1:], len(sentences)], strict=True):
        first, *others = sentences[start:end]
        yield Abstract(first.name, first.text, tuple(others))


def _is_title(sentences: Sequence[Sentence], at: int) -> bool:
    sentence = sentences[at]
    words = sentence.text.split()
    if len(words) > _MOST_TITLE_WORDS or not sentence.text.rstrip().endswith((".", "?")):
        return False
    if _FINITE.search(sentence.text) and not sentence.text.endswith("?"):
        return False
    if re.match(r"[A-Z &]{5,}:|(?:[A-Z][a-z]+ ){0,2}[A-Z][a-z]+: ", sentence.text) and ":" in " ".join(
        words[:3]
    ):
        return False
    before = frozenset().union(*(s.entities for s in sentences[max(0, at - 3) : at]))
    after = frozenset().union(*(s.entities for s in sentences[at + 1 : at + 5]))
    own = sentence.entities
    if not own:
        return False
    return len(own & after) > 0 and len(own & before) == 0
