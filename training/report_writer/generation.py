"""Writing with an exported graph, as the embedded Triton does: greedily, with the cache kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from training.onnx_runtime import session
from training.report_writer.examples import Encoder


@dataclass(frozen=True)
class Written:
    """An answer."""

    text: str
    ids: tuple[int, ...]
    ended: bool
    """Whether the network ended it, rather than the bound on its length."""


class GraphWriter:
    """A graph of `graph.py` and its tokenizer."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        self._session = session(weights)
        self.encoder = Encoder(Tokenizer.from_file(str(tokenizer)))
        inputs = [node for node in self._session.get_inputs() if node.name.startswith("past_key_values.")]
        self._past = [node.name for node in inputs]
        self._heads, self._width = inputs[0].shape[1], inputs[0].shape[3]

    def write(self, prompts: Sequence[str], most_tokens: int = 200) -> list[Written]:
        """Answers to prompts, all at once: the most probable token each time."""
        return self.continue_ids([self.encoder.prompt_ids(prompt) for prompt in prompts], most_tokens)

    def continue_ids(self, prompts: Sequence[Sequence[int]], most_tokens: int = 200) -> list[Written]:
        """As `write`, from token ids."""
        longest = max(map(len, prompts))
        ids = np.zeros((len(prompts), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = prompt
            mask[row, longest - len(prompt) :] = 1
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
        empty = np.zeros((len(prompts), self._heads, 0, self._width), np.float32)
        cache: Sequence[Any] = [empty] * len(self._past)
        answers: list[list[int]] = [[] for _ in prompts]
        going = np.ones(len(prompts), bool)
        for _ in range(most_tokens):
            logits, cache = self._run(ids, mask, positions, cache)
            chosen = logits[:, -1].argmax(axis=-1)
            going &= chosen != self.encoder.end
            for row in np.flatnonzero(going).tolist():
                answers[row].append(int(chosen[row]))
            if not going.any():
                break
            ids = chosen[:, None].astype(np.int64)
            mask = np.concatenate((mask, np.ones_like(ids)), axis=1)
            positions = positions[:, -1:] + 1
        decode = self.encoder.tokenizer.decode
        return [
            Written(decode(answer).strip(), tuple(answer), not going[row])
            for row, answer in enumerate(answers)
        ]

    def loss(self, ids: Sequence[int]) -> npt.NDArray[np.float64]:
        """Negative log-likelihood of each token but the first, read one by one (for few tokens)."""
        empty = np.zeros((1, self._heads, 0, self._width), np.float32)
        cache: Sequence[Any] = [empty] * len(self._past)
        losses = []
        for at in range(len(ids) - 1):
            step = (np.array([[ids[at]]]), np.ones((1, at + 1), np.int64), np.array([[at]]))
            logits, cache = self._run(*step, cache)
            row = logits[0, -1].astype(np.float64)
            losses.append(float(np.logaddexp.reduce(row) - row[ids[at + 1]]))
        return np.array(losses)

    def _run(
        self,
        ids: npt.NDArray[np.int64],
        mask: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
        cache: Sequence[Any],
    ) -> tuple[npt.NDArray[np.float32], Sequence[Any]]:
        fixed = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        outputs = self._session.run(None, fixed | dict(zip(self._past, cache, strict=True)))
        return outputs[0], outputs[1:]
