"""Exported models of text run in this process, as the language service runs them on Triton."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime

from services.chassis.errors import ModelUnavailable
from services.chassis.models.inference import Answer, Arrays, ModelVersion, Verification
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import ModelFolder
from services.chassis.models.served import ServedModel
from services.language.linking import Linker
from services.language.note_entities import EntityReader
from services.language.note_reading import NoteReader
from services.language.recovery import Terms
from services.language.tasks.token_classification import TokenClassifier
from training.model_card import MODEL_REPOSITORY
from training.onnx_runtime import session

if TYPE_CHECKING:
    from services.language.entities import Entity


class OnnxInference:
    """One exported model on one thread; see `services.chassis.models.inference.Inference`."""

    def __init__(self, weights: Path) -> None:
        self._session = session(weights)
        self._outputs = [output.name for output in self._session.get_outputs()]

    async def infer(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0
    ) -> Answer:
        del timeout_s, priority  # nobody waits
        found = dict(zip(self._outputs, self._session.run(self._outputs, dict(inputs)), strict=True))
        runtime = f"onnxruntime {onnxruntime.__version__}"
        return Answer(found, str(model.number), Verification.DIGESTED, runtime)

    async def stream(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Answer]:
        """The one answer there is."""
        yield await self.infer(model, inputs, timeout_s=timeout_s)

    async def is_ready(self, model: ModelVersion) -> bool:  # noqa: ARG002 - there is one
        return True

    async def load(self, versions: Sequence[ModelVersion]) -> None:
        """There is nothing to load."""

    async def unload(self, model: ModelVersion, kept: Sequence[ModelVersion]) -> None:
        """There is nothing to unload."""

    async def drop(self, model: ModelVersion) -> None:
        """There is nothing to load anew."""


def exported_model(folder: Path) -> ServedModel:
    """The model in `folder`; ModelUnavailable where its card does not hold."""
    checked = inspect(ModelFolder(folder.name, folder))
    if checked.stable is None:
        raise ModelUnavailable(" ".join(map(str, checked.problems)))
    return ServedModel(checked.stable, OnnxInference(folder / str(checked.stable.runs.number) / "model.onnx"))


class ExportedAnnotator:
    """AnalyzeNote's whole path on an exported tagger, without Triton."""

    def __init__(self, folder: Path = MODEL_REPOSITORY / "clinical_ner") -> None:
        self._tagger = TokenClassifier(exported_model(folder))
        self._reader = NoteReader(EntityReader(Linker(), Terms()))

    async def annotate(self, note: str) -> Sequence[Entity]:
        """The entities of `note`, in order."""
        return (await self._reader.read(note, [self._tagger])).results[0].entities
