"""torch to ONNX for networks over token ids: named tensors, free batch and length, one file."""

from __future__ import annotations

import io

import onnx
import torch
from torch import nn

OPSET = 17


def to_onnx(network: nn.Module, output: str, output_axes: dict[int, str]) -> onnx.ModelProto:
    """Export a network of `input_ids`, `attention_mask` (INT64 [batch, tokens]) with one output."""
    network.eval()
    ids = torch.randint(1000, 2000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    tokens = {0: "batch", 1: "tokens"}
    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (ids, mask),
        buffer,
        input_names=["input_ids", "attention_mask"],
        output_names=[output],
        dynamic_axes={"input_ids": tokens, "attention_mask": tokens, output: output_axes},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model
