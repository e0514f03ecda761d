"""What of `image/1` concerns volumes alone: the first step, and the grid that the others work on.

`orientation` and `spacing` follow the first step, in any order: they choose the voxels, the steps after them
change their values and their number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medmesh.common.v1.serving_pb2 import ImageStep
from services.imaging.grey import apply_window
from services.imaging.preprocessing.steps import Array, Form, Unfit, has_width
from services.imaging.series.volume import Volume

GRID_STEPS = frozenset({"orientation", "spacing"})
_PAIRS = ({"R", "L"}, {"A", "P"}, {"S", "I"})


def volume_source(step: ImageStep) -> tuple[Callable[[Volume], Array], Form]:
    """What the first step takes of a volume, and its form. Raises Unfit when it is no first step of one."""
    kind = step.WhichOneof("step")
    if kind == "hounsfield":
        return _hounsfield, Form("float32", None, None, None, 1)
    if kind == "window":
        has_width(step.window)
        center, width = step.window.center_hu, step.window.width_hu
        return lambda volume: _windowed(volume, center, width), Form("uint8", None, None, None, 1)
    raise Unfit(f"the first step of a volume is hounsfield or window, not {kind or 'empty'}")


def grid_step(step: ImageStep) -> Callable[[Volume], Volume]:
    """One of `GRID_STEPS`. Raises Unfit."""
    if step.WhichOneof("step") == "orientation":
        axes = step.orientation.axis_codes
        if len(axes) != 3 or any(len(pair & set(axes)) != 1 for pair in _PAIRS):
            raise Unfit("axis_codes must be three letters, one each of R/L, A/P and S/I")
        return lambda volume: volume.oriented(axes)
    spacing = (step.spacing.depth_mm, step.spacing.height_mm, step.spacing.width_mm)
    if min(spacing) <= 0:
        raise Unfit("depth_mm, height_mm and width_mm must be above 0")
    return lambda volume: volume.resampled(spacing)


def _hounsfield(volume: Volume) -> Array:
    return volume.hounsfield[..., np.newaxis].astype(np.float32)


def _windowed(volume: Volume, center: float, width: float) -> Array:
    """Plane by plane, so that no second volume of floating point values is held."""
    grey = np.empty(volume.hounsfield.shape, dtype=np.uint8)
    for index, plane in enumerate(volume.hounsfield):
        grey[index] = apply_window(plane.astype(np.float32), center, width)
    return grey[..., np.newaxis]
