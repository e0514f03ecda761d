"""Runs the network in torch or its ONNX form over sequences, grouped by length, for scoring and
calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from services.language.tokenization import Int64Array, TextTokenizer
from services.language.windows import padded_length
from training.clinical_ner.corpus import MAX_TOKENS
from training.clinical_ner.network import EntityTagger

FloatArray = npt.NDArray[np.float32]
BATCH = 16


def with_torch(
    network: EntityTagger, tokenizer: TextTokenizer, temperature: float = 1.0
) -> Callable[[Sequence[Int64Array]], list[FloatArray]]:
    """Predict with the network as it is, in float32."""

    def probabilities(input_ids: Int64Array, mask: Int64Array) -> FloatArray:
        with torch.inference_mode():
            logits = network(torch.from_numpy(input_ids), torch.from_numpy(mask))
            result: FloatArray = torch.softmax(logits / temperature, dim=-1).numpy()
            return result

    network.eval()
    return lambda sequences: _run(sequences, tokenizer, probabilities)


def with_onnx(path: Path, tokenizer: TextTokenizer) -> Callable[[Sequence[Int64Array]], list[FloatArray]]:
    """Predict with an exported model on one CPU thread."""
    from training.onnx_runtime import session

    model = session(path)

    def probabilities(input_ids: Int64Array, mask: Int64Array) -> FloatArray:
        feed = {"input_ids": input_ids, "attention_mask": mask}
        result: FloatArray = model.run(["probabilities"], feed)[0]
        return result

    return lambda sequences: _run(sequences, tokenizer, probabilities)


def _run(
    sequences: Sequence[Int64Array],
    tokenizer: TextTokenizer,
    probabilities: Callable[[Int64Array, Int64Array], FloatArray],
) -> list[FloatArray]:
    """Sort by length, run in batches of one bucket, and put the results back in order; padding stays."""
    results: dict[int, FloatArray] = {}
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        longest = max(len(sequences[index]) for index in part)
        length = padded_length(longest + tokenizer.frame_count, MAX_TOKENS)
        padded = [tokenizer.framed(sequences[index], length) for index in part]
        ids, mask = (np.stack([parts[at] for parts in padded]) for at in (0, 1))
        output = probabilities(ids, mask)
        results.update(zip(part, output, strict=True))
    return [results[index] for index in range(len(sequences))]
