"""What a card has to agree with itself about, for whatever task: which of its fields name tensors and
files, what its labels are, and which outputs have a place for each.

Known by the fields' names alone (`…_tensor`, `…_file`), so that a new task needs nothing here but the
version of its preprocessing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import Message

from medmesh.common.v1.serving_pb2 import ModelServing

PREPROCESSING = MappingProxyType(
    {
        "image_classification": "image/1",
        "image_segmentation": "image/1",
        "image_gate": "image/1",
        "text_detection": "image/1",
        "token_classification": "text/1",
        "text_classification": "text/1",
        "text_embedding": "text/1",
        "text_generation": "text/1",
        "record_ranking": "record/1",
        "record_embedding": "record/1",
        "time_series_risk": "series/1",
    }
)
"""The version of the preprocessing vocabulary that this release implements for each task."""

_ASKS = frozenset(
    {"prompt_tensor", "stream_tensor", "sampling_parameters_tensor", "return_finish_reason_tensor"}
)
"""Fields that name an input though they are not part of a preprocessing."""
_LABELS_FIRST = frozenset({"activation_map_tensor"})
_LABELS_FIRST_TASKS = frozenset({"image_segmentation"})


@dataclass(frozen=True)
class Named:
    """A tensor or a file that the task names."""

    field: str
    """Path of the field within the card."""
    value: str


@dataclass(frozen=True)
class LabelledOutput:
    """An output with a place for each label."""

    field: str
    tensor: str
    axis: int
    """Of the labels, in the shape without the batch axis."""


def task_of(serving: ModelServing) -> str:
    """Name of the task; empty: none is set."""
    return serving.WhichOneof("task") or ""


def contract_of(serving: ModelServing) -> Message | None:
    """The task's own message; None: none is set."""
    task = task_of(serving)
    return getattr(serving, task) if task else None


def streams(serving: ModelServing) -> bool:
    """Whether a model of this task answers piece by piece."""
    return task_of(serving) == "text_generation"


def examples_of(serving: ModelServing) -> dict[str, bytes]:
    """What a probe sends in tensors of BYTES that do not hold just any text, by name."""
    name = serving.text_generation.sampling_parameters_tensor
    return {name: b'{"max_tokens": 1}'} if name else {}


def tensors_of(serving: ModelServing) -> tuple[list[Named], list[Named]]:
    """The input and the output tensors that the task names. What is prepared goes in; the rest comes out."""
    inputs: list[Named] = []
    outputs: list[Named] = []
    for path, value in _texts(serving):
        name = path.rpartition(".")[2]
        if name == "tensor" or name.endswith("_tensor"):
            goes_in = ".preprocessing." in path or name in _ASKS
            (inputs if goes_in else outputs).append(Named(path, value))
    return inputs, outputs


def files_of(serving: ModelServing) -> list[Named]:
    """The files beside the weights that the task names."""
    return [Named(path, value) for path, value in _texts(serving) if path.endswith("_file")]


def labels_of(serving: ModelServing) -> tuple[str, list[str]]:
    """Path of the labels' field, and their names in the output's order; empty: the task has none."""
    contract = contract_of(serving)
    for field in ("labels", "columns"):
        items = getattr(contract, field, ())
        if items:
            names = [item if isinstance(item, str) else item.name for item in items]
            return f"serving.{task_of(serving)}.{field}", names
    return "", []


def labelled_outputs(serving: ModelServing) -> list[LabelledOutput]:
    """The outputs that have a place for each label."""
    task, found = task_of(serving), []
    for name in ("scores_tensor", "activation_map_tensor"):
        tensor = getattr(contract_of(serving), name, "")
        if tensor:
            first = name in _LABELS_FIRST or task in _LABELS_FIRST_TASKS
            found.append(LabelledOutput(f"serving.{task}.{name}", tensor, 0 if first else -1))
    return found


def _texts(serving: ModelServing) -> Iterator[tuple[str, str]]:
    contract = contract_of(serving)
    if contract is not None:
        yield from _texts_in(contract, f"serving.{task_of(serving)}.")


def _texts_in(message: Message, path: str) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated:
            yield from _texts_in(value, f"{path}{field.name}.")
        elif isinstance(value, str) and value:
            yield f"{path}{field.name}", value
