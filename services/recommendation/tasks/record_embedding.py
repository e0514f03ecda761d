"""The task `record_embedding`: the patients of a reference population whose records are most alike, by a
model's representation.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.serving_pb2 import RecordEmbedding
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.clinical.record import PatientRecord, Reference
from services.recommendation.equivalents import Equivalents
from services.recommendation.reference_population import ReferencePopulation
from services.recommendation.tasks.model import shape_of
from services.recommendation.tasks.records import encoder_of


@dataclasses.dataclass(frozen=True, slots=True)
class SimilarPatient:
    """A reference patient and how alike the records are."""

    reference_id: str
    similarity: float
    """Cosine of the representations."""
    shared_conditions: tuple[Reference, ...]
    """Under the codes that the model uses."""


class RecordEmbedder:
    """Searches the reference population of one model.

    ValueError, which begins with the field, where the card or a file does not hold; FileNotFoundError.
    """

    def __init__(self, model: ServedModel, equivalents: Equivalents) -> None:
        self._model = model
        self._task: RecordEmbedding = model.contract
        task = self._task
        self._encoder = encoder_of(model, task.preprocessing)
        self._equivalents = equivalents
        try:
            self._population = ReferencePopulation.load(model.folder / task.reference_file)
        except (KeyError, ValueError) as error:
            raise ValueError(f"reference_file: {error}") from error
        width = shape_of(model.card.outputs, task.embedding_tensor, "embedding_tensor")
        if self._population.representations.shape[1:] != width:
            raise ValueError("reference_file: its points have another width than the embedding")
        if self._population.conditions.shape[1] != len(self._encoder.vocabulary.conditions):
            raise ValueError("reference_file: its conditions are not those of the vocabulary")

    async def find(self, given: PatientRecord, count: int) -> tuple[list[SimilarPatient], Provenance]:
        """The `count` most alike, the most alike first, and which model encoded the record.

        Raises what `ServedModel.infer` raises, and ModelFailed where it answers with what is no
        representation.
        """
        record = self._equivalents.translate(given)
        features = {self._task.preprocessing.tensor: self._encoder.encode(record)[None]}
        inferred = await self._model.infer(features)
        representation = inferred.outputs[self._task.embedding_tensor][0].astype(np.float64)
        length = float(np.linalg.norm(representation))
        if not np.isfinite(length) or length == 0.0:
            raise ModelFailed(f"{self._model.name} did not answer with an embedding")
        similarities = self._population.representations @ (representation / length)
        entries = {item.concept.key: Reference.to(item) for item in record.conditions}
        columns = [
            (column, entries[key])
            for column, key in enumerate(self._encoder.vocabulary.conditions)
            if key in entries
        ]
        patients = [
            SimilarPatient(
                self._population.ids[row],
                float(np.clip(similarities[row], -1.0, 1.0)),
                tuple(entry for column, entry in columns if self._population.conditions[row, column]),
            )
            for row in np.argsort(-similarities, kind="stable")[:count]
        ]
        return patients, inferred.provenance
