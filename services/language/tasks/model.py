"""What a task needs of a served model, and the texts of one request run through it in batches."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import TextPreprocessing
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.language.tasks.scheduling import Asked, OneAtATime, Pace, Turn
from services.language.tokenization import Int64Array, TextTokenizer
from services.language.windows import padded_length

BATCH = 64
"""Most sequences a call, where the model takes as many; 8 where that is not known."""

CONCURRENT_CALLS = 4
"""Calls under way for one request: the windows of a long note are fed to the model as it reads them. One
while a text with less left is under way, so that no other waits for more than one of them.
"""

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
        self._pace = Pace()
        self._very_long = OneAtATime()
        self._under_way: set[Asked] = set()
        self._turns: set[Turn] = set()
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

        Sequences of about one length go together, the longest first. Raises what `ServedModel.infer`
        raises, and ModelFailed where the answer is not of finite numbers.
        """
        lengths = [self._length(ids) for ids in sequences]
        turn = Turn(sum(lengths), self._preprocessing.max_token_count, self._pace)
        answers: dict[int, FloatArray] = {}
        provenance = Provenance()

        async def ask(rows: list[int], length: int) -> None:
            nonlocal provenance
            inputs = self._inputs([sequences[row] for row in rows], length)
            result, provenance = await self._call(inputs, output, turn)
            answers.update(zip(rows, result, strict=True))

        asked: set[asyncio.Task[None]] = set()
        self._turns.add(turn)
        try:
            for rows, length in self._calls(lengths):
                while len(asked) >= self._most_calls(turn):
                    asked = await _one_answered(asked)
                call = asyncio.ensure_future(ask(rows, length))
                call.add_done_callback(_told)
                asked.add(call)
            while asked:
                asked = await _one_answered(asked)
        finally:
            # When one call fails, or the caller has gone, the others are of no use. A task group would do the
            # same, but hide the typed error in an ExceptionGroup.
            self._turns.remove(turn)
            for call in asked:
                call.cancel()
        return Rows([answers[row] for row in range(len(sequences))], provenance)

    async def _call(
        self, inputs: dict[str, npt.NDArray[np.integer]], output: str, turn: Turn
    ) -> tuple[FloatArray, Provenance]:
        async with self._very_long.turn(turn):
            return await self._called(inputs, output, turn)

    async def _called(
        self, inputs: dict[str, npt.NDArray[np.integer]], output: str, turn: Turn
    ) -> tuple[FloatArray, Provenance]:
        ids = inputs[self._names[0]]
        priority = turn.next(ids.size)
        await self._let_go_first(priority)
        asked = Asked(priority)
        self._under_way.add(asked)
        try:
            answer = await self._model.infer(inputs, priority=priority)
        finally:
            self._under_way.remove(asked)
            asked.ended.set()
        self._pace.took(ids.size, time.monotonic() - asked.at)
        result = np.asarray(answer.outputs[output], dtype=np.float32)
        if len(result) != len(ids):
            raise ModelFailed(f"{self.name} answered {len(result)} rows for {len(ids)}")
        if not np.isfinite(result).all():
            raise ModelFailed(f"{self.name} answered with numbers that are not finite")
        return result, answer.provenance

    async def _let_go_first(self, priority: int) -> None:
        """Waits for calls that were passed for long enough: each stays where it was put at first."""
        while passed := [asked for asked in self._under_way if asked.was_passed_enough(priority)]:
            await passed[0].ended.wait()

    def _most_calls(self, turn: Turn) -> int:
        """How many calls of a text may be under way."""
        return 1 if any(other.left < turn.left for other in self._turns) else CONCURRENT_CALLS

    def _length(self, ids: Int64Array) -> int:
        count = len(ids) + self.tokenizer.frame_count
        return self._fixed_length or padded_length(count, self._preprocessing.max_token_count)

    def _calls(self, lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
        """Which sequences go together, and the length that they are padded to."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, length in enumerate(lengths):
            by_length[length].append(row)
        most = min(BATCH, self._model.max_batch_count or 8)
        for length, rows in sorted(by_length.items(), reverse=True):
            start = 0
            while start < len(rows):
                size = max(1, min(most, self._pace.tokens_per_call // length))
                yield rows[start : start + size], length
                start += size

    def _inputs(self, sequences: Sequence[Int64Array], length: int) -> dict[str, npt.NDArray[np.integer]]:
        framed = [self.tokenizer.framed(ids, length) for ids in sequences]
        return {
            name: np.stack([parts[at] for parts in framed]).astype(self._dtypes[name], copy=False)
            for at, name in enumerate(self._names)
            if name
        }


async def _one_answered(asked: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that are still under way once one is not; raises what it raised."""
    done, rest = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    for call in done:
        call.result()
    return rest


def _told(call: asyncio.Task[None]) -> None:
    """Of several that fail, one is told of."""
    if not call.cancelled():
        call.exception()


def _dtype(tensor: TensorContract) -> type[np.integer]:
    if tensor.datatype not in _INTEGERS:
        raise ValueError(f"inputs: {tensor.name} is {tensor.datatype}, and tokens are INT64 or INT32")
    return _INTEGERS[tensor.datatype]


def _fixed_length(tensor: TensorContract) -> int:
    """The one length that a model's graph takes; 0 where it takes any."""
    return max(int(tensor.shape[0]), 0) if len(tensor.shape) == 1 else 0
