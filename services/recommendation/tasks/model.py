"""How a task asks a served model, and what every task reads of its card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import AgeRange
from services.chassis.models.inference import Arrays, row_count
from services.chassis.models.served import Inferred, ServedModel

UNKNOWN_BATCH_COUNT = 32
"""Rows of one call of a model whose configuration lies elsewhere."""


async def run(model: ServedModel, inputs: Arrays) -> Inferred:
    """Runs a model on any number of rows, in as few batches as it takes; raises what `ServedModel.infer`
    raises.
    """
    count = row_count(inputs)
    step = model.max_batch_count or UNKNOWN_BATCH_COUNT
    parts = [
        await model.infer({name: rows[start : start + step] for name, rows in inputs.items()})
        for start in range(0, count, step)
    ]
    if len(parts) == 1:
        return parts[0]
    names = parts[0].outputs
    outputs = {name: np.concatenate([part.outputs[name] for part in parts]) for name in names}
    return Inferred(outputs, parts[-1].provenance)


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
