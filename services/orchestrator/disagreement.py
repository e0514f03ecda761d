"""Finds where the sources contradict each other: that is shown and asks for review, never averaged away.

A source speaks up for or against a condition when its evidence is a likelihood ratio of at least 3 or at
most 1/3 before weighting: `positive` evidence on the scale of Kass and Raftery (JASA 1995;90:773); anything
less is `not worth more than a bare mention`, and no ground to call anybody contradicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from services.orchestrator.catalogue import Catalogue
from services.orchestrator.evidence import Assertion, Item
from services.orchestrator.fusion import Modality

SPEAKS_UP = math.log(3.0)


class Kind(Enum):
    """The kinds of disagreement."""

    IMAGE_POSITIVE_NOTE_NEGATIVE = "image positive, note negative"
    NOTE_POSITIVE_IMAGE_NEGATIVE = "note positive, image negative"
    RECORD_POSITIVE_NOTE_NEGATIVE = "record positive, note negative"
    IMAGES_DIFFER = "images differ"


@dataclass(frozen=True)
class Disagreement:
    """Two sources that contradict each other about one condition."""

    kind: Kind
    condition: str
    """Key in the catalogue."""


@dataclass(frozen=True)
class _Stances:
    """What the sources say of one condition."""

    image_positive: bool
    image_negative: bool
    note_positive: bool
    note_negative: bool
    record_positive: bool


def find(items: Iterable[Item], catalogue: Catalogue) -> list[Disagreement]:
    """The contradictions in the evidence, in the catalogue's order.

    One that already shows for the broader condition is not repeated for the narrower ones.
    """
    items = tuple(items)
    found = [
        Disagreement(kind, key)
        for key in catalogue.conditions
        for kind in _kinds(_stances(item for item in items if item.condition == key))
    ]
    return [
        one
        for one in found
        if not any(
            Disagreement(one.kind, broader.key) in found
            for broader in catalogue.broader(catalogue.conditions[one.condition])
        )
    ]


def _kinds(stances: _Stances) -> list[Kind]:
    images_differ = stances.image_positive and stances.image_negative
    return [
        kind
        for kind, holds in (
            (Kind.IMAGE_POSITIVE_NOTE_NEGATIVE, stances.image_positive and stances.note_negative),
            # When the images differ, one of them agrees with the note: what is said is that they differ.
            (
                Kind.NOTE_POSITIVE_IMAGE_NEGATIVE,
                stances.note_positive and stances.image_negative and not images_differ,
            ),
            (Kind.RECORD_POSITIVE_NOTE_NEGATIVE, stances.record_positive and stances.note_negative),
            (Kind.IMAGES_DIFFER, images_differ),
        )
        if holds
    ]


def _stances(items: Iterable[Item]) -> _Stances:
    images, asserted, recorded = [], set(), False
    for item in items:
        if item.evidence.modality is Modality.IMAGE:
            images.append(item.evidence.log_likelihood_ratio)
        elif item.evidence.modality is Modality.RECORD:
            recorded |= item.direct and item.assertion is None
        elif item.direct and abs(item.evidence.log_likelihood_ratio) >= SPEAKS_UP:
            asserted.add(item.assertion)
    return _Stances(
        image_positive=any(ratio >= SPEAKS_UP for ratio in images),
        image_negative=any(ratio <= -SPEAKS_UP for ratio in images),
        note_positive=Assertion.PRESENT in asserted,
        # A note that states and denies the same contradicts itself before it contradicts anybody else.
        note_negative=Assertion.ABSENT in asserted and Assertion.PRESENT not in asserted,
        record_positive=recorded,
    )
