"""Tokens to text as they come, up to a stop text."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class TextOfTokens:
    """The text of one answer. What may still become a stop text, or a letter, is held back."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stop_texts: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        # The prompt's last tokens decide whether the first one begins with a blank.
        self._stream = DecodeStream(ids=list(prompt), skip_special_tokens=True)
        self._stop_texts = tuple(stop_texts)
        self._held = ""
        self.is_stopped = False
        """Whether a stop text has come; it is not part of the text."""

    def add(self, token: int) -> str:
        """What a further token makes certain."""
        self._held += self._stream.step(self._tokenizer, token) or ""
        starts = [at for text in self._stop_texts if (at := self._held.find(text)) >= 0]
        if starts:
            self.is_stopped = True
            certain, self._held = self._held[: min(starts)], ""
            return certain
        kept = max((_overlap(self._held, text) for text in self._stop_texts), default=0)
        certain, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return certain

    def end(self) -> str:
        """What was held back, when no further token comes."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    longest = min(len(text), len(stop) - 1)
    return next((count for count in range(longest, 0, -1) if text.endswith(stop[:count])), 0)
