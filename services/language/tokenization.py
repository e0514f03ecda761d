"""Text to model input: WordPiece tokens with code-point offsets, cut into windows, padded to length buckets.

The one piece of preprocessing that training and serving share. A change that alters any tensor it makes
must raise `PREPROCESSING_VERSION`; a model card names the version its model was trained with.

The vocabulary is uncased, so "PD" and "pd" would reach the model alike. The shape of the written word is
therefore carried in the token id itself: `id = piece + VOCABULARY_SIZE * shape` (`cased_ids`), which the
entity network takes apart again inside its graph. The embedding network gets the plain pieces.
"""

from __future__ import annotations

import enum
import errno
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from services.chassis.errors import ModelUnavailable

PREPROCESSING_VERSION = "wordpiece-shape/1"

VOCABULARY_SIZE = 30522
"""Pieces in the uncased BERT vocabulary that all-MiniLM-L6-v2 uses."""

MAX_TOKENS = 256
"""Longest sequence, [CLS] and [SEP] included; what all-MiniLM-L6-v2 was trained up to."""

WINDOW_TOKENS = 128
"""Window of the entity network over a note: the length that most of its training sequences had."""

STRIDE_TOKENS = 48
"""How many tokens two neighbouring windows share, so that no entity is seen only at an edge."""

BUCKETS = (16, 32, 64, 128, 256)
"""Padded lengths. Triton puts only equal shapes into one batch, so lengths are few."""

Int64Array = npt.NDArray[np.int64]


