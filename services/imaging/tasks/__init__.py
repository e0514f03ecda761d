"""What kinds of model the imaging service serves; each is one module, and a card's `serving.task` picks it.

    model            what every task reads of a card
    reading          what a model that reads images finds, and how it is asked
    classification   labels with their probabilities
    segmentation     a mask for each label
    volumes          both of volumes
    gate             what an image is, and whether it is fit to be read
    text_detection   where text is burned in
    probabilities    a graph's numbers -> calibrated probabilities
    occlusion        where evidence lies, where the graph does not say it

Adding a task is adding a module and one line below.
"""

from __future__ import annotations

from medmesh.common.v1.serving_pb2 import IMAGE_EXTENT_VOLUME
from services.chassis.models.served import ServedModel, Task
from services.imaging.tasks.classification import ImageClassifier
from services.imaging.tasks.gate import ImageGate
from services.imaging.tasks.reading import ImageReader, VolumeReader
from services.imaging.tasks.segmentation import ImageSegmenter
from services.imaging.tasks.text_detection import TextDetector
from services.imaging.tasks.volumes import VolumeClassifier, VolumeSegmenter

Reader = ImageReader | VolumeReader


def _classifier(model: ServedModel) -> Reader:
    extent = model.card.serving.image_classification.extent
    return VolumeClassifier(model) if extent == IMAGE_EXTENT_VOLUME else ImageClassifier(model)


def _segmenter(model: ServedModel) -> Reader:
    extent = model.card.serving.image_segmentation.extent
    return VolumeSegmenter(model) if extent == IMAGE_EXTENT_VOLUME else ImageSegmenter(model)


READERS: tuple[Task[Reader], ...] = (
    Task("image_classification", _classifier),
    Task("image_segmentation", _segmenter),
)
"""Those that read images or volumes (`reading`)."""
GATE = Task("image_gate", ImageGate)
TEXT_DETECTION = Task("text_detection", TextDetector)
