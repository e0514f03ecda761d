"""Where a piece of evidence stands: in an image's or the note's results, or in the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from services.clinical.concepts import Concept


@dataclass(frozen=True)
class ImageFinding:
    """Labels of one model on one image."""

    image_index: int
    """Place in the case, from 0."""
    model: str
    labels: tuple[str, ...]
    """Sorted."""


@dataclass(frozen=True)
class NoteFinding:
    """Labels that one model gives the note as a whole."""

    model: str
    labels: tuple[str, ...]
    """Sorted."""


@dataclass(frozen=True)
class NoteEntity:
    """An entity of the note."""

    model: str
    entity_index: int
    """Place among the model's entities, from 0."""


@dataclass(frozen=True)
class RecordEntry:
    """An entry of the record."""

    place: str
    """E.g. `Bundle.entry[3].resource`."""
    concept: Concept


Reference: TypeAlias = ImageFinding | NoteFinding | NoteEntity | RecordEntry
