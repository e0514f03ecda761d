"""One request to Triton, as tritonclient makes it: arrays to its tensors, and its answer to arrays. Raises
tritonclient's own exceptions, which `triton_errors` maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import np_to_triton_dtype

from services.chassis.errors import ModelFailed, ModelUnavailable
from services.chassis.models.inference import Arrays, ModelVersion
from services.chassis.observability import telemetry
from services.chassis.rpc import request

INFER = "inference.GRPCInferenceService/ModelInfer"
STREAM = "inference.GRPCInferenceService/ModelStreamInfer"
"""The rpcs that run a model."""


@dataclass(frozen=True)
class Part:
    """An answer, or a piece of one."""

    outputs: Arrays
    version: str
    """The version that Triton says it ran."""


async def ask(
    client: InferenceServerClient, model: ModelVersion, inputs: Arrays, left_s: float, priority: int = 0
) -> Part:
    """The one answer of a model to a request."""
    result = await client.infer(
        **asked(model, inputs, left_s),
        priority=priority,
        client_timeout=left_s,
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
