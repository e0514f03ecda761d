"""Models that the project does not ship, as a user's repository might hold them: a second one for the
chest, one for a body part that nothing here knows of, one that draws masks. Each is a convolution or less,
so that its answer can be computed by hand, and is written as a folder: graph, configuration, card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from google.protobuf import json_format, text_format
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ModelServing

SIDE = 56
CHEST_LABELS = ("cardiomegaly", "effusion", "support_devices")
KNEE_LABELS = ("normal", "fracture")
MASK_SIDE = 32
BRIGHT = 150
"""Grey level from which the mask model calls a pixel lung."""

CHEST_FINDINGS = """
preprocessing_version: "image/1"
image_classification {
  applies_to {
    modalities: ["CR", "DX"]
    body_parts: "CHEST"
    views: "FRONTAL"
    age { min_years: 18 }
    gate_kinds: "chest_xray"
  }
  preprocessing {
    tensor: "pixels"
    steps { grey {} }
    steps { resize { height_px: 56 mode: MODE_CENTER_CROP } }
    steps { rescale { factor: 0.00784313725490196 offset: -1 } }
  }
  scores_tensor: "logits"
  activation: ACTIVATION_SIGMOID
  labels { name: "cardiomegaly" meaning: LABEL_MEANING_FINDING threshold: 0.3
           concepts { system: "http://snomed.info/sct" code: "8186001" display: "Cardiomegaly" } }
  labels { name: "effusion" meaning: LABEL_MEANING_FINDING }
  labels { name: "support_devices" meaning: LABEL_MEANING_QUALITY }
}
"""
KNEE_XRAY = """
preprocessing_version: "image/1"
image_classification {
  applies_to { body_parts: "KNEE" }
  preprocessing {
    tensor: "pixel_values"
    layout: LAYOUT_CHANNELS_LAST
    steps { color {} }
    steps { resize { height_px: 56 } }
    steps { rescale { factor: 0.00392156862745098 } }
    steps { normalize { mean: [0.485, 0.456, 0.406] std: [0.229, 0.224, 0.225] } }
  }
  scores_tensor: "logits"
  activation: ACTIVATION_SOFTMAX
  exclusive: true
  labels { name: "normal" meaning: LABEL_MEANING_NORMAL }
  labels { name: "fracture" meaning: LABEL_MEANING_FINDING }
}
"""
LUNG_MASKS = """
preprocessing_version: "image/1"
default_answer: false
image_segmentation {
  applies_to { body_parts: "CHEST" }
  preprocessing {
    tensor: "image"
    steps { grey {} }
    steps { resize { height_px: 32 mode: MODE_LETTERBOX interpolation: INTERPOLATION_NEAREST } }
    steps { rescale { factor: 1 } }
  }
  scores_tensor: "logits"
  activation: ACTIVATION_SOFTMAX
  labels { name: "background" meaning: LABEL_MEANING_NORMAL }
  labels { name: "bright" meaning: LABEL_MEANING_FINDING }
}
"""
INPUTS = {
    "chest_findings": ("pixels", (1, SIDE, SIDE)),
    "knee_xray": ("pixel_values", (SIDE, SIDE, 3)),
    "lung_masks": ("image", (1, MASK_SIDE, MASK_SIDE)),
}
OUTPUTS = {
    "chest_findings": (len(CHEST_LABELS),),
    "knee_xray": (len(KNEE_LABELS),),
    "lung_masks": (2, MASK_SIDE, MASK_SIDE),
}
SERVING = {"chest_findings": CHEST_FINDINGS, "knee_xray": KNEE_XRAY, "lung_masks": LUNG_MASKS}


def chest_kernel() -> NDArray[np.float32]:
    """[labels, 1, side, side]: what each label looks at: the middle, the lower part, all."""
    kernel = np.zeros((3, 1, SIDE, SIDE), np.float32)
    kernel[0, 0, 20:36, 20:36] = 4 / 16**2
    kernel[1, 0, 40:, :] = -3 / (16 * SIDE)
    kernel[2, 0] = 1 / SIDE**2
    return kernel


def knee_kernel() -> NDArray[np.float32]:
    """[labels, 3, side, side]: a fracture is bright in the second row and the sixth column of 7 x 7."""
    kernel = np.zeros((2, 3, SIDE, SIDE), np.float32)
    kernel[1, :, 8:16, 40:48] = 2 / (3 * 8 * 8)
    return kernel


def answers() -> Mapping[str, Callable[[Mapping[str, NDArray]], Mapping[str, NDArray]]]:
    """What the graphs compute, in numpy."""

    def chest(inputs):
        return {"logits": np.tensordot(inputs["pixels"], chest_kernel(), axes=([1, 2, 3], [1, 2, 3]))}

    def knee(inputs):
        image = np.moveaxis(inputs["pixel_values"], -1, 1)
        return {"logits": np.tensordot(image, knee_kernel(), axes=([1, 2, 3], [1, 2, 3]))}

    def masks(inputs):
        image = inputs["image"]
        return {"logits": np.concatenate([image * 0, image - BRIGHT], axis=1).astype(np.float32)}

    return {"chest_findings": chest, "knee_xray": knee, "lung_masks": masks}


def card(name: str, weights_sha256: str = "0" * 64) -> ModelCard:
    """The model's card."""
    tensor, shape = INPUTS[name]
    return ModelCard(
        name=name,
        version="1.0.0",
        summary="A model of a test.",
        intended_use="For tests only.",
        weights_sha256=weights_sha256,
        precision="fp32",
        serving=text_format.Parse(SERVING[name], ModelServing()),
        inputs=[TensorContract(name=tensor, datatype="FP32", shape=shape, description="of a test")],
        outputs=[
            TensorContract(name="logits", datatype="FP32", shape=OUTPUTS[name], description="of a test")
        ],
    )


