"""Finds the patients of a reference population whose records are most alike, by the encoder's representation.

The reference population is a file beside the model (`reference.npz`): representations, names, and the
conditions that the encoder reconstructs from each representation. It holds no record.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.clinical.concepts import Concept
from services.clinical.record import PatientRecord
from services.recommendation.equivalents import Equivalents
from services.recommendation.features import FeatureEncoder

MODEL = "patient_encoder"
REPRESENTATION_SIZE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class ReferencePopulation:
    """Patients to compare with."""

    ids: tuple[str, ...]
    representations: NDArray[np.float32]
    """[n, REPRESENTATION_SIZE], of unit length."""
    conditions: NDArray[np.bool_]
    """[n, conditions of the vocabulary]: those that the encoder reconstructs with a probability of a half or
    more.
    """

    @classmethod
    def load(cls, path: Path) -> ReferencePopulation:
        """Read `reference.npz`."""
        with np.load(path, allow_pickle=False) as content:
            representations = content["representations"].astype(np.float32)
            count = int(content["condition_count"])
            conditions = np.unpackbits(content["conditions"], axis=1, count=count).astype(np.bool_)
            return cls(tuple(content["ids"].tolist()), representations, conditions)

    def save(self, path: Path) -> None:
        """Write `reference.npz`; half precision is enough for a cosine."""
        np.savez_compressed(
            path,
            ids=np.array(self.ids),
            representations=self.representations.astype(np.float16),
            conditions=np.packbits(self.conditions, axis=1),
            condition_count=self.conditions.shape[1],
        )


@dataclasses.dataclass(frozen=True, slots=True)
class SimilarPatient:
    """A reference patient and how alike the records are."""

    reference_id: str
    similarity: float
    """Cosine of the representations."""
    shared_conditions: tuple[Concept, ...]


class SimilarPatients:
    """Searches a reference population."""

    def __init__(
        self,
        inference: Inference,
        encoder: FeatureEncoder,
        population: ReferencePopulation,
        equivalents: Equivalents,
    ) -> None:
        self._inference = inference
        self._encoder = encoder
        self._population = population
        self._equivalents = equivalents

    async def find(self, given: PatientRecord, count: int) -> list[SimilarPatient]:
        """The `count` most alike, the most alike first. Raises what `Inference.infer` raises, and
        ModelFailed.
        """
        record = self._equivalents.translate(given)
        outputs = await self._inference.infer(MODEL, {"features": self._encoder.encode(record)[None]})
        representation = outputs["representation"][0].astype(np.float64)
        length = float(np.linalg.norm(representation))
        if not np.isfinite(length) or length == 0.0:
            raise ModelFailed(f"{MODEL} answered with what is no representation")
        similarities = self._population.representations @ (representation / length)
        concepts = {item.concept.key: item.concept.preferred for item in record.conditions}
        columns = [
            (column, concepts[key])
            for column, key in enumerate(self._encoder.vocabulary.conditions)
            if key in concepts
        ]
        return [
            SimilarPatient(
                self._population.ids[row],
                float(np.clip(similarities[row], -1.0, 1.0)),
                tuple(concept for column, concept in columns if self._population.conditions[row, column]),
            )
            for row in np.argsort(-similarities, kind="stable")[:count]
        ]
