"""The gate's verdict: what an image looks like, judged apart from its findings, and whether a model may read
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of image that the gate tells apart."""

    CHEST_XRAY = "chest_xray"
    HEAD_CT = "head_ct"
    OTHER = "other"


class Rejection(StrEnum):
    """Why an image is not accepted."""

    NOT_EXPECTED_KIND = "not_expected_kind"
    UPSIDE_DOWN = "upside_down"
    COLOUR = "colour"
    PHOTOGRAPH = "photograph"
    SCREENSHOT = "screenshot"
    BLURRED = "blurred"
    COVERED = "covered"
    CROPPED = "cropped"
    DEGRADED = "degraded"
    DRAWN = "drawn"


SOUND = "sound"
FLAWS = (
    Rejection.PHOTOGRAPH,
    Rejection.SCREENSHOT,
    Rejection.BLURRED,
    Rejection.COVERED,
    Rejection.CROPPED,
    Rejection.DEGRADED,
    Rejection.DRAWN,
)
UPSIDE_DOWN = "upside_down"
INVERTED = "inverted"
GATE_LABELS = (*Kind, UPSIDE_DOWN, INVERTED, SOUND, *FLAWS)
"""The columns of the gate's `probabilities`: the kinds sum to 1, as do `sound` and the flaws; the two between
are judged each alone."""

ACCEPT_MINIMUM = "accept_minimum_probability"
"""Key of the card's `serving_parameters`: an image is accepted as a kind when that kind reaches this
probability."""
SOUND_MINIMUM = {
    Kind.CHEST_XRAY: "sound_minimum_probability_chest_xray",
    Kind.HEAD_CT: "sound_minimum_probability_head_ct",
}
"""Keys of the card's `serving_parameters`: an image that looks most like this kind is accepted when `sound`
reaches this probability."""
NAMED_FLAW = 0.25
"""Of an image that is not sound, every flaw of this probability is named beside the most probable one."""
COLOURFUL = 0.08
"""Mean spread between colour channels above which an image is no radiograph: exports are grey; photographs
of a screen and scanned pages are not."""

_SENTENCES: Mapping[Rejection, str] = {
    Rejection.NOT_EXPECTED_KIND: "it does not look like what the model reads",
    Rejection.UPSIDE_DOWN: "it looks upside down or turned on its side",
    Rejection.COLOUR: "it is in colour",
    Rejection.PHOTOGRAPH: "it looks like a photograph of an image",
    Rejection.SCREENSHOT: "it looks like a screenshot, a page or a sheet of several images",
    Rejection.BLURRED: "it is blurred",
    Rejection.COVERED: "a part of it is covered, blacked out or written over",
    Rejection.CROPPED: "a part of the anatomy is cut off",
    Rejection.DEGRADED: "its noise, exposure or compression hides the anatomy",
    Rejection.DRAWN: "it looks drawn or computed rather than taken",
}


@dataclass(frozen=True)
class GateVerdict:
    """What one image looks like."""

    kind: Kind
    probability: float
    """Of `kind`, in [0, 1]."""
    inverted: bool
    """Whether its grey scale looks inverted (bone dark)."""
    flaws: tuple[Rejection, ...]
    """What keeps it from being read, whatever it shows."""
    likely: frozenset[Kind]
    """The kinds that it looks enough like."""
    rejections: tuple[Rejection, ...] = ()
    """Why it was not accepted for what it was read as."""
    accepted: bool = False
    """Whether it was accepted for what it was read as."""

    def accepting(self, kind: Kind) -> GateVerdict:
        """The verdict on reading the image as `kind`."""
        unexpected = () if kind in self.likely else (Rejection.NOT_EXPECTED_KIND,)
        rejections = (*unexpected, *self.flaws)
        return replace(self, rejections=rejections, accepted=not rejections)

    @property
    def reason(self) -> str:
        """Why it was not accepted, as a sentence for people."""
        return "The image was not accepted: " + "; ".join(_SENTENCES[r] for r in self.rejections) + "."


BLANK = GateVerdict(Kind.OTHER, 1.0, inverted=False, flaws=(), likely=frozenset())
"""Of an image without contrast: it shows nothing, and the network was not taught to say so."""


def judge(
    probabilities: Mapping[str, float], parameters: Mapping[str, float], colourfulness: float
) -> GateVerdict:
    """The gate model's probabilities by label -> its verdict.

    `parameters` are the card's serving parameters; an inverted image may be accepted, since it is turned
    round before it is read.
    """
    kind = max(Kind, key=lambda k: probabilities[k])
    minimum = parameters.get(ACCEPT_MINIMUM, 0.5)
    flaws = []
    if probabilities[UPSIDE_DOWN] >= 0.5:
        flaws.append(Rejection.UPSIDE_DOWN)
    if colourfulness > COLOURFUL:
        flaws.append(Rejection.COLOUR)
    if probabilities[SOUND] < parameters.get(SOUND_MINIMUM.get(kind, ""), 0.5):
        most = max(FLAWS, key=lambda flaw: probabilities[flaw])
        flaws += [flaw for flaw in FLAWS if flaw is most or probabilities[flaw] >= NAMED_FLAW]
    return GateVerdict(
        kind,
        float(probabilities[kind]),
        probabilities[INVERTED] >= 0.5,
        tuple(flaws),
        frozenset(k for k in (Kind.CHEST_XRAY, Kind.HEAD_CT) if probabilities[k] >= minimum),
    )