def write(repository: Path) -> None:
    """The folders of all of them, as Triton and the services read them."""
    for name in SERVING:
        folder = repository / name
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "model.onnx").write_bytes(_graph(name))
        digest = hashlib.sha256((folder / "1" / "model.onnx").read_bytes()).hexdigest()
        tensor, shape = INPUTS[name]
        (folder / "config.pbtxt").write_text(
            f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: 8\n'
            f'input [{{ name: "{tensor}" data_type: TYPE_FP32 dims: {list(shape)} }}]\n'
            f'output [{{ name: "logits" data_type: TYPE_FP32 dims: {list(OUTPUTS[name])} }}]\n'
            "instance_group [{ count: 1 kind: KIND_CPU }]\n"
        )
        text = json_format.MessageToJson(card(name, digest), preserving_proto_field_name=True)
        (folder / "metadata.json").write_text(text)


def _graph(name: str) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tensor, shape = INPUTS[name]
    if name == "lung_masks":
        constants = [numpy_helper.from_array(np.float32(v), k) for k, v in (("zero", 0), ("bright", BRIGHT))]
        nodes = [
            helper.make_node("Mul", [tensor, "zero"], ["background"]),
            helper.make_node("Sub", [tensor, "bright"], ["lung"]),
            helper.make_node("Concat", ["background", "lung"], ["logits"], axis=1),
        ]
    else:
        kernel = chest_kernel() if name == "chest_findings" else knee_kernel()
        constants = [numpy_helper.from_array(kernel, "kernel")]
        turned = helper.make_node("Transpose", [tensor], ["image"], perm=[0, 3, 1, 2])
        nodes = [
            *([turned] if name == "knee_xray" else []),
            helper.make_node("Conv", ["image" if name == "knee_xray" else tensor, "kernel"], ["map"]),
            helper.make_node("Flatten", ["map"], ["logits"]),
        ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", *OUTPUTS[name]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
