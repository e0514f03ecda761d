"""One request to Triton as its protocol has it: arrays to its tensors, and its answer to arrays. Raises
tritonclient's exceptions, which `triton_errors` maps. Its objects for tensors are not used: they cost a
quarter of a call.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelInferResponse
from tritonclient.utils import (
    InferenceServerException,
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from services.chassis.errors import DeadlineExceeded, ModelFailed, ModelUnavailable
from services.chassis.models.inference import Arrays, ModelVersion
from services.chassis.models.triton_key import TritonKey
from services.chassis.models.turns import Turns
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
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
        self._under_way: set[asyncio.Task[Part]] = set()
        self._turns: defaultdict[ModelVersion, Turns] = defaultdict(Turns)

    def allow(self, model: ModelVersion, at_once: int) -> None:
        """So many of a model's calls are at Triton at a time from now on; at first it is one."""
        self._turns[model].allow(at_once)

    async def ask(self, model: ModelVersion, inputs: Arrays, until: float, priority: int) -> Part:
        """The one answer of a model to a request, due at `until` on `time.monotonic`'s clock. Raises
        DeadlineExceeded when the time is over; whoever still waits for its turn then asks for nothing.
        """
        began, turns = time.monotonic(), self._turns[model]
        try:
            async with asyncio.timeout(max(until - began, 0.0)):
                await turns.take(priority, request.sharer())
                left_s = until - time.monotonic()
                asking = asyncio.create_task(ask(self._stub, model, inputs, left_s, priority))
                self._under_way.add(asking)
                asking.add_done_callback(partial(self._ended, turns))
                _waited(model, time.monotonic() - began)
                return await asyncio.shield(asking)
        except TimeoutError as error:
            told = f"{model.name}: no answer within the time given"
            raise DeadlineExceeded(told, metadata={"model": model.name}) from error

    async def close(self) -> None:
        """Ends all of them."""
        left = list(self._under_way)
        for asking in left:
            asking.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, turns: Turns, asking: asyncio.Task[Part]) -> None:
        turns.give_back()
        self._under_way.discard(asking)
        if not asking.cancelled():
            asking.exception()  # told to whoever still waits


def _waited(model: ModelVersion, seconds: float) -> None:
    of_model = {Name.MODEL: model.name, Name.MODEL_VERSION: str(model.number)}
    telemetry.instruments().model_queue_duration.record(seconds, of_model)


async def ask(stub: KeyedStub, model: ModelVersion, inputs: Arrays, left_s: float, priority: int = 0) -> Part:
    """The one answer of a model to a request."""
    message = asked(model, inputs, left_s)
    if priority:
        message.parameters["priority"].uint64_param = priority
    try:
        answer = await stub.rpcs.ModelInfer(message, timeout=left_s + _OUTLASTS_S, metadata=stub.metadata())
    except grpc.RpcError as error:
        raise failure(error) from None
    return part_of(model, answer)


def asked(model: ModelVersion, inputs: Arrays, left_s: float) -> ModelInferRequest:
    """The request."""
    current = request.current.get()
    message = ModelInferRequest(
        model_name=model.name, model_version=str(model.number), id=current.request_id if current else ""
    )
    message.parameters["timeout"].int64_param = max(1, int(left_s * 1e6))
    for name, array in inputs.items():
        message.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        message.raw_input_contents.append(_encoded(array))
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
