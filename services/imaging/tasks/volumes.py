"""Classification and segmentation of volumes: a series goes to the model as one box of Hounsfield units."""

from __future__ import annotations

from functools import partial

import numpy as np

from medmesh.common.v1 import serving_pb2 as pb
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.imaging.applicability import Applicability
from services.imaging.preprocessing.declared import VolumePreparation
from services.imaging.series.volume import PAIRS, Volume
from services.imaging.tasks.classification import Classifier
from services.imaging.tasks.model import are_numbers, labels_of, tensor_of, volume_preparation_of
from services.imaging.tasks.reading import Blocking, Mask, Reading, Tensor, VolumeReader
from services.imaging.tasks.segmentation import Bits, label_bits, png_of

MM3_PER_ML = 1000.0


class VolumeClassifier(Classifier, VolumeReader):
    """A model of the task `image_classification` with the extent of a volume."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        super().__init__(model)
        if self._task.HasField("slice_aggregation"):
            raise ValueError("slice_aggregation: a volume is read whole")
        self._preparation = volume_preparation_of(model.card, self._task.preprocessing)

    async def read_volume(self, volume: Volume, blocking: Blocking) -> Reading:
        """See `VolumeReader`. Heat maps are not made."""
        _, tensor = await blocking(partial(_prepared, self._preparation, volume))
        scored = await self.score(tensor[np.newaxis])
        return self.reading(scored.probabilities[0], scored.provenance)


class VolumeSegmenter(VolumeReader):
    """A model of the task `image_segmentation` with the extent of a volume."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        self._model = model
        self._task = task = model.card.serving.image_segmentation
        self.name = model.name
        self.is_default = model.is_default
        self.applies_to = Applicability.declared(task.applies_to)
        self.labels = labels_of(task.labels)
        self._preparation = volume_preparation_of(model.card, task.preprocessing)
        scores = tensor_of(model.card.outputs, task.scores_tensor)
        if len(scores.shape) != 4 or scores.shape[0] not in {len(self.labels), -1}:
            raise ValueError(f"scores_tensor: {scores.name} is not [labels, depth, height, width]")

    async def read_volume(self, volume: Volume, blocking: Blocking) -> Reading:
        """See `VolumeReader`: the masks in the volume's own voxels."""
        gridded, tensor = await blocking(partial(_prepared, self._preparation, volume))
        inferred = await self._model.infer({self._task.preprocessing.tensor: tensor[np.newaxis]})
        scores = inferred.outputs[self._task.scores_tensor]
        if not are_numbers(scores, 1, len(self.labels), -1, -1, -1):
            raise ModelFailed(metadata={"model": self.name})
        return await blocking(partial(self._reading, volume, gridded, scores[0], inferred.provenance))

    def _reading(self, volume: Volume, gridded: Volume, scores: Tensor, provenance: Provenance) -> Reading:
        masks = []
        slices = _SlicesOf(volume, gridded, self._preparation, scores.shape[1:])
        bits = label_bits(scores, self.labels, self._task.activation, self.name)
        for label, of_label in zip(self.labels, bits, strict=True):
            if label.meaning == pb.LABEL_MEANING_NORMAL:  # the background
                continue
            counts = np.array([slices.mask(of_label, index).sum() for index in range(len(slices))])
            most = int(counts.argmax())
            masks.append(
                Mask(
                    label,
                    png_of(slices.mask(of_label, most)),
                    int(counts.sum()),
                    volume_ml=float((counts * slices.voxel_mm3).sum()) / MM3_PER_ML,
                    slice_index=most,
                )
            )
        return Reading(provenance, masks=masks)


def _prepared(preparation: VolumePreparation, volume: Volume) -> tuple[Volume, Tensor]:
    gridded = preparation.on_grid(volume)
    return gridded, preparation(gridded)


class _SlicesOf:
    """Where the cells of a model's output lie in the slices of a volume; by the nearest cell."""

    def __init__(
        self, volume: Volume, gridded: Volume, preparation: VolumePreparation, cells: tuple[int, ...]
    ) -> None:
        """`cells`: of the output, along the axes of `gridded`."""
        self.voxel_mm3 = np.gradient(volume.positions_mm[0]) * np.prod(
            [positions[1] - positions[0] for positions in volume.positions_mm[1:]]
        )
        """`[slices]`: of a voxel in each; distances of slices may be uneven."""
        self._order = [_axis_in(gridded.axes, axis, volume.axes) for axis in range(3)]
        seen = preparation.seen(gridded)
        self._cells, self._inside = [], []
        for axis, source in enumerate(self._order):
            positions = volume.positions_mm[axis]
            if volume.axes and volume.axes[axis] != gridded.axes[source]:
                positions = positions[-1] - positions
            of_grid = gridded.positions_mm[source]
            start, end = seen[source]
            voxels = np.interp(positions, of_grid, np.arange(len(of_grid))) + 0.5
            share = (voxels - start) / (end - start)
            self._cells.append((share * cells[source]).astype(int).clip(0, cells[source] - 1))
            self._inside.append((share >= 0) & (share < 1))

    def __len__(self) -> int:
        return len(self._cells[0])

    def mask(self, bits: Bits, index: int) -> Bits:
        """A label's cells -> bool `[height, width]` in slice `index`; outside of the input nothing."""
        plane = bits.transpose(self._order)[self._cells[0][index]]
        inside = self._inside[0][index] & self._inside[1][:, np.newaxis] & self._inside[2]
        return np.asarray(plane[self._cells[1]][:, self._cells[2]] & inside)


def _axis_in(axes: str, axis: int, of: str) -> int:
    """Which of `axes` lies along axis number `axis` of `of`; the same one where the volume is oblique."""
    if not of:
        return axis
    pair = next(pair for pair in PAIRS if of[axis] in pair)
    return next(index for index, letter in enumerate(axes) if letter in pair)
