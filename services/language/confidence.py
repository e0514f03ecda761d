"""How sure the tagger's entities are: their probabilities, brought in line with how often they are right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.language.decoding import WordSpan

SLOPE, OFFSET = "confidence_slope", "confidence_offset"
"""Keys of the card's `serving_parameters`."""

_LARGEST = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Confidence:
    """Platt scaling (Platt 1999): what an entity's log-odds are multiplied by, and what is added to them.

    A temperature inside the network cannot do it: it acts on tokens, and an entity's probability is a product
    over its words that further rules have moved.
    """

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, float]) -> Confidence:
        """As the card has it; a card without it leaves the probabilities alone."""
        return cls(parameters.get(SLOPE, 1.0), parameters.get(OFFSET, 0.0))

    def of(self, span: WordSpan) -> float:
        """The probability (0..1) that ends and type are right; the terminology's constant stays."""
        if span.from_terminology:
            return span.probability
        probability = min(max(span.probability, 1 - _LARGEST), _LARGEST)
        return 1 / (1 + math.exp(-(self.slope * math.log(probability / (1 - probability)) + self.offset)))


AS_DECODED = Confidence()
"""Leaves the probabilities alone."""
