"""What every task reads of a model's card. Labels, curves, thresholds and tensors have been checked against
each other where the card was read (`services.chassis.models.checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medmesh.common.v1.concept_pb2 import Concept
from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import (
    LABEL_MEANING_FINDING,
    LABEL_MEANING_UNSPECIFIED,
    ImagePreprocessing,
    LabelMeaning,
)
from medmesh.common.v1.serving_pb2 import Label as LabelMessage
from services.chassis.models.inference import fits
from services.imaging.preprocessing import VOCABULARY
from services.imaging.preprocessing.declared import (
    Preparation,
    VolumePreparation,
    compiled,
    compiled_for_volumes,
)
from services.imaging.preprocessing.steps import Unfit

T = TypeVar("T")
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Label:
    """One label of a model."""

    name: str
    meaning: LabelMeaning
    concepts: tuple[Concept, ...]
    threshold: float
    """Where labels do not exclude each other: the probability from which it counts as found."""

    @property
    def is_finding(self) -> bool:
        """Whether it is something abnormal or worth telling, not normality and not the image's quality."""
        return self.meaning in {LABEL_MEANING_FINDING, LABEL_MEANING_UNSPECIFIED}


def labels_of(messages: Sequence[LabelMessage]) -> tuple[Label, ...]:
    """The labels, in the order of the output."""
    return tuple(
        Label(
            message.name,
            message.meaning,
            tuple(message.concepts),
            message.threshold if message.HasField("threshold") else DEFAULT_THRESHOLD,
        )
        for message in messages
    )


def preparation_of(card: ModelCard, declared: ImagePreprocessing) -> Preparation:
    """The preparation that the card declares.

    Raises ValueError where a step does not hold, or is of another vocabulary than is implemented here.
    """
    return _prepared(card, declared, compiled)


def volume_preparation_of(card: ModelCard, declared: ImagePreprocessing) -> VolumePreparation:
    """The same of a model that reads volumes."""
    return _prepared(card, declared, compiled_for_volumes)


def _prepared(
    card: ModelCard, declared: ImagePreprocessing, compiler: Callable[[ImagePreprocessing, TensorContract], T]
) -> T:
    if card.serving.preprocessing_version != VOCABULARY:
        raise ValueError(f"preprocessing_version: this service implements {VOCABULARY}")
    try:
        return compiler(declared, tensor_of(card.inputs, declared.tensor))
    except Unfit as error:
        raise Unfit(f"preprocessing.{error}") from error


def tensor_of(tensors: Sequence[TensorContract], name: str) -> TensorContract:
    """The card's tensor of that name. Raises ValueError when there is none."""
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise ValueError(f"the card has no tensor {name}")


def are_numbers(values: NDArray[Any], *shape: int) -> bool:
    """Whether `values` are of this shape (-1: any) and all finite."""
    return fits(values.shape, shape) and bool(np.isfinite(values).all())
