"""What the branches found in a case, in the terms that evidence is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from services.orchestrator.declared import Declaration
from services.orchestrator.fusion import Source
from services.orchestrator.knowledge import Code
from services.orchestrator.references import NoteEntity, RecordEntry

CONFIDENT_MENTION = 0.5
"""From here on a mention counts for the treatments: it is more probably right than wrong."""


class Standing(Enum):
    """Why an answer of a model counts as evidence, or does not."""

    COUNTS = "counts"
    REJECTED = "rejected"
    """A gate rejected the image."""
    NOT_JUDGED = "not judged"
    """The model's card asks for a gate, and none has judged the image."""
    UNCALIBRATED = "uncalibrated"
    """Its probabilities do not say how often it is right."""
    UNKNOWN = "unknown"
    """No card is known that describes this answer."""


@dataclass(frozen=True)
class Reading:
    """The labels of one model on one image, or on the note."""

    source: Source
    model: str
    probabilities: Mapping[str, float]
    """By label."""
    image_index: int = 0
    """Place in the case, from 0; for the note 0."""
    declaration: Declaration | None = None
    """What the model's card declares; None: it could not be obtained, or the labels are not the card's."""
    standing: Standing = Standing.COUNTS
    is_series: bool = False
    """Whether it is the aggregated answer to the slices of a series."""


class Assertion(Enum):
    """What the note says of a mention; the value is the key in `reliability.toml`."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    FAMILY = "family"


@dataclass(frozen=True)
class Mention:
    """A disease, sign or symptom that the note mentions."""

    codes: tuple[Code, ...]
    text: str
    assertion: Assertion
    confidence: float
    """Calibrated probability that span and type are right."""
    reference: NoteEntity | None = None

    @property
    def is_confident(self) -> bool:
        """Whether it gives the patient a condition that the treatments should know of."""
        return self.assertion is Assertion.PRESENT and self.confidence >= CONFIDENT_MENTION


@dataclass(frozen=True)
class RecordedCondition:
    """A condition of the record."""

    codes: tuple[Code, ...]
    texts: tuple[str, ...]
    active: bool
    tentative: bool = False
    """Whether the record has it as provisional, differential or unconfirmed."""
    reference: RecordEntry | None = None


@dataclass(frozen=True)
class Case:
    """What the branches found; empty where a branch was not asked or failed."""

    readings: tuple[Reading, ...] = ()
    mentions: tuple[Mention, ...] = ()
    recorded: tuple[RecordedCondition, ...] = ()
    age_years: int | None = None
    """Completed years; None: not known."""
