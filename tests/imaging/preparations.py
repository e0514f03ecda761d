"""Preparations from steps as a card has them, in protobuf's text form."""

from __future__ import annotations

from google.protobuf import text_format

from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import ImagePreprocessing
from services.imaging.preprocessing.declared import Preparation, compiled

STRETCHED = "steps { grey {} } steps { resize { height_px: 224 } }"
BRAIN = "steps { window { center_hu: 40 width_hu: 80 } } steps { resize { height_px: 160 } }"


def prepared(steps: str, datatype: str, *shape: int) -> Preparation:
    """The preparation of `steps`, for an input tensor of this type and shape."""
    declared = text_format.Parse(f'tensor: "image" {steps}', ImagePreprocessing())
    return compiled(declared, TensorContract(name="image", datatype=datatype, shape=shape))
