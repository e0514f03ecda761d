"""Small ONNX files, sound and unsound."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_SERVING = {
    "preprocessing_version": "image/1",
    "image_classification": {
        "applies_to": {"body_parts": ["KNEE"]},
        "preprocessing": {
            "tensor": "pixels",
            "steps": [{"grey": {}}, {"resize": {"height_px": 8}}, {"rescale": {"factor": 0.01}}],
        },
        "scores_tensor": "scores",
        "exclusive": True,
        "labels": [{"name": "no"}, {"name": "yes"}],
    },
}
DESCRIBED = {
    "inputs": [{"name": "pixels", "description": "grey levels"}],
    "outputs": [{"name": "scores", "description": "0..1, sum 1"}],
    "serving": _SERVING,
}
"""Of `pictures`: what of its card only a person knows."""


def linear(path, *, batch="batch", names=("features", "scores"), opset=17, dtype=np.float32, domain=""):
    """x [batch, 3] -> softmax(x W) [batch, 2]."""
    weights = np.random.default_rng(0).standard_normal((3, 2)).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inside = helper.make_node("MatMul", [names[0], "weights"], ["product"])
    last = helper.make_node("Softmax", ["product"], [names[1]], axis=1)
    graph = helper.make_graph(
        [inside, last],
        "linear",
        [helper.make_tensor_value_info(names[0], kind, [batch, 3])],
        [helper.make_tensor_value_info(names[1], kind, [batch, "left_open"])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return save(graph, path, opset, domain)


def pictures(path, side=8, names=("pixels", "scores")):
    """pixels FP32 [batch, 1, side, side] -> softmax over two numbers [batch, 2]."""
    weights = np.random.default_rng(0).standard_normal((side * side, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", [names[0]], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Softmax", ["product"], [names[1]], axis=1),
    ]
    inputs, outputs = [_floats(names[0], "n", 1, side, side)], [_floats(names[1], "n", "left_open")]
    weights = [numpy_helper.from_array(weights, "weights")]
    return save(helper.make_graph(nodes, "pictures", inputs, outputs, weights), path)


def centred(path):
    """Each row less the mean of the batch: what one caller gets depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return save(helper.make_graph(nodes, "centred", [_floats("x", "n", 3)], [_floats("y", "n", 3)]), path)


def logarithm(path):
    """Not a number for half of all inputs."""
    nodes = [helper.make_node("Log", ["x"], ["y"])]
    return save(helper.make_graph(nodes, "logarithm", [_floats("x", "n", 3)], [_floats("y", "n", 3)]), path)


def counted(path):
    """tokens INT64 [length] -> doubled [length], total [1]."""
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    nodes = [
        helper.make_node("Cast", ["tokens"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["numbers", "numbers"], ["doubled"]),
        helper.make_node("ReduceSum", ["numbers", "axes"], ["total"], keepdims=1),
    ]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "length"])
    outputs = [_floats("doubled", "n", "l"), _floats("total", "n", "one")]
    return save(helper.make_graph(nodes, "counted", [tokens], outputs, [axes]), path)


def save(graph, path, opset=17, domain=""):
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def _floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
