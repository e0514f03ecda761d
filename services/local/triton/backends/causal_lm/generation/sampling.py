"""Logits to the next token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .parameters import SamplingParameters

Floats = npt.NDArray[np.float32]


class Sampler:
    """Chooses the tokens of one text; with a seed, or without a temperature, the same ones each time."""

    def __init__(self, parameters: SamplingParameters, vocabulary_count: int) -> None:
        self._parameters = parameters
        self._random = np.random.default_rng(parameters.seed)
        self._seen = np.zeros(vocabulary_count, dtype=bool)

    def see(self, tokens: list[int]) -> None:
        """Tokens that the penalty on repetition is about."""
        self._seen[tokens] = True

    def choose(self, logits: Floats) -> int:
        """The token that follows, of logits FP32 [vocabulary]."""
        wanted = self._parameters
        if wanted.repetition_penalty != 1:  # Keskar et al. 2019, as vLLM has it
            penalty = np.where(logits > 0, 1 / wanted.repetition_penalty, wanted.repetition_penalty)
            logits = np.where(self._seen, logits * penalty, logits)
        if wanted.temperature == 0:
            return int(logits.argmax())
        kept = logits.astype(np.float64) / wanted.temperature
        order = np.argsort(-kept)
        if wanted.top_k > 0:
            order = order[: wanted.top_k]
        odds = np.exp(kept[order] - kept[order[0]])
        odds /= odds.sum()
        enough = int(np.searchsorted(odds.cumsum(), wanted.top_p)) + 1
        odds = odds[:enough] / odds[:enough].sum()
        return int(order[self._random.choice(len(odds), p=odds)])
