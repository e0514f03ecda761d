"""The weights of a bundle: ONNX or TorchScript, which are graphs; run as they came, and as the graph that is
served.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from training.importing import Refused
from training.importing.graph import rename
from training.importing.monai_bundle.bundle import Bundle
from training.importing.torch_export import to_onnx

ONNX, TORCHSCRIPT = "models/model.onnx", "models/model.ts"
TENSOR, SCORES = "image", "scores"
"""Names of the input and of the output in the graph that is served."""


def network_of(bundle: Bundle) -> Network:
    """ONNX where there is any. Raises Refused where the bundle holds a state dict alone."""
    content = bundle.read(ONNX)
    if content is not None:
        return OnnxNetwork(content)
    content = bundle.read(TORCHSCRIPT)
    if content is None:
        raise Refused(
            f"the bundle has neither {ONNX} nor {TORCHSCRIPT}. A state dict needs the code of its network; "
            "make a graph of it: `python -m monai.bundle onnx_export` or `ckpt_export`"
        )
    return ScriptNetwork(content)


class Network:
    """The bundle's weights as they came."""

    def __call__(self, image: Any) -> Any:
        """float32 `[batch, channels, …]` on the bundle's axes -> its answer."""
        raise NotImplementedError

    def exported(self, example: Any, *, is_mask: bool, free: bool) -> onnx.ModelProto:
        """As a graph of `image` and `scores`."""
        raise NotImplementedError


class OnnxNetwork(Network):
    """Weights in ONNX."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        try:
            self._model = onnx.load_from_string(content)
            self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        except Exception as error:  # the parser's and the runtime's own
            raise Refused(f"{ONNX} cannot be read ({type(error).__name__})") from error
        self._names = (
            [i.name for i in self._session.get_inputs()],
            [o.name for o in self._session.get_outputs()],
        )
        if any(len(names) != 1 for names in self._names):
            raise Refused(f"{ONNX} has several inputs or outputs")

    def __call__(self, image: Any) -> Any:
        return self._session.run(None, {self._names[0][0]: image})[0]

    def exported(self, example: Any, *, is_mask: bool, free: bool) -> onnx.ModelProto:  # noqa: ARG002 - it has its axes
        """As it came, with the names that the card has."""
        old = (self._names[0][0], self._names[1][0])
        names = {name: new for name, new in zip(old, (TENSOR, SCORES), strict=True) if name != new}
        rename(self._model, names)
        return self._model


class ScriptNetwork(Network):
    """Weights in TorchScript."""

    def __init__(self, content: bytes) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of TorchScript itself
                self._module = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
        except RuntimeError as error:
            raise Refused(f"{TORCHSCRIPT} is no TorchScript") from error

    def __call__(self, image: Any) -> Any:
        with torch.inference_mode():
            return _alone(self._module(torch.from_numpy(image))).numpy()

    def exported(self, example: Any, *, is_mask: bool, free: bool) -> onnx.ModelProto:
        """See `Network`."""
        axes = {0: "batch", **({n: f"side{n}" for n in range(2, example.ndim)} if free else {})}
        of_tensors = {TENSOR: axes, SCORES: axes if is_mask else {0: "batch"}}
        return to_onnx(_Wrapped(self._module), [torch.from_numpy(example)], SCORES, of_tensors)


class _Wrapped(nn.Module):
    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        return _alone(self.module(image))


def _alone(answer: Any) -> Tensor:
    """The answer of a network that may wrap it in a list. Raises Refused where it gives several."""
    if isinstance(answer, list | tuple):
        if len(answer) != 1:
            raise Refused(f"the network gives {len(answer)} answers, and a card has one")
        answer = answer[0]
    found: Tensor = answer
    return found


def swap_planes(model: onnx.ModelProto) -> None:
    """Gives the graph rows and columns where it has the axes x, y, and its masks likewise."""
    graph = model.graph
    for value, is_input in ((graph.input[0], True), (graph.output[0], False)):
        dims = value.type.tensor_type.shape.dim
        if len(dims) != 4:
            continue
        inner = f"{value.name}_x_y"
        for node in graph.node:
            names = node.input if is_input else node.output
            names[:] = [inner if name == value.name else name for name in names]
        edge = (value.name, inner) if is_input else (inner, value.name)
        node = helper.make_node("Transpose", [edge[0]], [edge[1]], perm=[0, 1, 3, 2])
        graph.node.insert(0 if is_input else len(graph.node), node)
        rows, columns = dims[3], dims[2]
        swapped = [type(rows).FromString(side.SerializeToString()) for side in (rows, columns)]
        dims[2].CopyFrom(swapped[0])
        dims[3].CopyFrom(swapped[1])
