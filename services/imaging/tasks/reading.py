"""What a model that reads images is asked, and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from services.imaging.applicability import Applicability
from services.imaging.images import DecodedImage, ImageFacts
from services.imaging.preprocessing.declared import Preparation
from services.imaging.series.volume import Volume
from services.imaging.tasks.model import Label

Floats = npt.NDArray[np.float32]
Tensor = npt.NDArray[Any]
T = TypeVar("T")


class Blocking(Protocol):
    """Runs what blocks (drawing, scaling) off the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """What `work` returns or raises."""
        ...


@dataclass(frozen=True)
class Wanted:
    """What is asked for beside the findings."""

    heat_map: bool = False
    overlay: bool = False


@dataclass(frozen=True)
class Finding:
    """One label with its probability in [0, 1]."""

    label: Label
    probability: float
    threshold: float | None = None
    """From which it counts as found; None where labels exclude each other."""
    heat_map: Floats | None = None
    """`[rows, columns]` in 0..1, over the whole image."""


class Explained(StrEnum):
    """How heat maps came about."""

    BY_ACTIVATION_MAP = "activation_map"
    BY_OCCLUSION = "occlusion"


@dataclass(frozen=True)
class Explanation:
    """How heat maps came about, and how many inferences they took beside the answer's own."""

    method: Explained
    extra_inference_count: int = 0


@dataclass(frozen=True)
class Mask:
    """Where one label is."""

    label: Label
    png: bytes
    """One bit a pixel, of the image's own size."""
    pixel_count: int
    area_mm2: float | None = None
    """None of a volume, and where the spacing of the pixels in the patient is not known."""
    volume_ml: float | None = None
    """None of a single image."""
    slice_index: int | None = None
    """Which slice of a series `png` shows; None of a single image."""


@dataclass(frozen=True)
class KeySlice:
    """A slice of a series that an answer rests on."""

    index: int
    """In the ordered series, from 0."""
    instance_number: int | None
    sop_instance_uid: str = field(repr=False)
    """Empty when the file does not say."""
    findings: Sequence[Finding] = ()
    """The slice's own, the most probable first."""


@dataclass(frozen=True)
class SliceRule:
    """How the answers of a series' slices become one."""

    top_count: int
    """Slices whose probabilities are averaged; of 1 it is the maximum."""
    key_slice_count: int
    """Slices that are named, at most."""


@dataclass(frozen=True)
class Reading:
    """What one model found in one image or series."""

    provenance: Provenance
    findings: Sequence[Finding] = ()
    """The most probable first."""
    exclusive: bool = False
    calibrated: bool = False
    prediction_set: Sequence[str] | None = None
    """Labels that cannot be ruled out at `coverage`; None without a conformal calibration."""
    coverage: float = 0.0
    explanation: Explanation | None = None
    masks: Sequence[Mask] = ()
    overlay_png: bytes = b""
    key_slices: Sequence[KeySlice] = ()
    """Of a series, the strongest first."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether the prediction set does not single out one answer, where there is one to single out."""
        return self.exclusive and self.prediction_set is not None and len(self.prediction_set) != 1


class VolumeReader(ABC):
    """A model that reads volumes, whatever its task."""

    name: str
    applies_to: Applicability
    is_default: bool
    """Whether it answers a request that names no models."""

    @abstractmethod
    async def read_volume(self, volume: Volume, blocking: Blocking) -> Reading:
        """Reads a volume. Raises InvalidInput when it cannot be prepared, and as the inference seam does."""
        ...


class ImageReader(Protocol):
    """A model that reads images, whatever its task."""

    name: str
    applies_to: Applicability
    is_default: bool
    """Whether it answers a request that names no models."""
    preparation: Preparation
    slices: SliceRule | None
    """How it reads a series; None: it reads none."""

    async def read(
        self,
        image: ImageFacts,
        tensor: Tensor,
        blocking: Blocking,
        *,
        heat_map: bool = False,
        drawn_on: DecodedImage | None = None,
    ) -> Reading:
        """Reads one image; `tensor` is what `preparation` made of it. Raises as the inference seam does.

        `drawn_on` is the image itself where an overlay is wanted.
        """
        ...
