"""Writes tiny ONNX models with their config.pbtxt, each made to show one behaviour of the server."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

_OPSET = [helper.make_opsetid("", 17)]


def write(
    repository: Path,
    name: str,
    graph: onnx.GraphProto,
    io: str,
    *,
    batch: int = 8,
    instances: int = 1,
    more: str = "",
) -> None:
    """One model folder; `more` is appended to its config.pbtxt."""
    version = repository / name / "1"
    version.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=_OPSET, ir_version=9), version / "model.onnx")
    (repository / name / "config.pbtxt").write_text(
        f'backend: "onnxruntime"\nmax_batch_size: {batch}\n{io}\n'
        f"instance_group [{{ count: {instances} kind: KIND_CPU }}]\n"
        'parameters { key: "intra_op_thread_count" value: { string_value: "1" } }\n' + more
    )


def batching(*, queue: int = 64, timeout_us: int = 5_000_000, delay_us: int = 0, preferred: str = "") -> str:
    """A dynamic_batching stanza whose queue is bounded in length and in time."""
    return (
        f"dynamic_batching {{ max_queue_delay_microseconds: {delay_us} {preferred} default_queue_policy {{ "
        f"timeout_action: REJECT default_timeout_microseconds: {timeout_us} allow_timeout_override: true "
        f"max_queue_size: {queue} }} }}\n"
    )


def _floats(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _ints(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, list(shape))


def _constant(name: str, *values: int) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def arithmetic() -> tuple[onnx.GraphProto, str]:
    """x [4] -> double [4] = 2 x, total [1] = sum of x, batch [1] = how many requests were computed
    together."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["double"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=1),
        helper.make_node("Shape", ["x"], ["shape"], end=1),
        helper.make_node("Cast", ["shape"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["total", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "size"], ["batch"]),
    ]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
    outputs = [_floats("double", "n", 4), _floats("total", "n", 1), _floats("batch", "n", 1)]
    graph = helper.make_graph(
        nodes, "arithmetic", [_floats("x", "n", 4)], outputs, [two, zero, _constant("axis", 1)]
    )
    return graph, (
        'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]\n'
        'output [{ name: "double" data_type: TYPE_FP32 dims: [4] },'
        ' { name: "total" data_type: TYPE_FP32 dims: [1] }, { name: "batch" data_type: TYPE_FP32 dims: [1] }]'
    )


def quantized(channels: int = 8) -> tuple[onnx.GraphProto, str]:
    """x [channels, 1, 1] -> sum [1, 1, 1] of the channels, by a convolution of uint8 with int8 (QDQ)."""
    tensors = [
        helper.make_tensor("in_scale", TensorProto.FLOAT, [], [1 / 255]),
        helper.make_tensor("out_scale", TensorProto.FLOAT, [], [channels / 255]),
        helper.make_tensor("zero", TensorProto.UINT8, [], [0]),
        helper.make_tensor("weights", TensorProto.INT8, [1, channels, 1, 1], [127] * channels),
        helper.make_tensor("weight_scale", TensorProto.FLOAT, [], [1 / 127]),
        helper.make_tensor("weight_zero", TensorProto.INT8, [], [0]),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "in_scale", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "in_scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], ["wq"]),
        helper.make_node("Conv", ["xq", "wq"], ["s"]),
        helper.make_node("QuantizeLinear", ["s", "out_scale", "zero"], ["s8"]),
        helper.make_node("DequantizeLinear", ["s8", "out_scale", "zero"], ["sum"]),
    ]
    x, total = _floats("x", "n", channels, 1, 1), _floats("sum", "n", 1, 1, 1)
    graph = helper.make_graph(nodes, "quantized", [x], [total], tensors)
    return graph, (
        f'input [{{ name: "x" data_type: TYPE_FP32 dims: [{channels}, 1, 1] }}]\n'
        'output [{ name: "sum" data_type: TYPE_FP32 dims: [1, 1, 1] }]'
    )


def lookup() -> tuple[onnx.GraphProto, str]:
    """index [L] -> value [L] from a table of ten rows; an index beyond it fails while computing."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [10], [float(10 * row) for row in range(10)])
    nodes = [helper.make_node("Gather", ["table", "index"], ["value"])]
    graph = helper.make_graph(
        nodes, "lookup", [_ints("index", "n", "length")], [_floats("value", "n", "length")], [table]
    )
    return graph, (
        'input [{ name: "index" data_type: TYPE_INT64 dims: [-1] }]\n'
        'output [{ name: "value" data_type: TYPE_FP32 dims: [-1] }]'
    )


def work() -> tuple[onnx.GraphProto, str]:
    """rounds [1] -> done [1]: multiplies a 256 x 256 matrix so many times, a few milliseconds each ten
    rounds."""
    matrix = helper.make_tensor("matrix", TensorProto.FLOAT, [256, 256], [0.001] * 256 * 256)
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["carried", "matrix"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            _floats("carried", 256, 256),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), _floats("next", 256, 256)],
    )
    nodes = [
        helper.make_node("ReduceMax", ["rounds"], ["most"], keepdims=0),
        helper.make_node("Loop", ["most", "", "matrix"], ["result"], body=body),
        helper.make_node("ReduceMax", ["result"], ["peak"], keepdims=0),
        helper.make_node("Cast", ["rounds"], ["asked"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["peak", "zero"], ["nothing"]),
        helper.make_node("Add", ["asked", "nothing"], ["done"]),
    ]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    graph = helper.make_graph(
        nodes, "work", [_ints("rounds", "n", 1)], [_floats("done", "n", 1)], [matrix, zero]
    )
    return graph, (
        'input [{ name: "rounds" data_type: TYPE_INT64 dims: [1] }]\n'
        'output [{ name: "done" data_type: TYPE_FP32 dims: [1] }]'
    )
