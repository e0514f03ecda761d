"""Text detection: where text is burned into an image, cell by cell of a tile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.imaging.deidentification.burned_in import Probabilities
from services.imaging.grey import Grey
from services.imaging.images import DecodedImage, FileFormat
from services.imaging.tasks.model import are_numbers, preparation_of, tensor_of
from services.imaging.tasks.probabilities import are_probabilities

DEFAULT_BATCH_COUNT = 8


class TextDetector:
    """A model of the task `text_detection`."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        self._model = model
        self._task = task = model.card.serving.text_detection
        self.name = model.name
        self.is_default = model.is_default
        self.preparation = preparation_of(model.card, task.preprocessing)
        self.min_probability = task.min_probability
        shape = tensor_of(model.card.inputs, task.preprocessing.tensor).shape
        sides = {side for side in shape if side not in {1, 3}}
        if len(sides) != 1 or min(sides) <= 0:
            raise ValueError("preprocessing.tensor: is not a square tile")
        self.side_px = int(sides.pop())
        if len(tensor_of(model.card.outputs, task.scores_tensor).shape) != 2:
            raise ValueError(f"scores_tensor: {task.scores_tensor} is not [rows, columns]")
        if not 0 < task.min_probability < 1:
            raise ValueError("min_probability: is not a probability between 0 and 1")
        self.batch_count = model.max_batch_count or DEFAULT_BATCH_COUNT

    async def detect(self, tiles: Sequence[Grey]) -> tuple[Probabilities, Provenance]:
        """Probabilities `[tiles, rows, columns]` of at most `batch_count` tiles `[side_px, side_px]`.

        Raises ModelFailed, and what the inference seam raises.
        """
        prepared = [self.preparation(DecodedImage(file_format=FileFormat.PNG, grey=tile)) for tile in tiles]
        inferred = await self._model.infer({self.preparation.tensor: np.stack(prepared)})
        scores = inferred.outputs[self._task.scores_tensor]
        if not are_numbers(scores, len(tiles), -1, -1) or not are_probabilities(scores):
            raise ModelFailed(metadata={"model": self.name})
        return scores, inferred.provenance
