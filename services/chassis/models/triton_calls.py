"""One request to Triton as its protocol has it: arrays to its tensors, and its answer to arrays. Raises
tritonclient's exceptions, which `triton_errors` maps. Its objects for tensors are not used: they cost a
quarter of a call.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from opentelemetry import trace
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelInferResponse
from tritonclient.utils import (
    InferenceServerException,
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from services.chassis.errors import DeadlineExceeded, ModelFailed, ModelUnavailable
from services.chassis.models import triton_errors
from services.chassis.models.inference import Arrays, ModelVersion, row_count
from services.chassis.models.triton_key import TritonKey
from services.chassis.models.turns import Ahead, Call, Turns
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.outcomes import outcomes
from services.chassis.rpc import request
from services.chassis.rpc.transport import DIRECT

INFER = "inference.GRPCInferenceService/ModelInfer"
STREAM = "inference.GRPCInferenceService/ModelStreamInfer"
"""The rpcs that run a model."""

_MESSAGE_BYTES = 64 * 1024 * 1024
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    DIRECT,
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Triton restarts within seconds; gRPC's default backoff of up to two minutes would hide that it is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_OUTLASTS_S = 30.0
"""By so much gRPC's deadline lies behind the caller's: when it passes, that is a cancellation. Triton itself
is told the caller's, and drops what waits for longer."""


@dataclass(frozen=True)
class Part:
    """An answer, or a piece of one."""

    outputs: Arrays
    version: str
    """The version that Triton says it ran."""


@dataclass(frozen=True)
class KeyedStub:
    """What a server is asked with."""

    rpcs: Any
    """A GRPCInferenceServiceStub."""
    key: TritonKey | None = None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """That of a call for the current request."""
        key = {} if self.key is None else self.key.headers()
        return tuple({**telemetry.metadata_of_sampled(), **key}.items())


class Calls:
    """The requests that are under way. Whoever no longer waits leaves his to its end: the Python backend of
    24.10 takes all of Triton with it (SIGSEGV) once some thousand were cancelled, by a caller or by gRPC.
    """

    def __init__(self, stub: KeyedStub) -> None:
        self._stub = stub
        self._under_way: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[ModelVersion, Turns[Part]] = defaultdict(Turns)

    def allow(self, model: ModelVersion, usual: Ahead, sparing: Ahead) -> None:
        """How much keeps a model's instances busy from now on, see `Turns.allow`."""
        self._turns[model].allow(usual, sparing)
        self._send(model)

    async def ask(self, model: ModelVersion, inputs: Arrays, until: float, priority: int) -> Part:
        """The one answer of a model to `inputs`, due at `until` on `time.monotonic`'s clock; calls that wait
        for their turn are asked for in one request. Raises DeadlineExceeded when the time is over; whoever
        still waits then asks for nothing.
        """
        began = time.monotonic()
        answer = asyncio.get_running_loop().create_future()
        call = Call[Part](
            inputs,
            rows=row_count(inputs),
            until=until,
            priority=priority,
            caller=request.sharer(),
            kind=_kind(inputs),
            alone=_goes_alone(inputs),
            answer=answer,
        )
        self._turns[model].add(call)
        # Once those have come too that come in this turn of the loop.
        asyncio.get_running_loop().call_soon(self._send, model)
        try:
            async with asyncio.timeout(max(until - began, 0.0)):
                return await call.answer
        except TimeoutError as error:
            told = f"{model.name}: no answer within the time given"
            raise DeadlineExceeded(told, metadata={"model": model.name}) from error
        finally:
            if call.sent_at is not None:
                waited = telemetry.instruments().model_queue_duration
                waited.record(call.sent_at - began, labels(model))

    async def close(self) -> None:
        """Ends all of them, those too whose turn comes by that."""
        while self._under_way:
            for asking in self._under_way:
                asking.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _send(self, model: ModelVersion) -> None:
        while calls := self._turns[model].take():
            now = time.monotonic()
            for call in calls:
                call.sent_at = now
            # A request for several goes out for the first of them.
            asking = asyncio.get_running_loop().create_task(
                self._asked(model, calls), context=calls[0].context
            )
            self._under_way.add(asking)
            asking.add_done_callback(partial(self._ended, model, calls))

    async def _asked(self, model: ModelVersion, calls: Sequence[Call[Part]]) -> None:
        if len(calls) == 1 or not any(call.alone for call in calls):
            try:
                return await self._answered(model, calls)
            except (InferenceServerException, ModelFailed) as error:
                if len(calls) == 1 or not _may_be_ones_own(error):
                    raise
        left = [call for call in calls if not call.answer.done()]
        loop = asyncio.get_running_loop()
        alone = [loop.create_task(self._answered(model, [call]), context=call.context) for call in left]
        for call, outcome in zip(left, await outcomes(alone), strict=True):
            if outcome is not None and not call.answer.done():
                call.answer.set_exception(outcome)
        return None

    async def _answered(self, model: ModelVersion, calls: Sequence[Call[Part]]) -> None:
        """Answers all of `calls` by one request."""
        counts = [call.rows for call in calls]
        telemetry.instruments().batch_size.record(sum(counts), labels(model))
        left_s = max(call.until for call in calls) - time.monotonic()
        priority = min(call.priority for call in calls)
        part = await ask(self._stub, model, [call.inputs for call in calls], left_s, priority)
        for call, own in zip(calls, _shared_out(model, part, counts), strict=True):
            if not call.answer.done():
                call.answer.set_result(own)

    def _ended(self, model: ModelVersion, calls: Sequence[Call[Part]], asking: asyncio.Task[None]) -> None:
        self._under_way.discard(asking)
        error = asyncio.CancelledError() if asking.cancelled() else asking.exception()
        for call in calls:
            if error is not None and not call.answer.done():
                call.answer.set_exception(error)
        self._turns[model].give_back(calls)
        self._send(model)


