"""How an imaging model's input is prepared, as its `serving.txtpb` declares it: the code that serves it
prepares what it is trained on.
"""

from __future__ import annotations

from medmesh.common.v1.model_card_pb2 import TensorContract
from medmesh.common.v1.serving_pb2 import ImagePreprocessing
from services.imaging.preprocessing.declared import Preparation, compiled
from training.model_card import decided_serving


def declared_preprocessing(model: str) -> ImagePreprocessing:
    """The model's steps."""
    serving = decided_serving(model)
    declared: ImagePreprocessing = getattr(serving, str(serving.WhichOneof("task"))).preprocessing
    return declared


def side_px(model: str) -> int:
    """Side of the square that the model takes."""
    (side,) = {
        step.resize.height_px for step in declared_preprocessing(model).steps if step.HasField("resize")
    }
    return side


def preparation(model: str) -> Preparation:
    """What makes the model's input, uint8 `[1, side, side]`, of a decoded image."""
    side = side_px(model)
    contract = TensorContract(name="image", datatype="UINT8", shape=[1, side, side])
    return compiled(declared_preprocessing(model), contract)
