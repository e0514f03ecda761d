"""A text of any length to stretches that fit a model, and the lengths they are padded to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.language.tokenization import Int64Array

STEP = 8
"""Padded lengths are multiples of it. Padding costs as much as text does, so they lie close together; not
closer, because a GPU puts only equal shapes into one batch.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of tokens `[start, end)` that fits the model, of which it answers for `[owned_start,
    owned_end)`.
    """

    start: int
    end: int
    owned_start: int
    owned_end: int


def windows(word_of: Int64Array, room: int, stride_tokens: int) -> Iterator[Window]:
    """Cuts a text of `len(word_of)` tokens into overlapping windows of at most `room` tokens at word starts,
    each token owned by exactly one.

    Neighbours share about `stride_tokens` tokens and each answers for the half of them nearer to its own
    middle.
    """
    total = len(word_of)
    if not 0 <= stride_tokens < room:
        raise ValueError("the stride must be shorter than the window")
    start = owned_start = 0
    while start < total:
        end = min(start + room, total)
        if end == total:
            yield Window(start, end, owned_start, total)
            return
        following = _word_start(word_of, end - stride_tokens, after=start)
        owned_end = _word_start(word_of, following + (end - following) // 2, after=owned_start)
        yield Window(start, end, owned_start, owned_end)
        start, owned_start = following, owned_end


def _word_start(word_of: Int64Array, position: int, after: int) -> int:
    """The last word start at or before `position` but after `after`; `position` itself inside one giant
    word.
    """
    at = position
    while at > after and word_of[at] == word_of[at - 1]:
        at -= 1
    return at if at > after else position


def padded_length(count: int, longest: int) -> int:
    """The length that `count` tokens, those that frame them included, are padded to: the next multiple of
    STEP, `longest` at most. ValueError above it.
    """
    if count > longest:
        raise ValueError(f"{count} tokens exceed the longest input of {longest}")
    return min(-(-count // STEP) * STEP, longest)
