"""How sure the tagger's entities are: their probabilities, brought in line with how often they are right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.language.decoding import WordSpan
from services.language.entities import EntityType

_LARGEST = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017): the log-odds become
    `rise * ln p - fall * ln(1 - p) + offset`; a rise and a fall of 1 leave p alone.

    A temperature inside the network cannot do it: it acts on tokens, and an entity's probability is a product
    over its words that further rules have moved. Nor does Platt scaling, which has one slope for both ends:
    the network was trained on smoothed labels, so that "surely" is 0.96.
    """

    rise: float = 1.0
    fall: float = 1.0
    offset: float = 0.0

    def of(self, probability: float) -> float:
        """A probability (0..1) from one."""
        p = min(max(probability, 1 - _LARGEST), _LARGEST)
        return 1 / (1 + math.exp(-(self.rise * math.log(p) - self.fall * math.log(1 - p) + self.offset)))


_AS_IT_IS = Curve()


def parameter_keys(label: str) -> tuple[str, str, str]:
    """The keys in a card's `serving_parameters` of the rise, fall and offset of one type's curve."""
    return f"confidence_rise.{label}", f"confidence_fall.{label}", f"confidence_offset.{label}"


@dataclass(frozen=True, slots=True)
class Confidence:
    """One curve for each type of entity, by its label's stem ("Disease"); a type without one keeps its
    probabilities.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, float]) -> Confidence:
        """As the card has it; a card without it leaves the probabilities alone."""
        keys = {kind.value: parameter_keys(kind.value) for kind in EntityType}
        return cls(
            {
                label: Curve(*(parameters[key] for key in own))
                for label, own in keys.items()
                if all(key in parameters for key in own)
            }
        )

    def to_parameters(self) -> dict[str, float]:
        """What `from_parameters` reads."""
        return {
            key: round(value, 4)
            for label, curve in self.curves.items()
            for key, value in zip(parameter_keys(label), (curve.rise, curve.fall, curve.offset), strict=True)
        }

    def of(self, span: WordSpan) -> float:
        """The probability (0..1) that ends and type are right; the terminology's constant stays."""
        if span.from_terminology:
            return span.probability
        return self.curves.get(span.label, _AS_IT_IS).of(span.probability)


AS_DECODED = Confidence()
"""Leaves the probabilities alone."""