class Shape(enum.IntEnum):
    """How a word is written; the number is part of the token id (`cased_ids`)."""

    LOWER = 0
    CAPITALISED = 1
    UPPER = 2
    MIXED = 3


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text as tokens, without special tokens. All sequences have one item a token.

    `pieces` are vocabulary ids; `words` numbers the words from 0 on; `starts`/`ends` are code-point offsets
    into the text the tokens came from, half open; `shapes` are `Shape` numbers.
    """

    pieces: Int64Array
    words: Int64Array
    starts: Int64Array
    ends: Int64Array
    shapes: Int64Array

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def cased_ids(self) -> Int64Array:
        """Token ids with the word's shape in them, INT64 [tokens]."""
        return self.pieces + VOCABULARY_SIZE * self.shapes


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of tokens `[start, end)` that fits the model, of which it answers for `[owned_start,
    owned_end)`.
    """

    start: int
    end: int
    owned_start: int
    owned_end: int


class NoteTokenizer:
    """BERT's uncased WordPiece tokenizer with offsets into the original text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.cls_id, self.sep_id, self.pad_id = (_special(tokenizer, name) for name in ("CLS", "SEP", "PAD"))

    @classmethod
    def from_file(cls, path: Path) -> NoteTokenizer:
        """Read the `tokenizer.json` that lies beside the model in `triton_repo/`."""
        if not path.is_file():  # tokenizers' own error has no type of its own
            raise FileNotFoundError(errno.ENOENT, "no tokenizer", str(path))
        return cls(Tokenizer.from_file(str(path)))

    def encode(self, text: str) -> Encoding:
        """Tokenize `text` whole, however long; offsets count code points of `text` as it was given."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        words = np.array(encoded.word_ids, dtype=np.int64)
        offsets = np.array(encoded.offsets, dtype=np.int64).reshape(-1, 2)
        starts, ends = offsets[:, 0], offsets[:, 1]
        return Encoding(
            pieces=np.array(encoded.ids, dtype=np.int64),
            words=words,
            starts=starts,
            ends=np.array([_with_combining_marks(text, int(end)) for end in ends], dtype=np.int64),
            shapes=_word_shapes(text, words, starts, ends),
        )


class UnservedTokenizer(NoteTokenizer):
    """Stands for the tokenizer of a model that is not served: whoever needs it gets ModelUnavailable."""

    def __init__(self, model: str, refusal: str) -> None:
        self._model, self._refusal = model, refusal

    def encode(self, text: str) -> Encoding:  # noqa: ARG002 - as of a tokenizer that is there
        raise ModelUnavailable(self._refusal, metadata={"model": self._model})


def _special(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.token_to_id(f"[{name}]")
    if number is None:
        raise ValueError(f"the vocabulary has no [{name}]")
    return int(number)


def _word_shapes(text: str, words: Int64Array, starts: Int64Array, ends: Int64Array) -> Int64Array:
    """The shape of the word that each token belongs to."""
    shapes = np.zeros(len(words), dtype=np.int64)
    for first, last in word_bounds(words):
        shapes[first:last] = word_shape(text[starts[first] : ends[last - 1]])
    return shapes


def word_shape(word: str) -> Shape:
    """How `word` is written; a word without capitals, such as a number, is LOWER; one lone capital
    CAPITALISED.
    """
    capitals = sum(character.isupper() for character in word)
    if capitals == 0:
        return Shape.LOWER
    if word[0].isupper() and capitals == 1:
        return Shape.CAPITALISED
    if not any(character.islower() for character in word):
        return Shape.UPPER
    return Shape.MIXED


def word_bounds(words: Int64Array) -> list[tuple[int, int]]:
    """First and one-past-last token of each word, in order."""
    if len(words) == 0:
        return []
    firsts = np.flatnonzero(np.diff(words, prepend=words[0] - 1))
    return list(zip(firsts.tolist(), [*firsts[1:].tolist(), len(words)], strict=True))


def _with_combining_marks(text: str, end: int) -> int:
    """Move `end` past combining marks, which the normalizer drops, so that no span cuts a letter from its
    accent.
    """
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end


def windows(
    words: Int64Array, max_tokens: int = WINDOW_TOKENS, stride_tokens: int = STRIDE_TOKENS
) -> Iterator[Window]:
    """Cut a text of `len(words)` tokens into overlapping windows at word starts, each token owned by exactly
    one.

    Neighbours share about `stride_tokens` tokens and each answers for the half of them nearer to its own
    middle. A window holds at most `max_tokens - 2` tokens, which leaves room for [CLS] and [SEP].
    """
    total, room = len(words), max_tokens - 2
    if not 0 <= stride_tokens < room:
        raise ValueError("the stride must be shorter than the window")
    start = owned_start = 0
    while start < total:
        end = min(start + room, total)
        if end == total:
            yield Window(start, end, owned_start, total)
            return
        following = _word_start(words, end - stride_tokens, after=start)
        owned_end = _word_start(words, following + (end - following) // 2, after=owned_start)
        yield Window(start, end, owned_start, owned_end)
        start, owned_start = following, owned_end


def _word_start(words: Int64Array, position: int, after: int) -> int:
    """The last word start at or before `position` but after `after`; `position` itself inside one giant
    word.
    """
    at = position
    while at > after and words[at] == words[at - 1]:
        at -= 1
    return at if at > after else position


def bucket(length: int) -> int:
    """The padded length for `length` tokens; raises ValueError above the longest bucket."""
    for size in BUCKETS:
        if length <= size:
            return size
    raise ValueError(f"{length} tokens exceed the longest window of {BUCKETS[-1]}")


def pad(
    ids: Sequence[int] | Int64Array, tokenizer: NoteTokenizer, length: int
) -> tuple[Int64Array, Int64Array]:
    """`[CLS] ids [SEP]` padded to `length`: (input_ids, attention_mask), both INT64 [length]."""
    count = len(ids) + 2
    if count > length:
        raise ValueError(f"{count} tokens do not fit {length}")
    input_ids = np.full(length, tokenizer.pad_id, dtype=np.int64)
    input_ids[0] = tokenizer.cls_id
    input_ids[1 : count - 1] = ids
    input_ids[count - 1] = tokenizer.sep_id
    attention_mask = np.zeros(length, dtype=np.int64)
    attention_mask[:count] = 1
    return input_ids, attention_mask
