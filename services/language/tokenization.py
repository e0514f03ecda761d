"""Text to tokens: what a model's `tokenizer.json` makes of a text, and which words the tokens belong to.

Training and serving share this module. The tokenizer may be of any kind that Hugging Face's `tokenizers`
reads (WordPiece, byte-level BPE, Unigram, with whatever normalizer); two things are the same for all of
them. Words are those of BERT's pre-tokenizer, cut at blanks and around each mark of punctuation, because
the rules that read a note read such words. And every offset counts code points of the text as it was
given.
"""

from __future__ import annotations

import errno
import hashlib
import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, pre_tokenizers

from medmesh.common.v1.serving_pb2 import TextPreprocessing
from services.language.word_shapes import WORD_SHAPE_VERSION, word_shape

Int64Array = npt.NDArray[np.int64]

_PADDING_TOKENS = ("[PAD]", "<pad>")
_WORDS = pre_tokenizers.BertPreTokenizer()


@dataclass(frozen=True, slots=True)
class Word:
    """A word: its tokens `[first, last)`, which it may share with a neighbour, and its code points
    `[start, end)`.
    """

    first: int
    last: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text as tokens, without those that frame it, and as words.

    `ids` are what the model gets, INT64 [tokens]; `ends` is where each token ends, in code points of the
    text; `word_of` numbers the word of each token, never descending, so that windows begin at words.
    """

    ids: Int64Array
    ends: Int64Array
    word_of: Int64Array
    words: tuple[Word, ...]

    def __len__(self) -> int:
        return len(self.ids)


class TextTokenizer:
    """A model's tokenizer; immutable, safe to share between threads.

    Text is text: where a note holds the words `[SEP]` or `</s>`, they are read as characters.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, has_word_shapes: bool = False, pad_token_id: int | None = None
    ) -> None:
        self.pad_token_id = _padding(tokenizer) if pad_token_id is None else pad_token_id
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._unknown = _unknown(tokenizer)
        self._special = [
            number
            for number, token in tokenizer.get_added_tokens_decoder().items()
            if token.special and number != self._unknown
        ]
        self._has_own_words = isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        self._shape_step = tokenizer.get_vocab_size() if has_word_shapes else 0
        self._read_frame(tokenizer)

    @classmethod
    def from_file(
        cls, path: Path, *, has_word_shapes: bool = False, pad_token_id: int | None = None
    ) -> TextTokenizer:
        """Reads a `tokenizer.json`; FileNotFoundError, or ValueError where it is not one.

        Models with the same file share what is read: 9 MB for a vocabulary of 30,000 pieces.
        """
        digest = hashlib.sha256(path.read_bytes()).digest()
        alike = _read.get(digest)
        tokenizer = read_tokenizer(path) if alike is None else alike._tokenizer  # noqa: SLF001 - its own class
        made = cls(tokenizer, has_word_shapes=has_word_shapes, pad_token_id=pad_token_id)
        _read.setdefault(digest, made)
        return made

    @classmethod
    def from_card(cls, folder: Path, preprocessing: TextPreprocessing) -> TextTokenizer:
        """The tokenizer of the model in `folder`, as its card declares it; fails as `from_file` does."""
        shapes = preprocessing.word_shape_version
        if shapes not in {"", WORD_SHAPE_VERSION}:
            raise ValueError(f"word_shape_version is {shapes}; known is {WORD_SHAPE_VERSION}")
        pad = preprocessing.pad_token_id if preprocessing.HasField("pad_token_id") else None
        return cls.from_file(
            folder / preprocessing.tokenizer_file, has_word_shapes=bool(shapes), pad_token_id=pad
        )

    @property
    def frame_count(self) -> int:
        """How many tokens frame a text, such as `[CLS]` and `[SEP]`."""
        return len(self._before) + len(self._after)

    def encode(self, text: str) -> Encoding:
        """Tokenizes `text` whole, however long."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        ids = np.array(encoded.ids, dtype=np.int64)
        if self._unknown is not None:  # a vocabulary of pieces may hold "</s>" as a piece
            ids[np.isin(ids, self._special)] = self._unknown
        own_words = np.array([-1 if word is None else word for word in encoded.word_ids], dtype=np.int64)
        offsets = np.array(encoded.offsets, dtype=np.int64).reshape(-1, 2)
        if self._has_own_words:
            words, word_of = _own_words(text, own_words, offsets)
        else:
            words, word_of = _cut_words(text, own_words, offsets)
        if self._shape_step:
            for word in words:
                if shape := word_shape(text[word.start : word.end]):
                    ids[word.first : word.last] += self._shape_step * shape
        return Encoding(ids, _ends(text, offsets), word_of, words)

    def framed(self, ids: Int64Array, length: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """What the model gets of a stretch of tokens: input ids, attention mask and token types, each INT64
        [length], padded on the right. ValueError where they do not fit.
        """
        count = len(ids) + self.frame_count
        if count > length:
            raise ValueError(f"{count} tokens do not fit {length}")
        input_ids = np.full(length, self.pad_token_id, dtype=np.int64)
        input_ids[:count] = np.concatenate([self._before, ids, self._after])
        types = np.zeros(length, dtype=np.int64)
        inner = np.full(len(ids), self._inner_type)
        types[:count] = np.concatenate([self._before_types, inner, self._after_types])
        mask = np.zeros(length, dtype=np.int64)
        mask[:count] = 1
        return input_ids, mask, types

    @property
    def before_count(self) -> int:
        """How many of the frame's tokens stand before the text."""
        return len(self._before)

    def _read_frame(self, tokenizer: Tokenizer) -> None:
        """What the post-processor puts around a single text, read off one."""
        framed = tokenizer.encode("a", add_special_tokens=True)
        inner = [place for place, added in enumerate(framed.special_tokens_mask) if not added]
        if not inner:
            raise ValueError("the tokenizer makes no token of a letter")
        ids = np.array(framed.ids, dtype=np.int64)
        types = np.array(framed.type_ids, dtype=np.int64)
        first, last = inner[0], inner[-1] + 1
        self._before, self._after = ids[:first], ids[last:]
        self._before_types, self._after_types = types[:first], types[last:]
        self._inner_type = int(types[first])


