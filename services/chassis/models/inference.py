"""The seam between domain code and whatever runs the models: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import ModelFailed

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name. Axis 0 is the batch."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a model's contract."""

    name: str
    """Name in `config.pbtxt`."""
    dtype: type[np.generic]
    """Element type."""
    shape: tuple[int, ...]
    """Dimensions without the batch axis; -1 is a variable length."""


@dataclass(frozen=True)
class ModelSpec:
    """What a service expects of a model that it uses; checked against Triton and the model card at start."""

    name: str
    """Name of the folder in the model repository."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    preprocessing_version: str
    """Version of the preprocessing code that this service runs; the card's must be the same."""
    required: bool = True
    """Whether the service is healthy only while this model is served."""


class Inference(Protocol):
    """Runs models. Implemented on Triton by `services.chassis.models.triton`, and by fakes in tests."""

    async def infer(self, model: str, inputs: Arrays, *, timeout_s: float | None = None) -> Arrays:
        """Runs `model` on one batch and returns its outputs.

        `timeout_s` is the time left for this call in seconds; None takes the caller's remaining deadline.

        Raises ModelUnavailable (not loaded, or the server does not answer), Overloaded (its queue is full),
        DeadlineExceeded (too slow), ModelFailed (anything else). A cancelled caller cancels the call.
        """
        ...

    async def is_ready(self, model: str) -> bool:
        """Whether `model` answers inference requests now. Never raises."""
        ...

    async def runtime(self) -> str:
        """Name and version of what runs the models, e.g. `triton 2.51.0`; `unknown` while it is away."""
        ...


def check_inputs(spec: ModelSpec, inputs: Arrays) -> None:
    """Raises ModelFailed when `inputs` are not what `spec` says: a fault of the service itself."""
    _check(spec, spec.inputs, inputs, "input")


def check_outputs(spec: ModelSpec, inputs: Arrays, outputs: Arrays) -> None:
    """Raises ModelFailed when `outputs` are not what `spec` says, e.g. empty or of another batch size."""
    _check(spec, spec.outputs, outputs, "output")
    batch = next(iter(inputs.values())).shape[0]
    for tensor in spec.outputs:
        if outputs[tensor.name].shape[0] != batch:
            raise ModelFailed(f"{spec.name}: output {tensor.name} has another batch size than the inputs")


def example_inputs(spec: ModelSpec) -> dict[str, NDArray[Any]]:
    """The smallest batch that `spec` allows, filled with ones: batch of 1, every variable length 1."""
    return {t.name: np.ones((1, *(max(d, 1) for d in t.shape)), dtype=t.dtype) for t in spec.inputs}


def _check(spec: ModelSpec, tensors: tuple[Tensor, ...], arrays: Arrays, kind: str) -> None:
    names = {t.name for t in tensors}
    if kind == "input" and set(arrays) - names:
        raise ModelFailed(f"{spec.name}: has no {kind} {', '.join(sorted(set(arrays) - names))}")
    for tensor in tensors:
        array = arrays.get(tensor.name)
        if array is None:
            raise ModelFailed(f"{spec.name}: {kind} {tensor.name} is missing")
        if array.dtype != np.dtype(tensor.dtype):
            wanted = np.dtype(tensor.dtype)
            raise ModelFailed(f"{spec.name}: {kind} {tensor.name} is {array.dtype}, not {wanted}")
        fits = array.ndim == len(tensor.shape) + 1 and all(
            wanted in {-1, actual} for wanted, actual in zip(tensor.shape, array.shape[1:], strict=True)
        )
        if not fits:
            expected = ("batch", *tensor.shape)
            raise ModelFailed(f"{spec.name}: {kind} {tensor.name} has shape {array.shape}, not {expected}")
