"""What kinds of model the imaging service serves; each is one module, and a card's `serving.task` picks it.

    model            what every task reads of a card
    reading          what a model that reads images finds, and how it is asked
    classification   labels with their probabilities
    segmentation     a mask for each label
    gate             what an image is, and whether it is fit to be read
    probabilities    a graph's numbers -> calibrated probabilities
    occlusion        where evidence lies, where the graph does not say it

Adding a task is adding a module and one line below.
"""

from __future__ import annotations

from services.chassis.models.served import Task
from services.imaging.tasks.classification import ImageClassifier
from services.imaging.tasks.gate import ImageGate
from services.imaging.tasks.reading import ImageReader
from services.imaging.tasks.segmentation import ImageSegmenter

READERS: tuple[Task[ImageReader], ...] = (
    Task("image_classification", ImageClassifier),
    Task("image_segmentation", ImageSegmenter),
)
"""Those that read images (`reading.ImageReader`)."""
GATE = Task("image_gate", ImageGate)
