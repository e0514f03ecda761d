"""The network as an ONNX graph with a cache, one for prompt and further tokens, in fp32 or with int8 weights.

Names and form are those of Hugging Face's `text-generation-with-past`:

    input_ids                           INT64 [batch, length]          tokens that are not in the cache yet
    attention_mask                      INT64 [batch, past + length]   0 at padding, on the left alone
    position_ids                        INT64 [batch, length]          place of each token in its own text
    past_key_values.<layer>.key, .value FP32  [batch, heads, past, head width]
    logits                              FP32  [batch, 1, vocabulary]   of what follows the last token
    present.<layer>.key, .value         FP32  [batch, heads, past + length, head width]
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from training.onnx_export import OPSET
from training.report_writer.network import Writer

SMALLEST = 4096
"""Matrices of fewer numbers stay as they are."""


class _WithCache(nn.Module):
    """The network with its cache as flat inputs and outputs."""

    def __init__(self, network: Writer) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        pairs = [(past[at], past[at + 1]) for at in range(0, len(past), 2)]
        hidden, cache = self.network(ids, mask, positions, pairs)
        return (self.network.logits(hidden[:, -1:]), *(part for pair in cache for part in pair))


def to_onnx(network: Writer) -> onnx.ModelProto:
    """Export in fp32."""
    shape = network.shape
    batch, length, past = 2, 3, 4
    ids = torch.randint(4, shape.vocabulary, (batch, length))
    mask = torch.ones((batch, past + length), dtype=torch.int64)
    positions = torch.arange(past, past + length).expand(batch, -1)
    cache = [torch.randn(batch, shape.heads, past, shape.head_width) for _ in range(2 * shape.layers)]
    names = [f"{layer}.{part}" for layer in range(shape.layers) for part in ("key", "value")]
    axes: dict[str, dict[int, str]] = {
        "input_ids": {0: "batch", 1: "length"},
        "attention_mask": {0: "batch", 1: "total"},
        "position_ids": {0: "batch", 1: "length"},
        "logits": {0: "batch"},
    }
    axes |= {f"past_key_values.{name}": {0: "batch", 2: "past"} for name in names}
    axes |= {f"present.{name}": {0: "batch", 2: "total"} for name in names}
    buffer = io.BytesIO()
    torch.onnx.export(
        _WithCache(network).eval(),
        (ids, mask, positions, *cache),
        buffer,
        input_names=["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{n}" for n in names)],
        output_names=["logits", *(f"present.{name}" for name in names)],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model


def with_int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its matrices as int8 and a scale for each output, scaled back where they are used.

    The graph's arithmetic stays fp32; what ONNX Runtime computes in int8 of it (MatMulNBits) does not
    saturate on processors without VNNI, as a product of int8 in the graph would.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    kept, added, nodes = [], [], []
    gathered = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.ndim != 2 or values.size < SMALLEST:
            kept.append(weight)
            continue
        # A word table has a row a word; what MatMul takes has a column an output.
        axis = 0 if weight.name in gathered else 1
        scale = np.abs(values).max(axis=1 - axis).astype(np.float32) / 127
        scale[scale == 0] = 1
        shaped = scale[:, None] if axis == 0 else scale[None, :]
        quantized = np.clip(np.rint(values / shaped), -127, 127).astype(np.int8)
        added += [
            numpy_helper.from_array(quantized, f"{weight.name}.int8"),
            numpy_helper.from_array(scale, f"{weight.name}.scale"),
            helper.make_tensor(f"{weight.name}.zero", TensorProto.INT8, [len(scale)], [0] * len(scale)),
        ]
        nodes.append(
            helper.make_node(
                "DequantizeLinear",
                [f"{weight.name}.int8", f"{weight.name}.scale", f"{weight.name}.zero"],
                [weight.name],
                name=f"{weight.name}.scaled_back",
                axis=axis,
            )
        )
    del graph.initializer[:]
    graph.initializer.extend([*kept, *added])
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])
    onnx.checker.check_model(result)
    return result


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write the graph, in one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, str(path))
