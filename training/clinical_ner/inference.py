"""Runs the network in torch or its ONNX form over sequences, grouped by length, for scoring and
calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from services.language.tokenization import MAX_TOKENS, NoteTokenizer, bucket, pad
from training.clinical_ner.corpus import LABELS, Tokens
from training.clinical_ner.network import EntityTagger

FloatArray = npt.NDArray[np.float32]
BATCH = 16


def with_torch(
    network: EntityTagger, tokenizer: NoteTokenizer, temperature: float = 1.0
) -> Callable[[Sequence[Tokens]], list[FloatArray]]:
    """Predict with the network as it is, in float32."""

    def probabilities(input_ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> FloatArray:
        with torch.inference_mode():
            logits = network(torch.from_numpy(input_ids), torch.from_numpy(mask))
            result: FloatArray = torch.softmax(logits / temperature, dim=-1).numpy()
            return result

    network.eval()
    return lambda sequences: _run(sequences, tokenizer, probabilities)


def with_onnx(path: Path, tokenizer: NoteTokenizer) -> Callable[[Sequence[Tokens]], list[FloatArray]]:
    """Predict with an exported model on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def probabilities(input_ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> FloatArray:
        feed = {"input_ids": input_ids, "attention_mask": mask}
        result: FloatArray = session.run(["probabilities"], feed)[0]
        return result

    return lambda sequences: _run(sequences, tokenizer, probabilities)


def _run(
    sequences: Sequence[Tokens],
    tokenizer: NoteTokenizer,
    probabilities: Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], FloatArray],
) -> list[FloatArray]:
    """Sort by length, run in batches of one bucket, put the results back in order and strip special
    tokens.
    """
    results = [np.zeros((0, len(LABELS)), dtype=np.float32)] * len(sequences)
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        cut = [sequences[index].ids[: MAX_TOKENS - 2] for index in part]
        length = bucket(max(len(ids) for ids in cut) + 2)
        padded = [pad(ids, tokenizer, length) for ids in cut]
        output = probabilities(np.stack([ids for ids, _ in padded]), np.stack([mask for _, mask in padded]))
        for row, index in enumerate(part):
            results[index] = output[row, 1 : 1 + len(cut[row])]
    return results
