"""Image segmentation: where each label is, as a mask of the image's own size, with its area."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from medmesh.common.v1 import serving_pb2 as pb
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.imaging.applicability import Applicability
from services.imaging.heat_map import draw_masks
from services.imaging.images import DecodedImage, ImageFacts
from services.imaging.preprocessing.geometry import mask_over_image
from services.imaging.tasks.model import Label, are_numbers, labels_of, preparation_of, tensor_of
from services.imaging.tasks.probabilities import are_probabilities
from services.imaging.tasks.reading import Blocking, Mask, Reading, SliceRule, Tensor

Bits = npt.NDArray[np.bool_]


class ImageSegmenter:
    """A model of the task `image_segmentation` (`ImageReader`)."""

    slices: SliceRule | None = None

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        self._model = model
        self._task = task = model.card.serving.image_segmentation
        self.name = model.name
        self.is_default = model.is_default
        self.applies_to = Applicability.declared(task.applies_to)
        self.preparation = preparation_of(model.card, task.preprocessing)
        self.labels = labels_of(task.labels)
        scores = tensor_of(model.card.outputs, task.scores_tensor)
        if len(scores.shape) != 3 or scores.shape[0] not in {len(self.labels), -1}:
            raise ValueError(f"scores_tensor: {scores.name} is not [labels, height, width]")

    async def read(
        self,
        image: ImageFacts,
        tensor: Tensor,
        blocking: Blocking,
        *,
        heat_map: bool = False,  # noqa: ARG002 - the masks say where
        drawn_on: DecodedImage | None = None,
    ) -> Reading:
        """See `ImageReader`. Heat maps are not made: the masks say where."""
        inferred = await self._model.infer({self.preparation.tensor: tensor[np.newaxis]})
        scores = inferred.outputs[self._task.scores_tensor]
        if not are_numbers(scores, 1, len(self.labels), -1, -1):
            raise ModelFailed(metadata={"model": self.name})
        return await blocking(partial(self._reading, image, scores[0], inferred.provenance, drawn_on))

    def _reading(
        self, image: ImageFacts, scores: Tensor, provenance: Provenance, drawn_on: DecodedImage | None
    ) -> Reading:
        height, width = image.shape
        seen = self.preparation.seen(height, width)
        masks, drawn = [], []
        for label, bits in zip(self.labels, self._bits(scores), strict=True):
            if label.meaning == pb.LABEL_MEANING_NORMAL:  # the background
                continue
            over = mask_over_image(bits, seen, height, width)
            count = int(over.sum())
            spacing = image.spacing_mm
            area = None if spacing is None else count * spacing[0] * spacing[1]
            masks.append(Mask(label, png_of(over), count, area))
            drawn.append(over)
        overlay = b"" if drawn_on is None else draw_masks(self.preparation.shown(drawn_on), drawn)
        return Reading(provenance, masks=masks, overlay_png=overlay)

    def _bits(self, scores: Tensor) -> Bits:
        return label_bits(scores, self.labels, self._task.activation, self.name)


def label_bits(scores: Tensor, labels: Sequence[Label], activation: pb.Activation, model_name: str) -> Bits:
    """Where each label is: scores `[labels, …]` -> bool `[labels, …]`. Raises ModelFailed."""
    axes = (len(labels), *[1] * (scores.ndim - 1))
    if activation == pb.ACTIVATION_SOFTMAX:
        return np.asarray(scores.argmax(axis=0) == np.arange(len(labels)).reshape(axes))
    probabilities = activated(scores.astype(float), activation, axis=0)
    if not are_probabilities(probabilities):
        raise ModelFailed(f"{model_name}: the scores are not probabilities")
    return np.asarray(probabilities >= np.array([label.threshold for label in labels]).reshape(axes))


def png_of(bits: Bits) -> bytes:
    """A mask `[height, width]` as a PNG of one bit a pixel."""
    out = io.BytesIO()
    Image.fromarray(bits).save(out, format="PNG")
    return out.getvalue()
