"""Whole sentences out of a text that is still being written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator

from services.language.sentences import split_sentences

_FOLLOWED = re.compile(r"\s*\S+\s")
"""What has to stand behind a sentence before it is taken for whole: a word that is whole itself."""


async def whole_sentences(pieces: AsyncIterable[str]) -> AsyncIterator[str]:
    """The sentences of a text that comes in pieces, each as soon as the word after it is there, and the last
    one when the text ends. A heading may stay with the sentence below it, and blank lines come alone.
    Together they are the text, and how it was cut into pieces does not matter.
    """
    rest = ""
    async for piece in pieces:
        for letter in piece:
            rest += letter
            # A sentence can only turn out to have ended when the word after it does.
            if letter.isspace():
                cut = _ended(rest)
                for start, end in cut:
                    yield rest[start:end]
                rest = rest[cut[-1][1] if cut else 0 :]
    for start, end in split_sentences(rest):
        yield rest[start:end]


def _ended(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence that something whole follows."""
    return [(start, end) for start, end in split_sentences(text) if _FOLLOWED.match(text, end)]
