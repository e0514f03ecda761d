"""The vocabulary `image/1`: what each step of a card does, one small function a step.

Between steps an image is `[depth, height, width, channels]`, depth 1 where it is no volume. Each function
here takes a step's parameters and gives an `Operation`: what it does to such an array, what becomes of its
form, and which part of the height and the width is left. Names and semantics follow MONAI's transforms and
Hugging Face's image processors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from medmesh.common.v1.serving_pb2 import ImageStep
from services.imaging.grey import apply_window
from services.imaging.images import DecodedImage, unsupported
from services.imaging.preprocessing.resizing import resized

Array = npt.NDArray[Any]
"""`[depth, height, width, channels]`, uint8 or float32."""
Shares = tuple[float, float, float, float]
"""Top, left, bottom and right, as shares of height and width."""
WHOLE: Shares = (0.0, 0.0, 1.0, 1.0)


class Unfit(ValueError):  # noqa: N818 - it reads as what it says of a step
    """A step that cannot be where it is; the text says why, for whoever wrote the card."""


@dataclass(frozen=True)
class Form:
    """What is known of an array before there is one; None: it depends on the image."""

    dtype: str
    """`uint8` or `float32`."""
    depth: int | None
    height: int | None
    width: int | None
    channels: int | None


@dataclass(frozen=True)
class Operation:
    """What a step does."""

    apply: Callable[[Array], Array]
    form: Callable[[Form], Form]
    """Raises Unfit."""
    shares: Callable[[Form], Shares] = lambda _form: WHOLE
    """Which part of an image of a form is left; below 0 and above 1 are borders. Of the form both sides are
    known.
    """


# ------------------------------------------------------------------------------------------------------------
# First steps: an image -> an array


def source(step: ImageStep) -> tuple[Callable[[DecodedImage], Array], Form]:
    """What the first step takes of an image, and its form. Raises Unfit when it is no first step."""
    kind = step.WhichOneof("step")
    unknown = Form("uint8", 1, None, None, 1)
    if kind == "grey":
        return lambda image: _lifted(image.grey), unknown
    if kind == "color":
        return lambda image: image.colour[np.newaxis], replace(unknown, channels=3)
    if kind == "window":
        has_width(step.window)
        return lambda image: _windowed(image, step.window), unknown
    if kind == "hounsfield":
        return lambda image: _lifted(_units(image)), replace(unknown, dtype="float32")
    raise Unfit(f"the first step is grey, window, hounsfield or color, not {kind or 'empty'}")


def has_width(window: ImageStep.Window) -> None:
    """Raises Unfit where the window is none."""
    if not 0 < window.width_hu < math.inf or not math.isfinite(window.center_hu):
        raise Unfit("window: width_hu must be above 0")


def displayed(image: DecodedImage, step: ImageStep) -> npt.NDArray[np.uint8]:
    """Grey levels `[height, width]` to show people what a model with this first step sees."""
    if step.WhichOneof("step") == "window":
        return np.asarray(_windowed(image, step.window)[0, :, :, 0])
    return image.grey


def _lifted(plane: Array) -> Array:
    return plane[np.newaxis, :, :, np.newaxis]


def _windowed(image: DecodedImage, window: ImageStep.Window) -> Array:
    if image.hounsfield is None:
        if window.required:
            raise unsupported("holds no Hounsfield units, which the model needs")
        return _lifted(image.grey)
    return _lifted(apply_window(image.hounsfield, window.center_hu, window.width_hu))


def _units(image: DecodedImage) -> npt.NDArray[np.float32]:
    if image.hounsfield is None:
        raise unsupported("holds no Hounsfield units, which the model needs")
    return image.hounsfield


# ------------------------------------------------------------------------------------------------------------
# Size


_FILTERS: Mapping[int, Image.Resampling] = {
    ImageStep.Resize.INTERPOLATION_UNSPECIFIED: Image.Resampling.BILINEAR,
    ImageStep.Resize.INTERPOLATION_NEAREST: Image.Resampling.NEAREST,
    ImageStep.Resize.INTERPOLATION_BILINEAR: Image.Resampling.BILINEAR,
    ImageStep.Resize.INTERPOLATION_BICUBIC: Image.Resampling.BICUBIC,
    ImageStep.Resize.INTERPOLATION_LANCZOS: Image.Resampling.LANCZOS,
    ImageStep.Resize.INTERPOLATION_AREA: Image.Resampling.BOX,
}


def resize(step: ImageStep.Resize) -> Operation:
    """Both sides as given; the shape kept as `mode` says."""
    target = (step.height_px, step.width_px or step.height_px)
    if min(target) < 1:
        raise Unfit("height_px must be at least 1")
    if step.interpolation not in _FILTERS:
        raise Unfit("interpolation is not known")
    if step.mode not in _MODES:
        raise Unfit("mode is not known")
    if step.depth and step.mode not in {ImageStep.Resize.MODE_UNSPECIFIED, ImageStep.Resize.MODE_STRETCH}:
        raise Unfit("depth goes with mode MODE_STRETCH alone")
    return _MODES[step.mode](target, _FILTERS[step.interpolation], step)


def _stretch(target: tuple[int, int], by: Image.Resampling, step: ImageStep.Resize) -> Operation:
    def form(before: Form) -> Form:
        if step.depth and before.depth == 1:
            raise Unfit("depth is for volumes, and this is a single image")
        height, width = target
        return replace(before, height=height, width=width, depth=step.depth or before.depth)

    def apply(array: Array) -> Array:
        array = _planes(array, lambda plane: resized(plane, *target, by))
        return _deep(array, step.depth, by) if step.depth else array

    return Operation(apply, form)


def _letterbox(target: tuple[int, int], by: Image.Resampling, step: ImageStep.Resize) -> Operation:
    def sizes(height: int, width: int) -> tuple[int, int, int, int]:
        scale = min(target[0] / height, target[1] / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        return *inner, (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2

    def one(plane: Array) -> Array:
        height, width, top, left = sizes(*plane.shape)
        box = np.full(target, step.fill, dtype=plane.dtype)
        box[top : top + height, left : left + width] = resized(plane, height, width, by)
        return box

    def shares(before: Form) -> Shares:
        height, width, top, left = sizes(before.height or 1, before.width or 1)
        return -top / height, -left / width, (target[0] - top) / height, (target[1] - left) / width

    def form(before: Form) -> Form:
        if before.dtype == "uint8" and not (0 <= step.fill <= 255 and step.fill == int(step.fill)):
            raise Unfit("fill must be a whole number from 0 to 255 here")
        return replace(before, height=target[0], width=target[1])

    return Operation(lambda array: _planes(array, one), form, shares)


def _shortest_edge(target: tuple[int, int], by: Image.Resampling, step: ImageStep.Resize) -> Operation:
    if step.width_px:
        raise Unfit("width_px stays empty with MODE_SHORTEST_EDGE")
    short = target[0]

    def size(height: int, width: int) -> tuple[int, int]:
        longer = int(short * max(height, width) / min(height, width))  # cut as Hugging Face does
        return (short, longer) if height <= width else (longer, short)

    def form(before: Form) -> Form:
        if before.height is None or before.width is None:
            return replace(before, height=None, width=None)
        height, width = size(before.height, before.width)
        return replace(before, height=height, width=width)

    return Operation(
        lambda array: _planes(array, lambda plane: resized(plane, *size(*plane.shape), by)), form
    )


def _center_crop_and_resize(
    target: tuple[int, int], by: Image.Resampling, _step: ImageStep.Resize
) -> Operation:
    def size(height: int, width: int) -> tuple[int, int]:
        scale = min(height / target[0], width / target[1])
        return max(1, round(target[0] * scale)), max(1, round(target[1] * scale))

    return Operation(
        lambda array: _planes(_middle(array, *size(*array.shape[1:3])), lambda p: resized(p, *target, by)),
        lambda before: replace(before, height=target[0], width=target[1]),
        lambda before: _middle_shares(before, *size(before.height or 1, before.width or 1)),
    )


_MODES: Mapping[int, Callable[[tuple[int, int], Image.Resampling, ImageStep.Resize], Operation]] = {
    ImageStep.Resize.MODE_UNSPECIFIED: _stretch,
    ImageStep.Resize.MODE_STRETCH: _stretch,
    ImageStep.Resize.MODE_LETTERBOX: _letterbox,
    ImageStep.Resize.MODE_SHORTEST_EDGE: _shortest_edge,
    ImageStep.Resize.MODE_CENTER_CROP: _center_crop_and_resize,
}


def center_crop(step: ImageStep.CenterCrop) -> Operation:
    """The middle of the image."""
    size = (step.height_px, step.width_px or step.height_px)
    if min(size) < 1:
        raise Unfit("height_px must be at least 1")

    def form(before: Form) -> Form:
        for side, wanted in ((before.height, size[0]), (before.width, size[1])):
            if side is not None and side < wanted:
                raise Unfit(f"a side of {side} pixels is shorter than the crop's {wanted}")
        return replace(before, height=size[0], width=size[1])

    def apply(array: Array) -> Array:
        if array.shape[1] < size[0] or array.shape[2] < size[1]:
            raise unsupported(f"is smaller than the {size[0]} by {size[1]} pixels that the model crops")
        return _middle(array, *size)

    return Operation(apply, form, lambda before: _middle_shares(before, *size))


def _middle(array: Array, height: int, width: int) -> Array:
    top, left = (array.shape[1] - height) // 2, (array.shape[2] - width) // 2
    return array[:, top : top + height, left : left + width]


def _middle_shares(before: Form, height: int, width: int) -> Shares:
    whole_height, whole_width = before.height or 1, before.width or 1
    top, left = (whole_height - height) // 2, (whole_width - width) // 2
    return (
        top / whole_height,
        left / whole_width,
        (top + height) / whole_height,
        (left + width) / whole_width,
    )


def _planes(array: Array, one: Callable[[Array], Array]) -> Array:
    """`one` of every plane of every channel."""
    depth, _, _, channels = array.shape
    if depth == channels == 1:
        return one(array[0, :, :, 0])[np.newaxis, :, :, np.newaxis]
    slices = [np.stack([one(array[z, :, :, c]) for c in range(channels)], axis=-1) for z in range(depth)]
    return np.stack(slices)


def _deep(array: Array, depth: int, by: Image.Resampling) -> Array:
    """Another number of slices: each column of voxels is resized as a row of a plane is."""
    slices, height, width, channels = array.shape
    flat = np.ascontiguousarray(array.reshape(slices, -1))
    return resized(flat, depth, flat.shape[1], by).reshape(depth, height, width, channels)


# ------------------------------------------------------------------------------------------------------------
# Values


def invert(_step: ImageStep.Invert) -> Operation:
    """255 - v."""

    def form(before: Form) -> Form:
        if before.dtype != "uint8":
            raise Unfit("only grey levels from 0 to 255 can be inverted, before rescale and normalize")
        return before

    return Operation(lambda array: 255 - array, form)


def clip(step: ImageStep.Clip) -> Operation:
    """Values outside become the limits."""
    if not step.min < step.max:
        raise Unfit("min must be below max")

    def form(before: Form) -> Form:
        if before.dtype == "uint8" and (step.min != int(step.min) or step.max != int(step.max)):
            raise Unfit("limits must be whole numbers where the values are")
        return before

    return Operation(lambda array: np.clip(array, step.min, step.max).astype(array.dtype, copy=False), form)


def rescale(step: ImageStep.Rescale) -> Operation:
    """V * factor + offset."""
    if step.factor == 0:
        raise Unfit("factor must not be 0")
    factor, offset = np.float32(step.factor), np.float32(step.offset)
    return Operation(lambda array: array.astype(np.float32) * factor + offset, _floating)


def normalize(step: ImageStep.Normalize) -> Operation:
    """(v - mean) / std, by channel."""
    mean, std = np.array(step.mean, np.float32), np.array(step.std, np.float32)
    if not len(mean) == len(std) > 0 or not (std > 0).all():
        raise Unfit("mean and std must have the same length, and every std must be above 0")

    def form(before: Form) -> Form:
        if len(mean) not in {1, before.channels}:
            raise Unfit(f"{len(mean)} means for {before.channels} channels")
        return _floating(before)

    return Operation(lambda array: (array.astype(np.float32) - mean) / std, form)


def standardize(_step: ImageStep.Standardize) -> Operation:
    """Zero mean and unit variance over the image; an image without contrast becomes 0."""

    def apply(array: Array) -> Array:
        values = array.astype(np.float32)
        spread = float(values.std(dtype=np.float64))
        centred = values - np.float32(values.mean(dtype=np.float64))
        return centred / np.float32(spread) if spread > 0 else centred

    return Operation(apply, _floating)


def scale_intensity(step: ImageStep.ScaleIntensity) -> Operation:
    """The image's own range becomes the given one; an image without contrast becomes `min`."""
    if not step.min < step.max:
        raise Unfit("min must be below max")

    def apply(array: Array) -> Array:
        values = array.astype(np.float32)
        low, high = float(values.min()), float(values.max())
        factor = (step.max - step.min) / (high - low) if high > low else 0.0
        return (values - np.float32(low)) * np.float32(factor) + np.float32(step.min)

    return Operation(apply, _floating)


def channels(step: ImageStep.Channels) -> Operation:
    """The grey channel repeated."""
    if step.count not in {1, 3}:
        raise Unfit("count must be 1 or 3")

    def form(before: Form) -> Form:
        if before.channels != 1:
            raise Unfit("only a single channel can be repeated")
        return replace(before, channels=step.count)

    return Operation(lambda array: np.repeat(array, step.count, axis=3), form)


def _floating(before: Form) -> Form:
    return replace(before, dtype="float32")


STEPS: Mapping[str, Callable[[Any], Operation]] = {
    "invert": invert,
    "resize": resize,
    "center_crop": center_crop,
    "clip": clip,
    "rescale": rescale,
    "normalize": normalize,
    "standardize": standardize,
    "scale_intensity": scale_intensity,
    "channels": channels,
}
"""Every step after the first, by its field's name in `ImageStep`."""
