"""The imaging service's models, as the catalog serves them now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import ModelUnknown
from services.chassis.models.catalog import Catalog
from services.chassis.models.tasks import contract_of
from services.imaging.applicability import Applicability
from services.imaging.tasks import GATE, READERS, TEXT_DETECTION, Reader
from services.imaging.tasks.gate import ImageGate
from services.imaging.tasks.text_detection import TextDetector


@dataclass(frozen=True)
class Refused:
    """A model that would read images, and is not served."""

    name: str
    applies_to: Applicability
    refusal: str


class ServedImageModels:
    """What is read of it is a snapshot: a request goes on with the models that it took."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def readers(self) -> Sequence[Reader]:
        """Those that read images or volumes, by name."""
        readers: list[Reader] = [model for task in READERS for model in self._catalog.models(task)]
        return sorted(readers, key=lambda reader: reader.name)

    def gates(self) -> Sequence[ImageGate]:
        """Those that say what an image is, by name."""
        return self._catalog.models(GATE)

    def text_detectors(self) -> Sequence[TextDetector]:
        """Those that find text that is burned into images, by name."""
        return self._catalog.models(TEXT_DETECTION)

    def reader(self, name: str) -> Reader:
        """The one of that name. Raises ModelUnknown, or ModelUnavailable with the reason."""
        for task in READERS:
            with suppress(ModelUnknown):
                return self._catalog.named(task, name)
        raise ModelUnknown

    def refused(self) -> Iterator[Refused]:
        """Those that would read images and are refused, as far as their cards can be read."""
        return self._refused(frozenset(task.name for task in READERS))

    def refused_gates(self) -> Iterator[Refused]:
        """Those that would say what an image is and are refused."""
        return self._refused(frozenset({GATE.name}))

    def _refused(self, names: frozenset[str]) -> Iterator[Refused]:
        for entry in self._catalog.entries():
            contract: Any = contract_of(entry.card.serving)
            if entry.served is None and entry.checked.task in names and contract is not None:
                with suppress(ValueError):
                    yield Refused(entry.name, Applicability.declared(contract.applies_to), entry.refusal)
