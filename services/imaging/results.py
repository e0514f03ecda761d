"""What is asked of the analysis of an image or a series, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.chassis.notices import Notice
from services.imaging.digests import ImageDigests
from services.imaging.images import ImageFacts
from services.imaging.series.reading import Series
from services.imaging.tasks.gate import GateVerdict, Rejection
from services.imaging.tasks.reading import Reading, Wanted


@dataclass(frozen=True)
class ImageOptions:
    """How to analyse an image."""

    body_part: str = ""
    """What the image shows, in DICOM's terms; overrides what the file says. Empty: taken from the file,
    else recognised.
    """
    models: tuple[str, ...] = ()
    """Models that are to answer. Empty: all that apply and answer by default."""
    wanted: Wanted = field(default_factory=Wanted)
    digest_key: bytes | None = None
    """Key for the digests of the image; None: no digests."""


@dataclass(frozen=True)
class ModelResult:
    """What one model found, and what is to be known of it."""

    reading: Reading
    judged: bool | None
    """Whether a gate judged the image for this model; None: the model asks for none."""
    rejections: Sequence[Rejection]
    notices: Sequence[Notice]

    @property
    def abstained(self) -> bool:
        """Whether the findings are for a reviewer, not for a decision."""
        return bool(self.rejections) or self.reading.is_ambiguous


@dataclass(frozen=True)
class ImageAnalysis:
    """What was found in one image or series."""

    results: Sequence[ModelResult]
    """At least one, by the models' names."""
    gates: Sequence[GateVerdict]
    """Of a series, of its middle slice."""
    body_part: str
    image: ImageFacts
    """Of a series its middle slice."""
    digests: ImageDigests | None
    notices: Sequence[Notice]
    series: Series | None = None
    """None of a single image."""
