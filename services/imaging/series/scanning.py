"""Every slice of a series before the gates and the models that read it, a few slices at a time."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import MedmeshError, ModelFailed
from services.chassis.notices import Notice
from services.chassis.outcomes import outcomes
from services.imaging.digests import add_content
from services.imaging.images import DecodedImage
from services.imaging.judging import Asked, inverted, judged, upright_grey
from services.imaging.series.reading import Series
from services.imaging.tasks.classification import ImageClassifier
from services.imaging.tasks.gate import GateVerdict, ImageGate
from services.imaging.tasks.reading import Blocking

SLICES_AT_A_TIME = 8
"""Decoded and inferred together: enough to fill a batch, few enough to hold."""


@dataclass(frozen=True)
class Scored:
    """What one model said of every slice."""

    probabilities: npt.NDArray[np.float64]
    """`[slices, labels]`."""
    provenance: Provenance


@dataclass
class Scan:
    """What was seen of a series."""

    verdicts: list[Sequence[GateVerdict]] = field(default_factory=list)
    """Of each slice, of the gates that answered."""
    inverted: list[bool] = field(default_factory=list)
    """Of each slice, whether its grey scale was inverted back."""
    scored: dict[str, Scored] = field(default_factory=dict)
    """By model."""
    failed: dict[str, MedmeshError] = field(default_factory=dict)
    """Why a model did not answer, by model; InvalidInput where it cannot read such slices."""
    notices: dict[Notice, None] = field(default_factory=dict)
    """What was told of single slices, each once, in order."""


async def scan(
    series: Series,
    models: Sequence[ImageClassifier],
    gates: Sequence[ImageGate],
    blocking: Blocking,
    content: hmac.HMAC | None = None,
) -> Scan:
    """Reads every slice once. `content` takes up what was read, in the order of the slices.

    Raises InvalidInput when a slice cannot be decoded.
    """
    seen = Scan()
    parts: dict[str, list[Scored]] = {model.name: [] for model in models}
    for start in range(0, len(series), SLICES_AT_A_TIME):
        indices = range(start, min(start + SLICES_AT_A_TIME, len(series)))
        decoded = await blocking(partial(_decoded, series, indices, gates, content))
        judgements = await asyncio.gather(*(judged(image, tensors) for image, tensors in decoded))
        verdicts = [judgement.verdicts for judgement in judgements]
        images = []
        for (image, _), of_slice in zip(decoded, verdicts, strict=True):
            upright, told = upright_grey(image, of_slice)
            images.append(upright)
            seen.inverted.append(upright is not image)
            seen.notices.update(dict.fromkeys((*image.notices, *told)))
        seen.verdicts += verdicts
        asked = [model for model in models if model.name not in seen.failed]
        answers = await outcomes([_scored(model, images, blocking) for model in asked])
        for model, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Scored):
                parts[model.name].append(answer)
            elif isinstance(answer, MedmeshError):
                seen.failed[model.name] = answer
            else:
                raise answer
    for model in models:
        if model.name not in seen.failed:
            seen.scored[model.name] = _joined(parts[model.name])
    return seen


def as_seen(series: Series, seen: Scan, index: int) -> DecodedImage:
    """Slice `index` as the models saw it; blocking."""
    image = series.decode(index)
    return inverted(image) if seen.inverted[index] else image


def _decoded(
    series: Series, indices: range, gates: Sequence[ImageGate], content: hmac.HMAC | None
) -> list[tuple[DecodedImage, Asked]]:
    """Each slice with what its gates are to see."""
    decoded: list[tuple[DecodedImage, Asked]] = []
    for index in indices:
        image = series.decode(index)
        if content is not None:
            add_content(content, image)
        decoded.append((image, [(gate, gate.prepare(image)) for gate in gates]))
    return decoded


async def _scored(model: ImageClassifier, images: Sequence[DecodedImage], blocking: Blocking) -> Scored:
    tensors = await blocking(lambda: np.stack([model.preparation(image) for image in images]))
    parts = []
    for start in range(0, len(tensors), model.max_batch_count):
        answer = await model.score(tensors[start : start + model.max_batch_count])
        parts.append(Scored(answer.probabilities, answer.provenance))
    return _joined(parts)


def _joined(parts: Sequence[Scored]) -> Scored:
    if any(part.provenance != parts[0].provenance for part in parts):
        raise ModelFailed("the model's version changed while the series was read")
    return Scored(np.concatenate([part.probabilities for part in parts]), parts[0].provenance)
