"""torch to ONNX: one graph with named tensors and free axes, in memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import onnx
import torch
from torch import Tensor, nn

from training.importing import Refused

OPSET = 17
Axes = Mapping[str, Mapping[int, str]]
"""Names of the free axes of each tensor."""


def to_onnx(module: nn.Module, example: Sequence[Tensor], output: str, axes: Axes) -> onnx.ModelProto:
    """Exports `module`, which takes the tensors of `axes` but `output`, in order, and gives that one.

    Raises Refused where torch cannot export it.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch's older exporter, which keeps names and axes, says at each call that it is old, that it traces
        # constants, and that it would get negative indices wrong: the parity on several sizes shows that.
        for kind in (DeprecationWarning, FutureWarning, torch.jit.TracerWarning):
            warnings.simplefilter("ignore", kind)
        warnings.filterwarnings("ignore", "Exporting aten::index", UserWarning)
        try:
            torch.onnx.export(
                module.eval(),
                tuple(example),
                buffer,
                input_names=[name for name in axes if name != output],
                output_names=[output],
                dynamic_axes={name: dict(free) for name, free in axes.items()},
                opset_version=OPSET,
                dynamo=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise Refused(f"torch cannot export the network: {str(error).splitlines()[0]}") from error
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model
