"""Makes exported ONNX graphs small: weights in int8 or fp16, embedding tables in int8 rows.

Everything stays standard ONNX (opset 17), so that any ONNX Runtime loads it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

IN_INT8_WHERE_IT_CAN = (
    "products in int8 where ONNX Runtime has them for the processor, each row by itself, so that no answer "
    "depends on its batch"
)
"""How int8 weights of MatMul are computed with: ONNX Runtime makes MatMulNBits of them (accuracy level 4)."""
SMALLEST_WEIGHT = 4096
"""Tensors with fewer elements stay as they are: they weigh nothing and may be sensitive."""


def quantize_embedding(model: onnx.ModelProto, table: str) -> None:
    """Store the embedding table `table` [rows, width] as int8 with one scale a row, scaled back after the
    look-up.
    """
    rows, scales = _rounded(_take(model, table), axis=0)
    model.graph.initializer.append(numpy_helper.from_array(rows, f"{table}.int8"))
    model.graph.initializer.append(numpy_helper.from_array(scales, f"{table}.scale"))
    for position, node in enumerate(model.graph.node):
        if node.op_type == "Gather" and node.input[0] == table:
            index, output = node.input[1], node.output[0]
            prefix = f"{table}.look_up"
            nodes = [
                helper.make_node("Gather", [f"{table}.int8", index], [f"{prefix}.row"], f"{prefix}.row"),
                helper.make_node("Gather", [f"{table}.scale", index], [f"{prefix}.scale"], f"{prefix}.scale"),
                helper.make_node("Cast", [f"{prefix}.row"], [f"{prefix}.float"], f"{prefix}.float", to=1),
                helper.make_node("Mul", [f"{prefix}.float", f"{prefix}.scale"], [output], f"{prefix}.value"),
            ]
            del model.graph.node[position]
            for offset, new in enumerate(nodes):
                model.graph.node.insert(position + offset, new)
            return
    raise ValueError(f"no look-up reads {table}")


def store_weights_as_half(model: onnx.ModelProto) -> None:
    """Store large float32 weights as float16 and cast them back; the arithmetic stays float32."""
    for name in _large_weights(model):
        values = _take(model, name)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        model.graph.node.insert(0, helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=1))


def store_weights_as_int8(model: onnx.ModelProto, but: Sequence[str] = ()) -> None:
    """Store the large weights of products, convolutions and GRUs as int8 with one scale an output (QDQ on the
    weights); the graph's arithmetic stays float32.

    Nodes whose name holds one of `but` stay as they are. Activations are left alone on purpose: quantized for
    a whole tensor, they would make an answer depend on whatever else is in its batch. ONNX Runtime may round
    those of a product by itself, row by row (`IN_INT8_WHERE_IT_CAN`).
    """
    large = set(_large_weights(model))
    found = [
        (node.input[position], axis)
        for node in model.graph.node
        for position, axis in _output_axes(node).items()
        if node.input[position] in large and not any(part in node.name for part in but)
    ]
    for name, axis in found:
        stored, scales = _rounded(_take(model, name), axis)
        model.graph.initializer.append(numpy_helper.from_array(stored, f"{name}.int8"))
        model.graph.initializer.append(numpy_helper.from_array(scales.ravel(), f"{name}.scale"))
        inputs = [f"{name}.int8", f"{name}.scale"]
        node = helper.make_node("DequantizeLinear", inputs, [name], f"{name}.dequantize", axis=axis)
        model.graph.node.insert(0, node)


def _output_axes(node: onnx.NodeProto) -> dict[int, int]:
    """Which inputs of a node are weights, and the axis of each that counts outputs."""
    flags = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type == "MatMul":  # [in, out]
        return {1: 1}
    if node.op_type == "Conv":  # [out, in / groups, height, width]
        return {1: 0}
    if node.op_type == "Gemm":  # [in, out], or [out, in] when it is transposed
        return {1: 0 if "transB" in flags and flags["transB"].i else 1}
    if node.op_type == "GRU" and "direction" not in flags:  # [1, 3 x hidden, in], input's and state's
        return {1: 1, 2: 1}
    return {}


def _rounded(
    values: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The values in int8, and the scales that give them back: one for each index of `axis`."""
    others = tuple(other for other in range(values.ndim) if other != axis)
    scales = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-8) / 127.0
    return np.clip(np.round(values / scales), -127, 127).astype(np.int8), scales.astype(np.float32)


def _large_weights(model: onnx.ModelProto) -> list[str]:
    return [
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and int(np.prod(tensor.dims)) >= SMALLEST_WEIGHT
        and not tensor.name.endswith(".scale")
    ]


def _take(model: onnx.ModelProto, name: str) -> npt.NDArray[np.float32]:
    """Remove an initializer from the graph and return its values."""
    for position, tensor in enumerate(model.graph.initializer):
        if tensor.name == name:
            values: npt.NDArray[np.float32] = numpy_helper.to_array(tensor)
            del model.graph.initializer[position]
            return values
    raise ValueError(f"no weight is called {name}")
