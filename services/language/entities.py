"""The words the language service speaks in: what an entity is, where it lies and what is said of it.

Every offset here counts Unicode code points from the start of the note (Python's own `str` index), half open:
`text[start:end]` is the surface form.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from services.clinical.concepts import Concept


class EntityType(enum.Enum):
    """What an entity names; the value is the label's stem in the model's `labels.txt`."""

    DISEASE = "Disease"
    CHEMICAL = "Chemical"


class Assertion(enum.Enum):
    """What the note says of an entity (i2b2 2010's classes, with history and allergies apart)."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    FAMILY = "family"
    HYPOTHETICAL = "hypothetical"
    ALLERGY = "allergy"


@dataclass(frozen=True, slots=True)
class Span:
    """Where an entity lies, and its type; code points, half open."""

    start: int
    end: int
    type: EntityType

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is empty or negative")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The words that made an assertion: where they lie, and which assertion they speak for."""

    start: int
    end: int
    kind: Assertion


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a note with everything that is known of it.

    `confidence` is the calibrated probability (0..1) that span and type are both right. `triggers` is empty
    when nothing but the default made the assertion. `concept` is None when no terminology entry is known;
    `equivalents` are the same concept in other code systems. `from_terminology`: the terminology decided the
    span, and the confidence is a constant.
    """

    span: Span
    text: str
    confidence: float
    assertion: Assertion
    triggers: tuple[Trigger, ...]
    concept: Concept | None
    equivalents: tuple[Concept, ...] = ()
    from_terminology: bool = False
