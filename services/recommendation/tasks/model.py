"""What a task needs of a served model, and what every task reads of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import AgeRange

Arrays = Mapping[str, NDArray[Any]]


class ServedModel(Protocol):
    """One version of a model, as the catalogue hands it out."""

    @property
    def name(self) -> str:
        """Name of its folder."""
        ...

    @property
    def card(self) -> ModelCard:
        """What is known of it."""
        ...

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        ...

    @property
    def max_batch_size(self) -> int:
        """Rows that the server takes at once."""
        ...

    async def infer(self, inputs: Arrays) -> tuple[Arrays, Provenance]:
        """Runs it on one batch; says which version answered. Raises as the inference seam does."""
        ...


async def run(model: ServedModel, inputs: Arrays) -> tuple[Arrays, Provenance]:
    """Runs a model on any number of rows, in as few batches as it takes; raises what `ServedModel.infer`
    raises.
    """
    count = len(next(iter(inputs.values())))
    parts, provenance = [], Provenance()
    for start in range(0, count, max(1, model.max_batch_size)):
        batch = {name: rows[start : start + model.max_batch_size] for name, rows in inputs.items()}
        outputs, provenance = await model.infer(batch)
        parts.append(outputs)
    if len(parts) == 1:
        return parts[0], provenance
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, provenance


def shape_of(tensors: Sequence[TensorContract], name: str, field: str) -> tuple[int, ...]:
    """The shape of the card's tensor of that name. ValueError, naming `field`: there is none."""
    for tensor in tensors:
        if tensor.name == name:
            return tuple(tensor.shape)
    raise ValueError(f"{field}: the card has no tensor {name or 'without a name'}")


def require_shape(
    tensors: Sequence[TensorContract], name: str, field: str, expected: tuple[int, ...]
) -> None:
    """ValueError, naming `field`, where the card's tensor of that name has another shape."""
    found = shape_of(tensors, name, field)
    if len(found) != len(expected) or any(
        -1 != one != other for one, other in zip(found, expected, strict=True)
    ):
        raise ValueError(f"{field}: the tensor has the shape {list(found)} instead of {list(expected)}")


def is_outside(age_years: float | None, ages: AgeRange) -> bool:
    """Whether a known age lies outside those that the model was made for."""
    if age_years is None:
        return False
    too_young = ages.HasField("min_years") and age_years < ages.min_years
    return too_young or (ages.HasField("max_years") and age_years > ages.max_years)


def range_words(ages: AgeRange) -> str:
    """The ages in words, e.g. `15 to 90 years`, `from 18 years`."""
    low, high = ages.HasField("min_years"), ages.HasField("max_years")
    if low and high:
        return f"{ages.min_years} to {ages.max_years} years"
    return f"from {ages.min_years} years" if low else f"up to {ages.max_years} years"