def _kind(inputs: Arrays) -> Hashable:
    """Rows of the same types and shapes can be asked for together."""
    return tuple((name, array.dtype, array.shape[1:]) for name, array in inputs.items())


def _goes_alone(inputs: Arrays) -> bool:
    """One that is traced, so that what Triton does for it is in its trace; and one with strings."""
    return trace.get_current_span().is_recording() or any(a.dtype == np.object_ for a in inputs.values())


def _shared_out(model: ModelVersion, part: Part, counts: Sequence[int]) -> list[Part]:
    """Each call's rows of the answer to all of them. Raises ModelFailed where it has others."""
    if len(counts) == 1:
        return [part]
    ends = list(itertools.accumulate(counts))
    if any(array.shape[:1] != (ends[-1],) for array in part.outputs.values()):
        raise ModelFailed(f"{model.name}: an output has another batch size than the inputs")
    return [
        Part({name: array[end - count : end] for name, array in part.outputs.items()}, part.version)
        for count, end in zip(counts, ends, strict=True)
    ]


def _may_be_ones_own(error: BaseException) -> bool:
    """Whether a request may have failed for what one of several calls had sent."""
    if isinstance(error, InferenceServerException):
        error = triton_errors.mapped("", error)
    return isinstance(error, ModelFailed)


def labels(model: ModelVersion) -> dict[Name, str]:
    """The attributes of what is measured of a model."""
    return {Name.MODEL: model.name, Name.MODEL_VERSION: str(model.number)}


async def ask(
    stub: KeyedStub, model: ModelVersion, batches: Sequence[Arrays], left_s: float, priority: int = 0
) -> Part:
    """The one answer of a model to the rows of all `batches`."""
    message = asked(model, batches, left_s)
    if priority:
        message.parameters["priority"].uint64_param = priority
    try:
        answer = await stub.rpcs.ModelInfer(message, timeout=left_s + _OUTLASTS_S, metadata=stub.metadata())
    except grpc.RpcError as error:
        raise failure(error) from None
    return part_of(model, answer)


def asked(model: ModelVersion, batches: Sequence[Arrays], left_s: float) -> ModelInferRequest:
    """The request for the rows of all `batches`, which are of the same types and shapes."""
    current = request.current.get()
    message = ModelInferRequest(
        model_name=model.name, model_version=str(model.number), id=current.request_id if current else ""
    )
    message.parameters["timeout"].int64_param = max(1, int(left_s * 1e6))
    rows = sum(map(row_count, batches))
    for name, array in batches[0].items():
        shape = (rows, *array.shape[1:])
        message.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=shape)
        message.raw_input_contents.append(b"".join(_encoded(inputs[name]) for inputs in batches))
    for tensor in model.outputs:
        message.outputs.add(name=tensor.name)
    return message


def failure(error: grpc.RpcError) -> InferenceServerException:
    """What gRPC says of a call as tritonclient says it."""
    return InferenceServerException(error.details() or "", status=str(error.code()))


def part_of(model: ModelVersion, answer: ModelInferResponse) -> Part:
    """What an answer holds. Raises ModelFailed and ModelUnavailable where it is not one of this model."""
    if answer.model_version != str(model.number):
        raise ModelUnavailable(f"{model.name}: Triton ran another version than it was asked for")
    found = {
        tensor.name: (tensor, content)
        for tensor, content in zip(answer.outputs, answer.raw_output_contents, strict=False)
    }
    outputs = {}
    for tensor in model.outputs:
        if tensor.name not in found:
            raise ModelFailed(
                f"{model.name}: output {tensor.name} is missing", metadata={"model": model.name}
            )
        stated, content = found[tensor.name]
        outputs[tensor.name] = _decoded(content, stated.datatype).reshape(tuple(stated.shape))
    return Part(outputs, answer.model_version)


def _encoded(array: NDArray[Any]) -> bytes:
    if array.dtype == np.object_:
        return bytes(serialize_byte_tensor(array).item()) if array.size else b""
    return array.tobytes()


def _decoded(content: bytes, datatype: str) -> NDArray[Any]:
    if datatype == "BYTES":
        return np.asarray(deserialize_bytes_tensor(content))
    return np.frombuffer(content, dtype=triton_to_np_dtype(datatype))
