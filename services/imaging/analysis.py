"""One image in, calibrated findings with their evidence out: decode, gate, pick the model, infer, explain,
abstain.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from services.chassis.errors import MedmeshError, ModelFailed, ModelUnavailable
from services.chassis.models.inference import Inference
from services.chassis.notices import Notice
from services.clinical.conformal import not_ruled_out
from services.imaging.decoding import decode_image
from services.imaging.gate import BLANK, GATE_LABELS, GateVerdict, Kind, judge
from services.imaging.heat_map import draw_overlay, heat_maps
from services.imaging.images import DecodedImage, DecodingLimits
from services.imaging.models import (
    GATE_SIDE_PX,
    IMAGE_GATE,
    NORMAL_LABEL,
    BodyPart,
    FindingsModel,
)
from services.imaging.preprocessing import Grey, brain_window, stretch_to_square
from services.imaging.routing import KIND_OF_PART, route

Floats = npt.NDArray[np.float32]
T = TypeVar("T")

CONFORMAL_COVERAGE = "conformal_coverage"
CONFORMAL_MINIMUM = "conformal_minimum_probability"
"""Keys of a card's `serving_parameters`: a label whose probability reaches the minimum belongs to the
prediction set. Such sets held the truth in the stated share of the calibration cases: of each label where the
card has a minimum for each (`minimum_key`; Mondrian conformal prediction, Vovk et al. 2005; Sadinle et al.,
JASA 2019), of all cases together where it has one for all."""


_NOT_JUDGED = Notice(
    "IMAGE_NOT_JUDGED",
    "The image gate did not answer: whether the image is what the model reads was not judged.",
    review_required=True,
)


@dataclass(frozen=True)
class ImageOptions:
    """How to analyse an image."""

    body_part: BodyPart | None = None
    """What the image shows; goes before what the file says. None: taken from the file, else recognised."""
    heat_map: bool = False
    overlay: bool = False


@dataclass(frozen=True)
class ModelFacts:
    """What of a model's card the analysis needs."""

    labels: tuple[str, ...]
    serving_parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One label with its calibrated probability in [0, 1]."""

    label: str
    probability: float
    concept: tuple[str, str] | None
    """SNOMED CT code and display."""
    heat_map: Floats | None
    """`[rows, columns]` in 0..1, over the whole image."""


@dataclass(frozen=True)
class ImageAnalysis:
    """What was found in one image."""

    model: str
    findings: Sequence[Finding]
    """The most probable first."""
    prediction_set: Sequence[str] | None
    """Labels that cannot be ruled out at `coverage`; None without a conformal calibration."""
    coverage: float
    abstained: bool
    gate: GateVerdict | None
    body_part: BodyPart
    image: DecodedImage
    sha256: str
    overlay_png: bytes
    notices: Sequence[Notice]


class ImageAnalyzer:
    """Analyses single images; keeps nothing."""

    def __init__(
        self,
        inference: Inference,
        facts: Mapping[str, ModelFacts],
        pool: Executor,
        limits: DecodingLimits | None = None,
    ) -> None:
        """`facts` names the models that are served; `pool` runs what blocks (decoding, drawing)."""
        self._inference = inference
        self._facts = facts
        self._pool = pool
        self._limits = limits or DecodingLimits()

    async def analyze(self, data: bytes, options: ImageOptions) -> ImageAnalysis:
        """Analyses one file.

        Raises InvalidInput (fields `image`, `options.body_part`) and what the inference seam raises.
        """
        image, digest = await self._blocking(partial(_decode, data, self._limits))
        notices = list(image.notices)
        gate = await self._judge(image)
        if gate is not None and gate.inverted and gate.kind is not Kind.OTHER and image.hounsfield is None:
            # A wrong Photometric Interpretation, or an inverted export: read it the way it was taken.
            image = replace(image, grey=255 - image.grey)
            notices.append(
                Notice("GREY_SCALE_INVERTED", "The grey scale looked inverted and was inverted back.")
            )
        model, of_choice = route(image, options.body_part, gate)
        notices += of_choice
        if gate is None:
            notices.append(_NOT_JUDGED)
        else:
            gate = gate.accepting(KIND_OF_PART[model.body_part])
            if not gate.accepted:
                notices.append(Notice("IMAGE_NOT_ACCEPTED", gate.reason, review_required=True))
        return await self._read(image, digest, model, options, gate, notices)

    async def _read(
        self,
        image: DecodedImage,
        digest: str,
        model: FindingsModel,
        options: ImageOptions,
        gate: GateVerdict | None,
        notices: list[Notice],
    ) -> ImageAnalysis:
        name = model.spec.name
        facts = self._facts.get(name)
        if facts is None:
            raise ModelUnavailable(metadata={"model": name})
        tensor = await self._blocking(partial(prepare, image, model))
        outputs = await self._inference.infer(name, {"image": tensor[np.newaxis]})
        probabilities = outputs["probabilities"][0].astype(float)
        if len(probabilities) != len(facts.labels) or not np.isfinite(probabilities).all():
            raise ModelFailed(metadata={"model": name})
        wants_map = options.heat_map or options.overlay
        maps = heat_maps(outputs["activation_map"][0]) if wants_map else None
        findings = [
            Finding(
                label, float(probabilities[i]), model.concepts.get(label), None if maps is None else maps[i]
            )
            for i, label in enumerate(facts.labels)
        ]
        findings.sort(key=lambda finding: -finding.probability)
        members = prediction_set(facts, probabilities)
        overlay = b""
        if options.overlay:
            strongest = next(
                (f for f in findings if f.label != NORMAL_LABEL and f.heat_map is not None), None
            )
            if strongest is not None and strongest.heat_map is not None:
                overlay = await self._blocking(
                    partial(draw_overlay, displayed(image, model), strongest.heat_map)
                )
        rejected = gate is not None and not gate.accepted
        return ImageAnalysis(
            model=name,
            findings=findings,
            prediction_set=members,
            coverage=facts.serving_parameters.get(CONFORMAL_COVERAGE, 0.0),
            abstained=rejected or (members is not None and len(members) != 1),
            gate=gate,
            body_part=model.body_part,
            image=image,
            sha256=digest,
            overlay_png=overlay,
            notices=notices,
        )

    async def _judge(self, image: DecodedImage) -> GateVerdict | None:
        tensor = await self._blocking(partial(_for_gate, image))
        if tensor is None:
            return BLANK
        facts = self._facts.get(IMAGE_GATE.name)
        if facts is None:
            return None
        try:
            outputs = await self._inference.infer(IMAGE_GATE.name, {"image": tensor[np.newaxis]})
        except MedmeshError:
            return None  # the gate adds to an answer; without it there still is one, which says so
        probabilities = outputs["probabilities"][0].astype(float)
        return judge(
            dict(zip(GATE_LABELS, probabilities, strict=True)), facts.serving_parameters, image.colourfulness
        )

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def displayed(image: DecodedImage, model: FindingsModel) -> Grey:
    """The grey levels that `model` reads: the brain window of Hounsfield units where it takes them."""
    if model.takes_hounsfield and image.hounsfield is not None:
        return brain_window(image.hounsfield)
    return image.grey


def prepare(image: DecodedImage, model: FindingsModel) -> Grey:
    """The model's input, uint8 `[1, side, side]`; training prepares its images with the same call."""
    return stretch_to_square(displayed(image, model), model.side_px)