_read: WeakValueDictionary[bytes, TextTokenizer] = WeakValueDictionary()
"""By the digest of the file that it was read from."""


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads a `tokenizer.json`; FileNotFoundError, or ValueError where it is not one."""
    if not path.is_file():  # tokenizers' own error has no type of its own
        raise FileNotFoundError(errno.ENOENT, "no tokenizer", str(path))
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        raise ValueError(f"{path.name} is not a tokenizer file: {error}") from None


def _padding(tokenizer: Tokenizer) -> int:
    """As TextPreprocessing.pad_token_id says of a card without one."""
    if tokenizer.padding:
        return int(tokenizer.padding["pad_id"])
    found = (tokenizer.token_to_id(token) for token in _PADDING_TOKENS)
    return next((int(number) for number in found if number is not None), 0)


def _unknown(tokenizer: Tokenizer) -> int | None:
    """Id of what the vocabulary does not hold; None where it holds every byte."""
    if isinstance(tokenizer.model, models.Unigram):
        return int(json.loads(tokenizer.to_str())["model"]["unk_id"])
    name = getattr(tokenizer.model, "unk_token", None)
    number = tokenizer.token_to_id(name) if name else None
    return None if number is None else int(number)


def _own_words(text: str, own_words: Int64Array, offsets: Int64Array) -> tuple[tuple[Word, ...], Int64Array]:
    """Of a tokenizer with BERT's pre-tokenizer: its own words."""
    starts, ends = offsets[:, 0].tolist(), _ends(text, offsets).tolist()
    return tuple(
        Word(first, last, starts[first], ends[last - 1]) for first, last in word_bounds(own_words)
    ), own_words


def _cut_words(text: str, own_words: Int64Array, offsets: Int64Array) -> tuple[tuple[Word, ...], Int64Array]:
    """Of any other tokenizer: BERT's words of the text, each with the tokens that hold a part of it."""
    spans = np.array([span for _, span in _WORDS.pre_tokenize_str(text)], dtype=np.int64).reshape(-1, 2)
    starts, ends = _without_blanks(text, own_words, offsets)
    firsts = np.searchsorted(ends, spans[:, 0], side="right")
    lasts = np.searchsorted(starts, spans[:, 1], side="left")
    words = tuple(
        Word(int(first), int(last), int(start), _with_combining_marks(text, int(end)))
        for first, last, (start, end) in zip(firsts, lasts, spans, strict=True)
        if first < last
    )
    word_of = np.searchsorted([word.end for word in words], starts, side="right")
    return words, np.minimum(word_of, max(len(words) - 1, 0)).astype(np.int64)


def _without_blanks(text: str, own_words: Int64Array, offsets: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Where each token begins and ends without the blanks that byte-level BPE and SentencePiece put into it;
    neither descends. A token that is nothing but the blank before a word counts to the word.
    """
    spans = []
    for start, end in offsets.tolist():
        token = text[start:end]
        stripped = token.strip()
        first = start + (token.find(stripped) if stripped else len(token))
        spans.append((first, first + len(stripped)))
    for at in range(len(spans) - 2, -1, -1):
        is_blank = spans[at][0] == spans[at][1]
        if is_blank and own_words[at] == own_words[at + 1] and own_words[at] >= 0:
            spans[at] = spans[at + 1]
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return np.maximum.accumulate(bounds[:, 0]), np.maximum.accumulate(bounds[:, 1])


def word_bounds(word_of: Int64Array) -> list[tuple[int, int]]:
    """First and one-past-last token of each word, in order, from the word of each token."""
    if len(word_of) == 0:
        return []
    firsts = np.flatnonzero(np.diff(word_of, prepend=word_of[0] - 1))
    return list(zip(firsts.tolist(), [*firsts[1:].tolist(), len(word_of)], strict=True))


def _ends(text: str, offsets: Int64Array) -> Int64Array:
    if text.isascii():
        return offsets[:, 1]
    return np.array([_with_combining_marks(text, end) for end in offsets[:, 1].tolist()], dtype=np.int64)


def _with_combining_marks(text: str, end: int) -> int:
    """Moves `end` past combining marks, which normalizers drop, so that no span cuts a letter from its
    accent.
    """
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
