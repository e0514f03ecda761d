"""Asking the gates what an image is, and what their verdicts change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from services.chassis.errors import MedmeshError
from services.chassis.notices import Notice
from services.chassis.outcomes import outcomes
from services.imaging.images import DecodedImage, ImageFacts
from services.imaging.routing import Choice
from services.imaging.tasks.gate import GateVerdict, ImageGate
from services.imaging.tasks.reading import Tensor

Asked = Sequence[tuple[ImageGate, Tensor | None]]
"""Gates to ask, with what they see of an image (`ImageGate.prepare`)."""


def is_asked(gate: ImageGate, choice: Choice | None, image: ImageFacts) -> bool:
    """Every gate where it is not known what the image shows, else those that know what the models read."""
    modalities = gate.applies_to.modalities
    if not gate.is_default or (image.modality and modalities and image.modality not in modalities):
        return False
    return choice is None or any(gate.kinds & model.applies_to.gate_kinds for model in choice.models)


class Judgement(NamedTuple):
    """What the gates said: a gate adds to an answer; without it there still is one, which says so."""

    verdicts: Sequence[GateVerdict]
    """Of those that answered."""
    failures: Sequence[MedmeshError]
    """Of those that did not."""


async def judged(image: ImageFacts, asked: Asked) -> Judgement:
    """Asks the gates."""
    verdicts = await outcomes([gate.judge(image, tensor) for gate, tensor in asked])
    for verdict in verdicts:
        if isinstance(verdict, BaseException) and not isinstance(verdict, MedmeshError):
            raise verdict
    return Judgement(
        [verdict for verdict in verdicts if isinstance(verdict, GateVerdict)],
        [verdict for verdict in verdicts if isinstance(verdict, MedmeshError)],
    )


def upright_grey(image: DecodedImage, verdicts: Sequence[GateVerdict]) -> tuple[DecodedImage, list[Notice]]:
    """A wrong Photometric Interpretation, or an inverted export: read the way it was taken."""
    looks_inverted = any(verdict.inverted and verdict.kind in verdict.known for verdict in verdicts)
    if not looks_inverted or image.hounsfield is not None:
        return image, []
    return inverted(image), [_INVERTED]


def inverted(image: DecodedImage) -> DecodedImage:
    """The image with its grey scale inverted."""
    rgb = None if image.rgb is None else 255 - image.rgb
    return replace(image, grey=255 - image.grey, rgb=rgb)


_INVERTED = Notice("GREY_SCALE_INVERTED", "The grey scale looked inverted and was inverted back.")
