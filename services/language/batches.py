"""Runs sequences of unlike length through a model that takes rectangular batches, a few batches at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.language.tokenization import Int64Array, NoteTokenizer, bucket, pad

BATCH = 8
"""Sequences a call; `max_batch_size` in both models' config.pbtxt."""

CONCURRENT_CALLS = 4
"""Calls under way for one request, so that one long note leaves room in Triton's queue for other callers."""


async def infer_sequences(
    inference: Inference, model: str, output: str, tokenizer: NoteTokenizer, sequences: Sequence[Int64Array]
) -> list[npt.NDArray[np.float32]]:
    """One row of `output` for each sequence of token ids, in order; padding is still in it.

    Sequences are padded to their bucket and sent with others of it. Raises what `Inference.infer` raises.
    """
    slots = asyncio.Semaphore(CONCURRENT_CALLS)

    async def call(rows: list[int], length: int) -> tuple[list[int], npt.NDArray[np.float32]]:
        padded = [pad(sequences[row], tokenizer, length) for row in rows]
        inputs = {
            "input_ids": np.stack([ids for ids, _ in padded]),
            "attention_mask": np.stack([mask for _, mask in padded]),
        }
        async with slots:
            result = (await inference.infer(model, inputs))[output]
        if len(result) != len(rows):
            raise ModelFailed(f"{model} answered {len(result)} rows for {len(rows)}")
        return rows, result

    by_length: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(sequences):
        by_length[bucket(len(ids) + 2)].append(row)
    answers: dict[int, npt.NDArray[np.float32]] = {}
    calls = [
        asyncio.ensure_future(call(rows[start : start + BATCH], length))
        for length, rows in sorted(by_length.items())
        for start in range(0, len(rows), BATCH)
    ]
    try:
        for rows, result in await asyncio.gather(*calls):
            answers.update(zip(rows, result, strict=True))
    finally:
        # When one call fails, or the caller has gone, the others are of no use. A task group would do the
        # same, but hide the typed error in an ExceptionGroup.
        for pending in calls:
            pending.cancel()
    return [answers[row] for row in range(len(sequences))]
