"""AnalyzeNote's whole path with the shipped tagger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import Inference
from services.chassis.observability.telemetry import Telemetry
from services.language.entities import Entity
from services.language.linking import Linker
from services.language.note_entities import EntityReader
from services.language.note_reading import NoteReader
from services.language.recovery import Terms
from services.language.tasks import TASKS, TOKEN_CLASSIFICATION

REPOSITORY = Path(__file__).resolve().parents[2] / "triton_repo"


class Annotator:
    """Reads notes with the default tagger, which `inference` runs."""

    def __init__(self, inference: Inference) -> None:
        catalog = Catalog("language", [REPOSITORY], TASKS, inference, Telemetry("language"))
        self._tagger = catalog.only(TOKEN_CLASSIFICATION)
        self._reader = NoteReader(EntityReader(Linker(), Terms()))

    async def annotate(self, note: str) -> Sequence[Entity]:
        """The entities of `note`, in order."""
        return (await self._reader.read(note, [self._tagger])).results[0].entities
