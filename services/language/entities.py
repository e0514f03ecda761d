"""The words the language service speaks in: what an entity is, where it lies and what is said of it.

Every offset here counts Unicode code points from the start of the note (Python's own `str` index), half open:
`text[start:end]` is the surface form.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from services.clinical.concepts import Concept


class EntityType(enum.StrEnum):
    """The types that the terminology and the rules know. A model may find others; those are plain strings."""

    DISEASE = "DISEASE"
    """A disease, sign or symptom."""
    CHEMICAL = "CHEMICAL"
    """A drug or another chemical."""


def entity_type(name: str) -> str:
    """The type of that name: an EntityType where the rules know it, else the name."""
    return EntityType(name) if name in EntityType.__members__ else name


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
    type: str
    """An EntityType, or another name of the model's card."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is empty or negative")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The words that made an assertion: where they lie, and which assertion they stand for."""

    start: int
    end: int
    kind: Assertion


class Origin(enum.Enum):
    """What decided that an entity is one, where it ends and of what type it is."""

    MODEL = "model"
    MODEL_RETYPED = "model_retyped"
    """The model its extent, the terminology its type; the confidence is the model's."""
    TERMINOLOGY = "terminology"
    """The terminology; the confidence is a constant."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a note with everything that is known of it.

    `confidence` is the probability (0..1), calibrated where the model is, that span and type are both
    right. `assertion` is None where the rules do not read the passage's language; `triggers` is empty
    when nothing but the default made it. `concept` is None when no terminology entry is known;
    `equivalents` are the same concept in other code systems.
    """

    span: Span
    text: str
    confidence: float
    assertion: Assertion | None
    triggers: tuple[Trigger, ...]
    concept: Concept | None
    equivalents: tuple[Concept, ...] = ()
    origin: Origin = Origin.MODEL
