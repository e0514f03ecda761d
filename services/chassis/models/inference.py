"""The seam between domain code and whatever runs the models: arrays in, arrays out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import ModelFailed

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name. Axis 0 is the batch."""

DATATYPES: Mapping[str, type[np.generic]] = MappingProxyType(
    {
        "BOOL": np.bool_,
        "UINT8": np.uint8,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
        "UINT64": np.uint64,
        "INT8": np.int8,
        "INT16": np.int16,
        "INT32": np.int32,
        "INT64": np.int64,
        "FP16": np.float16,
        "FP32": np.float32,
        "FP64": np.float64,
        "BYTES": np.object_,
    }
)
"""Triton's names of the element types that a model can have."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a model's contract."""

    name: str
    """Name in `config.pbtxt`."""
    dtype: type[np.generic]
    """Element type."""
    shape: tuple[int, ...]
    """Dimensions without the batch axis; -1 is a variable length."""
    example: bytes = b"1"
    """What a probe sends in each place of a tensor of BYTES."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model as its card describes it: what is asked to run."""

    name: str
    """Name of the folder in the model repository."""
    number: int
    """Name of the version's folder."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights_sha256: str
    """Of the weights that the card describes."""
    config: str = ""
    """Text of `config.pbtxt`; empty: it lies elsewhere, beside the server."""
    max_batch_count: int | None = None
    """Most rows of one call; None: not known here."""
    streams: bool = False
    """Whether it answers a request piece by piece (Triton's decoupled models): asked by `stream` alone."""
    loads_on_first_use: bool = False
    """Whether a server that starts with the services need not have it loaded before it is asked for."""

    def __hash__(self) -> int:  # of all fields it takes as long as to check a batch
        return hash((self.name, self.number, self.weights_sha256))


class Verification(Enum):
    """How it is known that the card's weights ran; the names are those of `WeightsVerification`."""

    STATED = "WEIGHTS_VERIFICATION_STATED"
    CONFIGURED = "WEIGHTS_VERIFICATION_CONFIGURED"
    DIGESTED = "WEIGHTS_VERIFICATION_DIGESTED"


@dataclass(frozen=True)
class Answer:
    """What a model answered, and what is known of who answered."""

    outputs: Arrays
    version: str
    """The version that the server says it ran."""
    verification: Verification
    runtime: str
    """Name and version of what ran the model, e.g. `triton 2.51.0`."""


class Inference(Protocol):
    """Runs models. Implemented on Triton by `services.chassis.models.triton`, and by a fake in tests."""

    async def infer(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0
    ) -> Answer:
        """Runs `model` on one batch and returns its outputs.

        `timeout_s` is the time left for this call in seconds; None takes the caller's remaining deadline.
        Of this process's calls that wait for the model those of the lowest `priority` go first; 0 is that of
        the request.

        Raises ModelUnavailable (not loaded, the server does not answer, or it runs other weights than the
        card's), Overloaded (its queue is full), DeadlineExceeded (too slow), ModelFailed (anything else). A
        cancelled caller cancels the call.
        """
        ...

    def stream(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Answer]:
        """Runs a model that `streams` on one request, and yields its answer piece by piece as it comes.

        `timeout_s` bounds the whole answer. Raises what `infer` raises, also between two pieces. Whoever
        stops early closes the generator, which cancels the request, as a cancelled caller does.
        """
        ...

    async def is_ready(self, model: ModelVersion) -> bool:
        """Whether `model` answers inference requests now. Never raises."""
        ...

    async def load(self, versions: Sequence[ModelVersion]) -> None:
        """Makes these versions of one model answer beside those that do already, where the server can be
        told.

        Raises ModelUnavailable with the server's reason where one of them does not load; what ran before
        goes on.
        """
        ...

    async def unload(self, model: ModelVersion, kept: Sequence[ModelVersion]) -> None:
        """Ends one version of a model, where the server can be told; those `kept` go on. Never raises."""
        ...

    async def drop(self, model: ModelVersion) -> None:
        """Ends every version of a model, where the server can be told: what it loads next it reads anew.
        Never raises.
        """
        ...


async def ask_once(inference: Inference, model: ModelVersion, timeout_s: float) -> None:
    """Makes `model` answer the smallest request; raises what `Inference.infer` raises."""
    inputs = example_inputs(model)
    if not model.streams:
        await inference.infer(model, inputs, timeout_s=timeout_s)
        return
    async with contextlib.aclosing(inference.stream(model, inputs, timeout_s=timeout_s)) as answers:
        async for _ in answers:
            pass


def check_inputs(model: ModelVersion, inputs: Arrays) -> None:
    """Raises ModelFailed when `inputs` are not what the card says: a fault of the service itself."""
    _check(model, model.inputs, inputs, "input")


def check_outputs(model: ModelVersion, inputs: Arrays, outputs: Arrays) -> None:
    """Raises ModelFailed when `outputs` are not what the card says, e.g. empty or of another batch size."""
    _check(model, model.outputs, outputs, "output")
    rows = row_count(inputs)
    for tensor in model.outputs:
        if outputs[tensor.name].shape[0] != rows:
            raise ModelFailed(f"{model.name}: output {tensor.name} has another batch size than the inputs")


def row_count(inputs: Arrays) -> int:
    """Rows of a batch."""
    return len(next(iter(inputs.values())))


def fits(shape: Sequence[int | None], wanted: Sequence[int]) -> bool:
    """Whether these are the wanted dimensions, of which -1 is any."""
    return len(shape) == len(wanted) and all(
        want in {-1, have} for want, have in zip(wanted, shape, strict=True)
    )


def example_inputs(model: ModelVersion) -> dict[str, NDArray[Any]]:
    """The smallest batch that the card allows, filled with ones: batch of 1, every variable length 1."""
    return {
        tensor.name: np.full((1, *(max(d, 1) for d in tensor.shape)), _one(tensor), dtype=tensor.dtype)
        for tensor in model.inputs
    }


def _one(tensor: Tensor) -> Any:
    return tensor.example if tensor.dtype is np.object_ else 1


def _check(model: ModelVersion, tensors: tuple[Tensor, ...], arrays: Arrays, kind: str) -> None:
    names = {t.name for t in tensors}
    if kind == "input" and set(arrays) - names:
        raise ModelFailed(f"{model.name}: has no {kind} {', '.join(sorted(set(arrays) - names))}")
    for tensor in tensors:
        array = arrays.get(tensor.name)
        if array is None:
            raise ModelFailed(f"{model.name}: {kind} {tensor.name} is missing")
        if array.dtype != np.dtype(tensor.dtype):
            wanted = np.dtype(tensor.dtype)
            raise ModelFailed(f"{model.name}: {kind} {tensor.name} is {array.dtype}, not {wanted}")
        if not fits(array.shape, (-1, *tensor.shape)):
            expected = ("batch", *tensor.shape)
            raise ModelFailed(f"{model.name}: {kind} {tensor.name} has shape {array.shape}, not {expected}")
