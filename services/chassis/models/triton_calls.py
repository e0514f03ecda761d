"""One request to Triton, as tritonclient makes it: arrays to its tensors, and its answer to arrays, whole or
piece by piece. Raises tritonclient's own exceptions, which `triton_errors` maps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from services.chassis.errors import ModelFailed, ModelUnavailable
from services.chassis.models.inference import Arrays, ModelVersion
from services.chassis.observability import telemetry
from services.chassis.rpc import request

_FINAL_IS_SENT = "triton_enable_empty_final_response"
_IS_FINAL = "triton_final_response"
"""Triton's parameters of the requests and the answers of a decoupled model."""


@dataclass(frozen=True)
class Part:
    """An answer, or a piece of one."""

    outputs: Arrays
    version: str
    """The version that Triton says it ran."""


async def ask(client: InferenceServerClient, model: ModelVersion, inputs: Arrays, left_s: float) -> Part:
    """The one answer of a model to a request."""
    result = await client.infer(
        **_asked(model, inputs, left_s), client_timeout=left_s, headers=telemetry.outgoing_metadata()
    )
    return _part(model, result)


async def stream(
    client: InferenceServerClient, model: ModelVersion, inputs: Arrays, left_s: float
) -> AsyncGenerator[Part]:
    """The answer of a decoupled model to a request, piece by piece.

    Each request has a gRPC stream of its own, so that closing the generator cancels just this one.
    """

    async def asked() -> AsyncIterator[dict[str, Any]]:
        yield {**_asked(model, inputs, left_s), "parameters": {_FINAL_IS_SENT: True}}

    answers = client.stream_infer(asked(), stream_timeout=left_s, headers=telemetry.outgoing_metadata())
    try:
        async for result, error in answers:
            if error is not None:
                raise error
            answer = result.get_response()
            if answer.outputs:
                yield _part(model, result)
            if answer.parameters[_IS_FINAL].bool_param:
                return
    except grpc.RpcError as error:
        raise InferenceServerException(error.details() or "", status=str(error.code())) from error
    finally:
        answers.cancel()
    raise ModelFailed(f"{model.name}: its answer has no end", metadata={"model": model.name})


def _asked(model: ModelVersion, inputs: Arrays, left_s: float) -> dict[str, Any]:
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


def _part(model: ModelVersion, result: InferResult) -> Part:
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
