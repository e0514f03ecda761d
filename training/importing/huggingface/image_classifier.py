"""Image classification: `pixel_values` -> `logits` of each label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor, nn

from services.imaging.preprocessing import VOCABULARY
from training.importing.config import IMAGES, Traffic
from training.importing.graph import Arrays
from training.importing.huggingface.checkpoint import Checkpoint
from training.importing.huggingface.image_processor import prepared
from training.importing.huggingface.text import LABELS
from training.importing.huggingface.text_classifier import activation
from training.importing.labels import labels
from training.importing.paths import Facts

BATCH = MappingProxyType({0: "batch"})
TASK = "serving.image_classification"
APPLIES_TO: Mapping[str, str] = MappingProxyType(
    {
        f"{TASK}.applies_to.modalities": "Which DICOM modalities does it read, e.g. DX, CR (any: all)?",
        f"{TASK}.applies_to.body_parts": "Which body parts, in DICOM's terms, e.g. CHEST (any: all)?",
    }
)


class ImageClassifier(Checkpoint):
    """A checkpoint with an image classification head (`training.importing.source.Source`)."""

    output = "logits"
    axes = MappingProxyType({"pixel_values": BATCH, "logits": BATCH})
    traffic: Traffic = IMAGES
    files: Mapping[str, bytes] = MappingProxyType({})

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForImageClassification

        super().__init__(folder)
        model = self.load(AutoModelForImageClassification)
        self.check_label_count(model)
        self.network = _Logits(model)
        channels = int(getattr(model.config, "num_channels", 3))
        steps = prepared(folder, channels)
        self._shape = (channels, steps.height_px, steps.width_px)
        names = self.label_names()
        readme = self.said_in_readme()
        self.questions = {**APPLIES_TO, **({} if names else {f"{TASK}.labels": LABELS})}
        self.known: Facts = {
            **({"licence": readme["licence"]} if "licence" in readme else {}),
            "architecture": self.architecture(),
            "calibration": "Not calibrated: what the activation makes of the logits.",
            "serving": {
                "preprocessing_version": VOCABULARY,
                "image_classification": {
                    "extent": "IMAGE_EXTENT_IMAGE",
                    "preprocessing": {
                        "tensor": "pixel_values",
                        "steps": steps.steps,
                        "layout": "LAYOUT_CHANNELS_FIRST",
                    },
                    "scores_tensor": self.output,
                    **activation(model.config),
                    **({"labels": labels(names)} if names else {}),
                },
            },
            "inputs": [{"name": "pixel_values", "description": "The image as the card's steps leave it."}],
            "outputs": [{"name": "logits", "description": "Of each label, any number."}],
        }

    def examples(self) -> list[Arrays]:
        """See `Source`."""
        rng = np.random.default_rng(0)
        return [
            {"pixel_values": rng.standard_normal((rows, *self._shape)).astype(np.float32)} for rows in (1, 3)
        ]


class _Logits(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """FP32 [batch, channels, height, width] -> FP32 [batch, labels]."""
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits
