"""BC5CDR's files as tokenized sentences, a split of them, and training sequences drawn from them.

A file holds one token and its tag a line, a blank line between sentences, sentences in the order of their
abstracts. Where one abstract ends is not marked, so a split takes one contiguous stretch, which shares at
most two abstracts with the rest, and a sequence is a run of consecutive sentences, which mostly belong
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.language.tokenization import Int64Array, TextTokenizer
from services.language.word_shapes import Shape
from training.data_folder import data_folder

LABELS = ("O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical")

VOCABULARY_SIZE = 30522
"""Pieces in the uncased BERT vocabulary that all-MiniLM-L6-v2 uses. A token's id is its piece, and this times
the shape of the written word on top.
"""

MAX_TOKENS = 256
"""Longest sequence, [CLS] and [SEP] included; what all-MiniLM-L6-v2 was trained up to."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words as written and the index of each one's label in LABELS."""

    words: tuple[str, ...]
    tags: tuple[int, ...]

    @property
    def mentions(self) -> list[tuple[int, int, str]]:
        """The entities as (first word, one past the last, stem)."""
        found = []
        for first, tag in enumerate(self.tags):
            if LABELS[tag].startswith("B-"):
                last = first + 1
                while last < len(self.tags) and self.tags[last] == tag + 1:
                    last += 1
                found.append((first, last, LABELS[tag][2:]))
        return found


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of a run of sentences with their shape in them, the words they belong to and each token's
    tag.
    """

    ids: Int64Array
    words: Int64Array
    tags: Int64Array


def corpus_folder() -> Path:
    """Where the corpus lies."""
    return data_folder() / "ner_bc5cdr"


def read(path: Path) -> list[Sentence]:
    """All sentences of an IOB file, in order."""
    sentences = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if line]
        if rows:
            sentences.append(
                Sentence(tuple(row[0] for row in rows), tuple(LABELS.index(row[1]) for row in rows))
            )
    return sentences


def split(sentences: Sequence[Sentence], held_out: float) -> tuple[list[Sentence], list[Sentence]]:
    """(first part, last part): the last `held_out` of the sentences, as one stretch, watches and calibrates
    training.
    """
    cut = round(len(sentences) * (1 - held_out))
    return list(sentences[:cut]), list(sentences[cut:])


def read_tokenizer(path: Path) -> TextTokenizer:
    """The tokenizer of a `tokenizer.json`, with the shape of the written word in its ids."""
    return TextTokenizer.from_file(path, has_word_shapes=True)


class Pieces:
    """Tokenizes words one by one and remembers them; the same tokens as `TextTokenizer.encode` gives the
    joined text.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, Int64Array] = {}

    def __call__(self, word: str) -> Int64Array:
        """The word's token ids with its shape in them."""
        if word not in self._known:
            self._known[word] = self._tokenizer.encode(word).ids
        return self._known[word]

    def sequence(self, sentences: Sequence[Sentence]) -> Tokens:
        """A run of sentences as one sequence; every piece of a word carries the word's tag."""
        ids: list[Int64Array] = []
        tags: list[Int64Array] = []
        words: list[Int64Array] = []
        for sentence in sentences:
            for word, tag in zip(sentence.words, sentence.tags, strict=True):
                pieces = self(word)
                ids.append(pieces)
                tags.append(np.full(len(pieces), tag))
                words.append(np.full(len(pieces), len(words)))
        return Tokens(np.concatenate(ids), np.concatenate(words), np.concatenate(tags))

    def length(self, sentence: Sentence) -> int:
        """How many tokens the sentence has."""
        return sum(len(self(word)) for word in sentence.words)


def runs(sentences: Sequence[Sentence], pieces: Pieces, room: int) -> Iterator[list[Sentence]]:
    """Consecutive sentences, as many to a run as fit into `room` tokens (a longer sentence stands alone,
    cut).
    """
    run: list[Sentence] = []
    used = 0
    for sentence in sentences:
        length = pieces.length(sentence)
        if run and used + length > room:
            yield run
            run, used = [], 0
        run.append(sentence)
        used += length
    if run:
        yield run


class Augmentation:
    """Varies a run: other names of the same type from the same file, and other ways of writing.

    Replacing one name by another keeps what is said around it, so that the network learns from the words
    around a name and not only the names of 500 abstracts (Dai and Adel 2020, "mention replacement"). Within
    one run the same name is replaced by the same other name, as in a real abstract.
    """

    def __init__(self, sentences: Sequence[Sentence], replace: float, lower: float, upper: float) -> None:
        names: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for sentence in sentences:
            for first, last, stem in sentence.mentions:
                names[stem].append(sentence.words[first:last])
        self._names = {stem: sorted(set(found)) for stem, found in names.items()}
        self._replace, self._lower, self._upper = replace, lower, upper

    def replaced(self, run: Sequence[Sentence], rng: np.random.Generator) -> list[Sentence]:
        """The run with, for a share `replace` of its distinct names, another name of the same type."""
        chosen: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        varied = []
        for sentence in run:
            words: list[str] = []
            tags: list[int] = []
            at = 0
            for first, last, stem in sentence.mentions:
                key = (tuple(word.lower() for word in sentence.words[first:last]), stem)
                if key not in chosen:
                    names = self._names[stem]
                    swap = rng.random() < self._replace
                    chosen[key] = names[rng.integers(len(names))] if swap else ()
                name = chosen[key] or sentence.words[first:last]
                begin = LABELS.index(f"B-{stem}")
                words += [*sentence.words[at:first], *name]
                tags += [*sentence.tags[at:first], begin, *[begin + 1] * (len(name) - 1)]
                at = last
            varied.append(Sentence((*words, *sentence.words[at:]), (*tags, *sentence.tags[at:])))
        return varied

    def rewritten(self, ids: Int64Array, rng: np.random.Generator) -> Int64Array:
        """The sequence as if typed without capitals, or all in capitals, for a share `lower` and `upper` of
        them.
        """
        draw = rng.random()
        if draw < self._lower:
            return ids % VOCABULARY_SIZE
        if draw < self._lower + self._upper:
            return ids % VOCABULARY_SIZE + VOCABULARY_SIZE * int(Shape.UPPER)
        return ids
