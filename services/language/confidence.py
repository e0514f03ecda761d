"""How sure the tagger's entities are: their probabilities, brought in line with how often they are right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from medmesh.common.v1.serving_pb2 import TokenClassification
from services.language.decoding import WordSpan

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


@dataclass(frozen=True, slots=True)
class Confidence:
    """One curve for each type of entity ("DISEASE"); a type without one keeps its probabilities."""

    curves: Mapping[str, Curve] = field(default_factory=dict)

    @classmethod
    def from_card(cls, task: TokenClassification) -> Confidence:
        """As the card's calibration has it: a type takes the curve of the first of its labels with one, else
        the curve that names no label.
        """
        given = {
            curve.label: Curve(curve.rise, curve.fall, curve.offset) for curve in task.calibration.curves
        }
        found: dict[str, Curve] = {}
        for declared in task.entity_types:
            if declared.label in given:
                found.setdefault(declared.type, given[declared.label])
        if "" in given:
            found = {declared.type: given[""] for declared in task.entity_types} | found
        return cls(found)

    def of(self, span: WordSpan) -> float:
        """The probability (0..1) that ends and type are right; the terminology's constant stays."""
        if span.from_terminology:
            return span.probability
        return self.curves.get(span.label, _AS_IT_IS).of(span.probability)


AS_DECODED = Confidence()
"""Leaves the probabilities alone."""
