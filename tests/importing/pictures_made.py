"""Image classification checkpoints of the real architectures with random weights, and their processors."""

from __future__ import annotations

import json

import torch
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

LABELS = ("normal", "pneumonia", "Pleural effusion")
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CONVOLUTIONS = {"hidden_sizes": [8, 16], "depths": [1, 1]}
FAMILIES = {
    "vit": (
        ViTConfig,
        ViTForImageClassification,
        {
            "image_size": 32,
            "patch_size": 8,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        },
        {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": 32, "width": 32},
            "resample": 2,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        },
    ),
    "convnext": (
        ConvNextConfig,
        ConvNextForImageClassification,
        {**CONVOLUTIONS, "num_stages": 2},
        {
            "image_processor_type": "ConvNextImageProcessor",
            "size": {"shortest_edge": 32},
            "crop_pct": 0.875,
            "resample": 3,
            **IMAGENET,
        },
    ),
    "resnet": (
        ResNetConfig,
        ResNetForImageClassification,
        {**CONVOLUTIONS, "embedding_size": 8, "layer_type": "basic"},
        {
            "image_processor_type": "BitImageProcessor",
            "size": {"shortest_edge": 40},
            "crop_size": {"height": 32, "width": 32},
            "do_center_crop": True,
            "resample": 3,
            **IMAGENET,
        },
    ),
}


def classifier(folder, family="vit", processor=None, **changes):
    """A checkpoint of one family; `processor` changes its `preprocessor_config.json`."""
    config, kind, sizes, prepared = FAMILIES[family]
    numbered = dict(enumerate(LABELS))
    names = {label: number for number, label in numbered.items()}
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    kind(config(**{**sizes, "id2label": numbered, "label2id": names, **changes})).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({**prepared, **(processor or {})}))
    return folder
