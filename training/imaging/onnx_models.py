"""Image networks as ONNX: both precisions of one, and running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from training.onnx_runtime import PRECISIONS, milliseconds, session

OPSET = 17
QUANTIZED = ("Conv", "Add", "Relu", "Clip")
"""What runs in int8. The standardisation before and the head behind stay in fp32: they cost nothing and
decide much."""


def export_fp32(network: nn.Module, outputs: Sequence[str], side_px: int, path: Path) -> None:
    """Writes `network` (uint8 `image` `[batch, 1, side, side]` in, `outputs` out) with a free batch axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network.eval(),
        (torch.zeros(2, 1, side_px, side_px, dtype=torch.uint8),),
        str(path),
        input_names=["image"],
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in ("image", *outputs)},
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(str(path))


class _Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._batches = iter(np.array_split(images, max(len(images) // 8, 1)))

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch[:, np.newaxis]}


def quantize_int8(
    source: Path, target: Path, images: npt.NDArray[np.uint8], keep: Sequence[str] = ("head",)
) -> None:
    """Static int8 quantization, QDQ, weights per channel, ranges from `images` uint8 `[n, side, side]`.

    Nodes whose name contains one of `keep` stay in fp32.
    """
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    graph = onnx.load(str(prepared)).graph
    kept = [node.name for node in graph.node if any(part in node.name for part in keep)]
    first = next(i for i, node in enumerate(graph.node) if node.op_type == "Conv")
    kept += [node.name for node in graph.node[:first]]
    quantize_static(
        str(prepared),
        str(target),
        _Images(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(QUANTIZED),
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        nodes_to_exclude=kept,
    )
    prepared.unlink()
    onnx.checker.check_model(str(target))


def image_session(model: Path) -> ort.InferenceSession:
    """A session that computes int8 alike on every processor, as the image models' config.pbtxt has it."""
    return session(model, {"session.x64quantprecision": "1"})


def run(
    model: ort.InferenceSession, images: npt.NDArray[np.uint8], output: str, batch: int = 16
) -> npt.NDArray[np.float64]:
    """One output over uint8 `[n, side, side]`, as float64."""
    parts = [
        model.run([output], {"image": images[i : i + batch, np.newaxis]})[0]
        for i in range(0, len(images), batch)
    ]
    return np.concatenate(parts).astype(np.float64)


def check_parity(network: nn.Module, model: ort.InferenceSession, images: npt.NDArray[np.uint8]) -> None:
    """Exits unless the graph gives the network's probabilities within 1e-3, on uint8 `[n, side, side]`."""
    with torch.inference_mode():
        outputs = network(torch.from_numpy(images).unsqueeze(1))
    expected = (outputs if isinstance(outputs, torch.Tensor) else outputs[1]).numpy()
    difference = float(np.abs(expected - run(model, images, "probabilities")).max())
    print(f"largest difference between torch and ONNX probabilities: {difference:.2e}")
    if difference > 1e-3:
        raise SystemExit("the exported graph does not compute what the network computes")


LARGEST_LOSS = 0.005
"""Of the figure that decides, on images that calibrate: int8 that loses more is not served."""
SMALLEST_GAIN = 2.5
"""Times as fast: int8 that gains less is not worth a second rounding of the weights."""


@dataclass(frozen=True)
class Forms:
    """One network in both precisions: ONNX files, sessions on them, processor milliseconds an image."""

    files: Mapping[str, Path]
    sessions: Mapping[str, ort.InferenceSession]
    milliseconds: Mapping[str, float]

    @classmethod
    def export(
        cls,
        network: nn.Module,
        outputs: Sequence[str],
        ranges: npt.NDArray[np.uint8],
        others: npt.NDArray[np.uint8],
        work: Path,
    ) -> Forms:
        """Writes `fp32.onnx` and `int8.onnx` into `work`.

        `ranges` uint8 `[n, side, side]` give the ranges of the int8 activations; on `others` the fp32 file
        is compared with `network` (it exits when they differ) and both are timed.
        """
        files = {name: work / f"{name}.onnx" for name in PRECISIONS}
        export_fp32(network, outputs, ranges.shape[-1], files["fp32"])
        quantize_int8(files["fp32"], files["int8"], ranges)
        sessions = {name: image_session(path) for name, path in files.items()}
        check_parity(network, sessions["fp32"], others[:32])
        few = others[:4, np.newaxis]
        calls = [partial(model.run, None, {"image": few}) for model in sessions.values()]
        times = [time / len(few) for time in milliseconds(calls, rounds=15)]
        return cls(files, sessions, dict(zip(PRECISIONS, times, strict=True)))

    def chosen(self, wanted: str, loss: float) -> str:
        """`wanted`, or for `auto` the one to serve, when int8 loses `loss` of the figure that decides."""
        print(f"{self.speed()}; int8 loses {loss:.4f}")
        if wanted != "auto":
            return wanted
        gain = self.milliseconds["fp32"] / self.milliseconds["int8"]
        return "int8" if loss <= LARGEST_LOSS and gain >= SMALLEST_GAIN else "fp32"

    @staticmethod
    def other(chosen: str) -> str:
        return PRECISIONS[1 - PRECISIONS.index(chosen)]

    def speed(self) -> str:
        """For the card."""
        slow, fast = self.milliseconds["fp32"], self.milliseconds["int8"]
        return (
            f"{slow:.2g} ms an image in fp32 and {fast:.2g} ms in int8 ({slow / fast:.1f} times as fast) on "
            "one core with AVX-512 VNNI"
        )
