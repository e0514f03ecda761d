"""Image classification: labels with their probabilities, the labels that cannot be ruled out, and where their
evidence lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from medmesh.common.v1 import serving_pb2 as pb
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.imaging.applicability import Applicability
from services.imaging.heat_map import draw_overlay, heat_maps
from services.imaging.images import DecodedImage, ImageFacts
from services.imaging.preprocessing.geometry import over_image
from services.imaging.tasks import occlusion
from services.imaging.tasks.model import are_numbers, labels_of, preparation_of, tensor_of
from services.imaging.tasks.probabilities import (
    Calibration,
    ConformalSets,
    are_probabilities,
)
from services.imaging.tasks.reading import (
    Blocking,
    Explained,
    Explanation,
    Finding,
    Floats,
    Reading,
    SliceRule,
    Tensor,
)

DEFAULT_KEY_SLICE_COUNT = 3
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """What the graph said of a batch of images."""

    probabilities: Probabilities
    """`[batch, labels]`, calibrated."""
    activation_maps: Floats | None
    """`[batch, labels, rows, columns]`; None: the graph has none."""
    provenance: Provenance


class Classifier:
    """What classification of images and of volumes share: the labels, and what the graph says of them."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        self._model = model
        self._task = task = model.card.serving.image_classification
        self.name = model.name
        self.is_default = model.is_default
        self.applies_to = Applicability.declared(task.applies_to)
        self.labels = labels_of(task.labels)
        self.exclusive = task.exclusive
        normal = [i for i, one in enumerate(self.labels) if one.meaning == pb.LABEL_MEANING_NORMAL]
        self.normal = normal[0] if self.exclusive and normal else None
        """Index of the label that excludes all others and says that nothing is there; None: there is none."""
        names = [label.name for label in self.labels]
        self._calibration = Calibration.declared(task.calibration, names, exclusive=task.exclusive)
        self._conformal = (
            ConformalSets.declared(task.conformal, names) if task.HasField("conformal") else None
        )

    @property
    def max_batch_count(self) -> int:
        """Inputs that `score` takes at once."""
        return self._model.max_batch_count or 1

    def conspicuousness(self, probabilities: Probabilities) -> Probabilities:
        """`[batch, labels]` -> `[batch, findings]`: how much each image shows of what is worth telling; of
        labels that exclude each other as one, that it is not normal.
        """
        if self.normal is not None:
            return 1.0 - probabilities[:, [self.normal]]
        findings = [i for i, label in enumerate(self.labels) if label.is_finding]
        return probabilities[:, findings]

    async def score(self, batch: Tensor) -> Scored:
        """Runs the graph on prepared images `[batch, …]`, at most as many as the server takes at once."""
        inferred = await self._model.infer({self._task.preprocessing.tensor: batch})
        outputs = inferred.outputs
        scores = outputs[self._task.scores_tensor].astype(float)
        if not are_numbers(scores, len(batch), len(self.labels)):
            raise ModelFailed(metadata={"model": self.name})
        probabilities = activated(scores, self._task.activation)
        if not are_probabilities(probabilities):
            raise ModelFailed(f"{self.name}: {self._task.scores_tensor} does not hold probabilities")
        maps = outputs[self._task.activation_map_tensor] if self._task.activation_map_tensor else None
        return Scored(self._calibration(probabilities), maps, inferred.provenance)

    def reading(self, probabilities: Probabilities, provenance: Provenance) -> Reading:
        """What calibrated probabilities `[labels]` say, without explanations."""
        sets, members = self._conformal, None
        if sets is not None:
            members = sets.members(
                {label.name: float(p) for label, p in zip(self.labels, probabilities, strict=True)}
            )
        return Reading(
            provenance,
            self.findings(probabilities),
            exclusive=self.exclusive,
            calibrated=self._task.HasField("calibration"),
            prediction_set=members,
            coverage=0.0 if sets is None else sets.coverage,
        )

    def findings(self, probabilities: Probabilities) -> Sequence[Finding]:
        """One for each label, the most probable first."""
        found = [
            Finding(label, float(p), None if self.exclusive else label.threshold)
            for label, p in zip(self.labels, probabilities, strict=True)
        ]
        return sorted(found, key=lambda finding: -finding.probability)


