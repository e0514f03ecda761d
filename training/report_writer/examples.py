"""What the network sees: token sequences, and how much each token counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from training.report_writer.tokenizer import ANSWER, END, MARKS, PROMPT

PROMPT_WEIGHT = 0.15
"""The words of a prompt are learned too, by this much: they are English of the same kind."""
LONGEST = 640


@dataclass(frozen=True)
class Example:
    """One thing to write."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Tokens:
    """Token ids, and of each the weight of the loss at it."""

    ids: list[int]
    weights: list[float]


class Encoder:
    """Turns text into sequences."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.prompt, self.answer, self.end = (MARKS.index(mark) for mark in (PROMPT, ANSWER, END))

    def prompt_ids(self, text: str) -> list[int]:
        """A prompt up to where the answer begins."""
        return [self.prompt, *self.tokenizer.encode(text).ids, self.answer]

    def sequence(self, example: Example) -> Tokens:
        """Prompt and answer; a prompt that is too long loses its end."""
        answer = [*self.tokenizer.encode(example.answer).ids, self.end][: LONGEST // 2]
        prompt = self.prompt_ids(example.prompt)
        prompt = (
            [*prompt[: LONGEST - len(answer) - 1], self.answer]
            if len(prompt) > LONGEST - len(answer)
            else prompt
        )
        return Tokens(prompt + answer, [PROMPT_WEIGHT] * len(prompt) + [1.0] * len(answer))


class Notes:
    """Stretches of the notes, to learn English from."""

    def __init__(self, texts: Sequence[str], encoder: Encoder, length: int = 256) -> None:
        self.length = length
        self.ids = [token for text in texts for token in [*encoder.tokenizer.encode(text).ids, encoder.end]]

    def draw(self, rng: np.random.Generator) -> Tokens:
        """A stretch that begins anywhere."""
        at = int(rng.integers(len(self.ids) - self.length))
        return Tokens(self.ids[at : at + self.length], [1.0] * self.length)


def batch(
    draw: Callable[[np.random.Generator], Tokens], rng: np.random.Generator, tokens: int, pool: int = 48
) -> list[Tokens]:
    """Sequences of like length of `tokens` in all, padding counted: neighbours in a sorted pool."""
    drawn = sorted((draw(rng) for _ in range(pool)), key=lambda sequence: len(sequence.ids))
    at = int(rng.integers(pool))
    chosen = [drawn[at]]
    low, high = at, at
    while True:
        nearest = [place for place in (low - 1, high + 1) if 0 <= place < pool]
        if not nearest:
            return chosen
        place = min(nearest, key=lambda place: abs(len(drawn[place].ids) - len(drawn[at].ids)))
        low, high = min(low, place), max(high, place)
        if (high - low + 1) * len(drawn[high].ids) > tokens:
            return chosen
        chosen.append(drawn[place])


def padded(sequences: Sequence[Tokens]) -> tuple[np.ndarray, np.ndarray]:
    """Ids INT64 and weights FP32, [batch, tokens] each, padded on the right with 0."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = np.zeros((len(sequences), length), np.int64)
    weights = np.zeros((len(sequences), length), np.float32)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = sequence.ids
        weights[row, : len(sequence.ids)] = sequence.weights
    return ids, weights
