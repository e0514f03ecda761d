"""The gate's verdict: what an image looks like, judged apart from its findings, and whether a model may read
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

GATE_LABELS = ("chest_xray", "head_ct", "other", "upside_down", "inverted", "photograph")
"""The columns of the gate's `probabilities`: the first three exclude one another, the others are judged each
alone."""

ACCEPT_MINIMUM = "accept_minimum_probability"
"""Key of the card's `serving_parameters`: an image is accepted as a kind when that kind reaches this
probability."""
COLOURFUL = 0.08
"""Mean spread between colour channels above which an image is no radiograph: exports are grey; photographs
of a screen and scanned pages are not."""


class Kind(StrEnum):
    """The kinds of image that the gate tells apart."""

    CHEST_XRAY = "chest_xray"
    HEAD_CT = "head_ct"
    OTHER = "other"


@dataclass(frozen=True)
class GateVerdict:
    """What one image looks like."""

    kind: Kind
    probability: float
    """Of `kind`, in [0, 1]."""
    upside_down: bool
    inverted: bool
    """Whether its grey scale looks inverted (bone dark)."""
    photograph: bool
    acceptable: frozenset[Kind]
    """The kinds that the image is good enough for."""
    accepted: bool = False
    """Whether it was accepted for what it was read as."""

    def accepting(self, kind: Kind) -> GateVerdict:
        """The verdict on reading the image as `kind`."""
        return replace(self, accepted=kind in self.acceptable)


def judge(
    probabilities: Mapping[str, float], parameters: Mapping[str, float], colourfulness: float
) -> GateVerdict:
    """The gate model's probabilities by label -> its verdict.

    `parameters` are the card's serving parameters; an inverted image may be accepted, since it is turned
    round before it is read, an upside-down one or a photograph is not.
    """
    kind = max(Kind, key=lambda k: probabilities[k])
    upside_down = probabilities["upside_down"] >= 0.5
    photograph = probabilities["photograph"] >= 0.5 or colourfulness > COLOURFUL
    minimum = parameters.get(ACCEPT_MINIMUM, 0.5)
    sound = not (upside_down or photograph)
    acceptable = frozenset(
        k for k in (Kind.CHEST_XRAY, Kind.HEAD_CT) if sound and probabilities[k] >= minimum
    )
    return GateVerdict(
        kind,
        float(probabilities[kind]),
        upside_down,
        probabilities["inverted"] >= 0.5,
        photograph,
        acceptable,
    )