def minimum_key(label: str) -> str:
    """The key of one label's own minimum in `serving_parameters`."""
    return f"{CONFORMAL_MINIMUM}.{label}"


def prediction_set(facts: ModelFacts, probabilities: npt.NDArray[np.float64]) -> list[str] | None:
    """Labels that cannot be ruled out, the most probable first; None when the card has no conformal
    calibration of each label.
    """
    limits = {}
    for label in facts.labels:
        minimum = facts.serving_parameters.get(
            minimum_key(label), facts.serving_parameters.get(CONFORMAL_MINIMUM)
        )
        if minimum is None:
            return None
        limits[label] = -minimum
    ranked = {facts.labels[i]: -float(probabilities[i]) for i in np.argsort(-probabilities)}
    return list(not_ruled_out(ranked, limits))


def _decode(data: bytes, limits: DecodingLimits) -> tuple[DecodedImage, str]:
    return decode_image(data, limits), hashlib.sha256(data).hexdigest()


def _for_gate(image: DecodedImage) -> Grey | None:
    """The gate's input, uint8 `[1, side, side]`; None of an image without contrast."""
    if image.grey.min() == image.grey.max():
        return None
    grey = brain_window(image.hounsfield) if image.hounsfield is not None else image.grey
    return stretch_to_square(grey, GATE_SIDE_PX)
