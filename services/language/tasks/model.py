"""What a task needs of a served model, and the texts of one request run through it in batches."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import TextPreprocessing
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.language.tokenization import Int64Array, TextTokenizer
from services.language.windows import padded_length

BATCH = 8
"""Sequences a call, where the model takes as many."""

CONCURRENT_CALLS = 4
"""Calls under way for one request, so that one long note leaves room in Triton's queue for other callers."""

FloatArray = npt.NDArray[np.float32]
_INTEGERS: dict[str, type[np.integer]] = {"INT64": np.int64, "INT32": np.int32}


@dataclass(frozen=True, slots=True)
class Rows:
    """One answer for each sequence, in order, padding still in it, and where they come from."""

    values: list[FloatArray]
    provenance: Provenance


class TextModel:
    """A model that reads tokens, with its tokenizer, as its card's `preprocessing` says.

    Raises FileNotFoundError or ValueError, which names the field, where the card or the tokenizer does
    not hold.
    """

    def __init__(self, model: ServedModel, preprocessing: TextPreprocessing) -> None:
        self.name = model.name
        self._model = model
        self._preprocessing = preprocessing
        self._names = (
            preprocessing.input_ids_tensor,
            preprocessing.attention_mask_tensor,
            preprocessing.token_type_ids_tensor,
        )
        self.tokenizer = TextTokenizer.from_card(model.folder, preprocessing)
        self.stride_tokens = preprocessing.stride_token_count
        self.room = preprocessing.max_token_count - self.tokenizer.frame_count
        """Tokens of a text that fit one input."""
        if not 0 <= self.stride_tokens < self.room:
            raise ValueError(
                "preprocessing.max_token_count must leave room for more tokens than stride_token_count"
            )
        declared = {tensor.name: tensor for tensor in model.card.inputs}
        self._dtypes = {name: _dtype(declared[name]) for name in self._names if name}
        self._fixed_length = _fixed_length(declared[preprocessing.input_ids_tensor])
        if 0 < self._fixed_length < preprocessing.max_token_count:
            raise ValueError("preprocessing.max_token_count exceeds the length of the input tensor")

    async def run(self, sequences: Sequence[Int64Array], output: str) -> Rows:
        """One row of the tensor `output` for each sequence of token ids.

        Sequences are padded to few lengths and sent with others of theirs. Raises what `ServedModel.infer`
        raises, and ModelFailed where the answer is not of finite numbers.
        """
        slots = asyncio.Semaphore(CONCURRENT_CALLS)

        async def call(rows: list[int], length: int) -> tuple[list[int], FloatArray, Provenance]:
            inputs = self._inputs([sequences[row] for row in rows], length)
            async with slots:
                answer = await self._model.infer(inputs)
            result = np.asarray(answer.outputs[output], dtype=np.float32)
            if len(result) != len(rows):
                raise ModelFailed(f"{self.name} answered {len(result)} rows for {len(rows)}")
            if not np.isfinite(result).all():
                raise ModelFailed(f"{self.name} answered with numbers that are not finite")
            return rows, result, answer.provenance

        calls = [asyncio.ensure_future(call(*batch)) for batch in self._batches(sequences)]
        answers: dict[int, FloatArray] = {}
        provenance = Provenance()
        try:
            for rows, result, provenance in await asyncio.gather(*calls):  # noqa: B007 - of the last call
                answers.update(zip(rows, result, strict=True))
        finally:
            # When one call fails, or the caller has gone, the others are of no use. A task group would do the
            # same, but hide the typed error in an ExceptionGroup.
            for pending in calls:
                pending.cancel()
        return Rows([answers[row] for row in range(len(sequences))], provenance)

    def _batches(self, sequences: Sequence[Int64Array]) -> list[tuple[list[int], int]]:
        """Which sequences go together, and the length that they are padded to."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, ids in enumerate(sequences):
            count = len(ids) + self.tokenizer.frame_count
            longest = self._preprocessing.max_token_count
            by_length[self._fixed_length or padded_length(count, longest)].append(row)
        size = min(BATCH, self._model.max_batch_count or BATCH)
        return [
            (rows[start : start + size], length)
            for length, rows in sorted(by_length.items())
            for start in range(0, len(rows), size)
        ]

    def _inputs(self, sequences: Sequence[Int64Array], length: int) -> dict[str, npt.NDArray[np.integer]]:
        framed = [self.tokenizer.framed(ids, length) for ids in sequences]
        return {
            name: np.stack([parts[at] for parts in framed]).astype(self._dtypes[name], copy=False)
            for at, name in enumerate(self._names)
            if name
        }


def _dtype(tensor: TensorContract) -> type[np.integer]:
    if tensor.datatype not in _INTEGERS:
        raise ValueError(f"inputs: {tensor.name} is {tensor.datatype}, and tokens are INT64 or INT32")
    return _INTEGERS[tensor.datatype]


def _fixed_length(tensor: TensorContract) -> int:
    """The one length that a model's graph takes; 0 where it takes any."""
    return max(int(tensor.shape[0]), 0) if len(tensor.shape) == 1 else 0
