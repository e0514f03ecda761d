"""The seam between domain code and whatever runs the models: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
    """Runs models. Implemented on Triton by `services.chassis.triton`, and by fakes in tests."""

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
        """Name and version of what runs the models, e.g. `triton 2.51.0`; `unknown` when it cannot be asked."""
        ...
