"""One request to Triton, as tritonclient makes it: arrays to its tensors, and its answer to arrays. Raises
tritonclient's own exceptions, which `triton_errors` maps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import np_to_triton_dtype

from services.chassis.errors import DeadlineExceeded, ModelFailed, ModelUnavailable
from services.chassis.models.inference import Arrays, ModelVersion
from services.chassis.observability import telemetry
from services.chassis.rpc import request

INFER = "inference.GRPCInferenceService/ModelInfer"
STREAM = "inference.GRPCInferenceService/ModelStreamInfer"
"""The rpcs that run a model."""

_OUTLASTS_S = 30.0
"""By so much gRPC's deadline lies behind the caller's: when it passes, that is a cancellation. Triton itself
is told the caller's, and drops what waits for longer."""


@dataclass(frozen=True)
class Part:
    """An answer, or a piece of one."""

    outputs: Arrays
    version: str
    """The version that Triton says it ran."""


class Calls:
    """The requests that are under way. Whoever no longer waits leaves his to its end: the Python backend of
    24.10 takes all of Triton with it (SIGSEGV) once some thousand were cancelled, by a caller or by gRPC.
    """

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client
        self._under_way: set[asyncio.Task[Part]] = set()

    async def ask(self, model: ModelVersion, inputs: Arrays, left_s: float, priority: int) -> Part:
        """The one answer of a model to a request. Raises DeadlineExceeded when the time is over."""
        asking = asyncio.create_task(ask(self._client, model, inputs, left_s, priority))
        self._under_way.add(asking)
        asking.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(left_s):
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

    def _ended(self, asking: asyncio.Task[Part]) -> None:
        self._under_way.discard(asking)
        if not asking.cancelled():
            asking.exception()  # told to whoever still waits


async def ask(
    client: InferenceServerClient, model: ModelVersion, inputs: Arrays, left_s: float, priority: int = 0
) -> Part:
    """The one answer of a model to a request."""
    result = await client.infer(
        **asked(model, inputs, left_s),
        priority=priority,
        client_timeout=left_s + _OUTLASTS_S,
        headers=telemetry.metadata_of_sampled(),
    )
    return part_of(model, result)


def asked(model: ModelVersion, inputs: Arrays, left_s: float) -> dict[str, Any]:
    """The request as tritonclient's arguments."""
    current = request.current.get()
    return {
        "model_name": model.name,
        "inputs": _tensors(inputs),
        "model_version": str(model.number),
        "outputs": [InferRequestedOutput(t.name) for t in model.outputs],
        "request_id": current.request_id if current else "",
        "timeout": max(1, int(left_s * 1e6)),
    }


def _tensors(inputs: Arrays) -> Sequence[InferInput]:
    tensors = []
    for name, array in inputs.items():
        tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
        tensors.append(tensor)
    return tensors


def part_of(model: ModelVersion, result: InferResult) -> Part:
    """What an answer holds. Raises ModelFailed and ModelUnavailable where it is not one of this model."""
    version = result.get_response().model_version
    if version != str(model.number):
        raise ModelUnavailable(f"{model.name}: Triton ran another version than it was asked for")
    outputs = {}
    for tensor in model.outputs:
        array = result.as_numpy(tensor.name)
        if array is None:
            raise ModelFailed(
                f"{model.name}: output {tensor.name} is missing", metadata={"model": model.name}
            )
        outputs[tensor.name] = array
    return Part(outputs, version)
