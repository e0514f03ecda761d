"""The preparation that a card declares, checked against its input tensor when the model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import ImagePreprocessing, ImageStep
from services.imaging.images import DecodedImage
from services.imaging.preprocessing.geometry import Seen
from services.imaging.preprocessing.steps import STEPS, Array, Form, Operation, Unfit, displayed, source

_DATATYPES = {"UINT8": "uint8", "FP32": "float32", "FP16": "float32"}
"""What the last step must give for a tensor's data type; half precision is cast at the end."""


@dataclass(frozen=True)
class Preparation:
    """Makes one model's input of an image."""

    tensor: str
    """Name of the input tensor."""
    _first: ImageStep
    _source: Callable[[DecodedImage], Array]
    _operations: Sequence[Operation]
    _start: Form
    _channels_first: bool
    _half: bool

    def __call__(self, image: DecodedImage) -> npt.NDArray[np.generic]:
        """The input tensor of one image, without its batch axis; blocking, a few milliseconds.

        Raises InvalidInput when the image lacks what a step needs: Hounsfield units, a large enough side.
        """
        array = self._source(image)
        for operation in self._operations:
            array = operation.apply(array)
        plane = array[0]
        if self._channels_first:
            plane = np.moveaxis(plane, -1, 0)
        return np.ascontiguousarray(plane, dtype=np.float16 if self._half else None)

    def seen(self, height_px: int, width_px: int) -> Seen:
        """Where in an image of this size the input's edges lie."""
        seen = Seen(0.0, 0.0, float(height_px), float(width_px))
        form = replace(self._start, height=height_px, width=width_px)
        for operation in self._operations:
            seen = seen.crop(*operation.shares(form))
            form = operation.form(form)
        return seen

    def shown(self, image: DecodedImage) -> npt.NDArray[np.uint8]:
        """Grey levels `[height, width]` of the whole image, as the model sees them."""
        return displayed(image, self._first)


def compiled(declared: ImagePreprocessing, contract: TensorContract) -> Preparation:
    """The preparation, once for all images.

    `contract`: the card's own description of the input tensor. Raises Unfit, its text starting with the
    field's path within `declared`, when the steps do not hold or do not give what the tensor is.
    """
    if not declared.steps:
        raise Unfit("steps: at least one is needed")
    with _told_at("steps[0]"):
        make, start = source(declared.steps[0])
    form, operations = start, []
    for index, step in enumerate(declared.steps[1:], start=1):
        kind = step.WhichOneof("step") or ""
        if kind not in STEPS:
            raise Unfit(f"steps[{index}]: {kind or 'an empty step'} is not known here, or only a first step")
        with _told_at(f"steps[{index}].{kind}"):
            operation = STEPS[kind](getattr(step, kind))
            form = operation.form(form)
        operations.append(operation)
    channels_first = declared.layout != ImagePreprocessing.LAYOUT_CHANNELS_LAST
    _check(form, contract, channels_first=channels_first)
    return Preparation(
        declared.tensor,
        declared.steps[0],
        make,
        tuple(operations),
        start,
        channels_first,
        contract.datatype == "FP16",
    )


def _check(form: Form, contract: TensorContract, *, channels_first: bool) -> None:
    if _DATATYPES.get(contract.datatype) != form.dtype:
        raise Unfit(f"steps: they give {form.dtype}, and tensor {contract.name} is {contract.datatype}")
    sides = (form.height, form.width)
    given = (form.channels, *sides) if channels_first else (*sides, form.channels)
    wanted = tuple(contract.shape)
    fits = len(given) == len(wanted) and all(
        want in {have, -1} for have, want in zip(given, wanted, strict=True)
    )
    if not fits:
        shape = ", ".join("any" if side is None else str(side) for side in given)
        raise Unfit(f"steps: they give [{shape}], and tensor {contract.name} is {list(wanted)}")


@contextmanager
def _told_at(path: str) -> Iterator[None]:
    """What is unfit within is told with this path."""
    try:
        yield
    except Unfit as error:
        raise Unfit(f"{path}: {error}") from error
