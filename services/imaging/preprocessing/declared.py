"""The preparation that a card declares, checked against its input tensor when the model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import ImagePreprocessing, ImageStep
from services.chassis.models.inference import fits
from services.imaging.images import DecodedImage
from services.imaging.preprocessing.geometry import Seen
from services.imaging.preprocessing.steps import STEPS, Array, Form, Operation, Unfit, displayed, source
from services.imaging.preprocessing.volumes import GRID_STEPS, grid_step, volume_source
from services.imaging.series.volume import Volume

_DATATYPES = {"UINT8": "uint8", "FP32": "float32", "FP16": "float32"}
"""What the last step must give for a tensor's data type; half precision is cast at the end."""


@dataclass(frozen=True)
class VolumePreparation:
    """Makes one model's input of a volume."""

    tensor: str
    """Name of the input tensor."""
    _source: Callable[[Volume], Array]
    _grid: Sequence[Callable[[Volume], Volume]]
    _operations: Sequence[Operation]
    _channels_first: bool
    _half: bool

    def on_grid(self, volume: Volume) -> Volume:
        """The volume with the axes and the voxels that the model is given; blocking."""
        for step in self._grid:
            volume = step(volume)
        return volume

    def __call__(self, volume: Volume) -> npt.NDArray[np.generic]:
        """The input tensor of a volume that is `on_grid`, without its batch axis; blocking.

        Raises InvalidInput when the volume is smaller than a step needs.
        """
        array = self._source(volume)
        for operation in self._operations:
            array = operation.apply(array)
        if self._channels_first:
            array = np.moveaxis(array, -1, 0)
        return np.ascontiguousarray(array, dtype=np.float16 if self._half else None)

    def seen(self, volume: Volume) -> Sequence[tuple[float, float]]:
        """Where along each axis of a volume that is `on_grid` the input's edges lie, in its voxels."""
        depth, height, width = volume.hounsfield.shape
        seen = Seen(0.0, 0.0, float(height), float(width))
        form = Form("float32", depth, height, width, 1)
        for operation in self._operations:
            seen = seen.crop(*operation.shares(form))
            form = operation.form(form)
        return (0.0, float(depth)), (seen.top, seen.bottom), (seen.left, seen.right)


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
            plane = plane.transpose(2, 0, 1)
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
    with _first(declared) as first:
        make, start = source(first)
    operations, form = _operations(declared, 1, start)
    channels_first = declared.layout != ImagePreprocessing.LAYOUT_CHANNELS_LAST
    _check(form, contract, (form.height, form.width), channels_first=channels_first)
    return Preparation(
        declared.tensor,
        first,
        make,
        operations,
        start,
        channels_first,
        contract.datatype == "FP16",
    )


def compiled_for_volumes(declared: ImagePreprocessing, contract: TensorContract) -> VolumePreparation:
    """The same for a model that takes a volume."""
    with _first(declared) as first:
        make, start = volume_source(first)
    grid = []
    for index, step in enumerate(declared.steps[1:], start=1):
        if step.WhichOneof("step") not in GRID_STEPS:
            break
        with _told_at(f"steps[{index}].{step.WhichOneof('step')}"):
            grid.append(grid_step(step))
    operations, form = _operations(declared, 1 + len(grid), start)
    channels_first = declared.layout != ImagePreprocessing.LAYOUT_CHANNELS_LAST
    _check(form, contract, (form.depth, form.height, form.width), channels_first=channels_first)
    return VolumePreparation(
        declared.tensor, make, tuple(grid), operations, channels_first, contract.datatype == "FP16"
    )


@contextmanager
def _first(declared: ImagePreprocessing) -> Iterator[ImageStep]:
    if not declared.steps:
        raise Unfit("steps: at least one is needed")
    with _told_at("steps[0]"):
        yield declared.steps[0]


def _operations(declared: ImagePreprocessing, start: int, form: Form) -> tuple[tuple[Operation, ...], Form]:
    """The steps from `start` on, and the form that they leave."""
    operations = []
    for index, step in enumerate(declared.steps[start:], start=start):
        kind = step.WhichOneof("step") or ""
        if kind not in STEPS:
            raise Unfit(
                f"steps[{index}]: {kind or 'an empty step'} is not known here, or stands before all others"
            )
        with _told_at(f"steps[{index}].{kind}"):
            operation = STEPS[kind](getattr(step, kind))
            form = operation.form(form)
        operations.append(operation)
    return tuple(operations), form


def _check(
    form: Form, contract: TensorContract, sides: Sequence[int | None], *, channels_first: bool
) -> None:
    if _DATATYPES.get(contract.datatype) != form.dtype:
        raise Unfit(f"steps: they give {form.dtype}, and tensor {contract.name} is {contract.datatype}")
    given = (form.channels, *sides) if channels_first else (*sides, form.channels)
    wanted = tuple(contract.shape)
    if not fits(given, wanted):
        shape = ", ".join("any" if side is None else str(side) for side in given)
        raise Unfit(f"steps: they give [{shape}], and tensor {contract.name} is {list(wanted)}")


@contextmanager
def _told_at(path: str) -> Iterator[None]:
    """What is unfit within is told with this path."""
    try:
        yield
    except Unfit as error:
        raise Unfit(f"{path}: {error}") from error