class ImageClassifier(Classifier):
    """A model of the task `image_classification` (`ImageReader`)."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        super().__init__(model)
        task = self._task
        self.preparation = preparation_of(model.card, task.preprocessing)
        if task.activation_map_tensor:
            maps = tensor_of(model.card.outputs, task.activation_map_tensor)
            if len(maps.shape) != 3 or maps.shape[0] not in {len(self.labels), -1}:
                raise ValueError(f"activation_map_tensor: {maps.name} is not [labels, rows, columns]")
        self.slices = _slice_rule(task.slice_aggregation)
        if self.slices is not None and self.exclusive and self.normal is None:
            raise ValueError("slice_aggregation: labels that exclude each other need a LABEL_MEANING_NORMAL")

    async def read(
        self,
        image: ImageFacts,
        tensor: Tensor,
        blocking: Blocking,
        *,
        heat_map: bool = False,
        drawn_on: DecodedImage | None = None,
    ) -> Reading:
        """See `ImageReader`."""
        scored = await self.score(tensor[np.newaxis])
        reading = self.reading(scored.probabilities[0], scored.provenance)
        if not heat_map and drawn_on is None:
            return reading
        maps, explanation = await self._maps(tensor, scored)
        return await blocking(partial(self._explained, reading, image, maps, explanation, drawn_on))

    async def _maps(self, tensor: Tensor, scored: Scored) -> tuple[Floats, Explanation]:
        """Heat maps `[labels, rows, columns]` over the input, and how they came about."""
        if scored.activation_maps is not None:
            maps = heat_maps(scored.activation_maps[0], exclusive=self.exclusive)
            return maps, Explanation(Explained.BY_ACTIVATION_MAP)
        batches = occlusion.covered(
            tensor,
            channels_first=self._task.preprocessing.layout != pb.ImagePreprocessing.LAYOUT_CHANNELS_LAST,
            batch_size=self.max_batch_count,
        )
        without = np.concatenate([(await self.score(batch)).probabilities for batch in batches])
        maps = occlusion.evidence(scored.probabilities[0], without)
        return maps, Explanation(Explained.BY_OCCLUSION, len(without))

    def _explained(
        self,
        reading: Reading,
        image: ImageFacts,
        maps: Floats,
        explanation: Explanation,
        drawn_on: DecodedImage | None,
    ) -> Reading:
        height, width = image.shape
        seen = self.preparation.seen(height, width)
        over = {
            label.name: over_image(cells, seen, height, width)
            for label, cells in zip(self.labels, maps, strict=True)
        }
        findings = [replace(finding, heat_map=over[finding.label.name]) for finding in reading.findings]
        strongest = next((finding for finding in findings if finding.label.is_finding), None)
        overlay = b""
        if drawn_on is not None and strongest is not None and strongest.heat_map is not None:
            overlay = draw_overlay(self.preparation.shown(drawn_on), strongest.heat_map)
        return replace(reading, findings=findings, explanation=explanation, overlay_png=overlay)


def _slice_rule(declared: pb.SliceAggregation) -> SliceRule | None:
    """Raises ValueError on a method that is not known, and on a mean of less than one slice."""
    if declared.method == pb.SliceAggregation.METHOD_UNSPECIFIED:
        return None
    if declared.method not in {pb.SliceAggregation.METHOD_MAXIMUM, pb.SliceAggregation.METHOD_TOP_MEAN}:
        raise ValueError("slice_aggregation.method: is not known here")
    top_count = declared.top_count if declared.method == pb.SliceAggregation.METHOD_TOP_MEAN else 1
    if top_count < 1:
        raise ValueError("slice_aggregation.top_count: at least one slice counts")
    if not declared.HasField("max_key_slice_count"):
        return SliceRule(top_count, DEFAULT_KEY_SLICE_COUNT)
    if declared.max_key_slice_count < 1:
        raise ValueError("slice_aggregation.max_key_slice_count: at least one slice is named")
    return SliceRule(top_count, declared.max_key_slice_count)
