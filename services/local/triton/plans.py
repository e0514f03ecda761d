"""Builds TensorRT plans in NVIDIA's container: `python -m services.local.triton.plans [MODEL ...]`.

A plan fits one TensorRT release and one kind of GPU, so it is built where it is served and never
committed. Each model gets `1/model.plan` and `configs/plan.pbtxt`; Triton takes them with
`--model-config-name=plan`. The ONNX file stays beside it: its digest is what the card and every answer name.
`--print` only shows the commands.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.local.triton.repository import onnxruntime_models
from services.local.triton.tensorrt import tensorrt_config
from tools.bootstrap import ROOT

IMAGE = "nvcr.io/nvidia/tensorrt:{release}-py3"
LENGTHS = (16, 128, 256)
"""Least, usual and greatest number of tokens: the services pad to 16 … 256."""

QUANTIZES = re.compile(rb"(?<!Dynamic)QuantizeLinear")
"""In an ONNX file: an operator that rounds activations to fixed ranges."""

_INPUTS = re.compile(r"^input \[(.*?)^output \[", re.MULTILINE | re.DOTALL)
_TENSOR = re.compile(r'name: "(\w+)"\s+data_type: \w+\s+dims: \[([-\d, ]+)\]')


@dataclass(frozen=True)
class Shapes:
    """What a plan is optimised for: `name:1x3x4,…` of the smallest, the usual and the largest batch."""

    least: str
    usual: str
    greatest: str


def shapes(config: str) -> Shapes:
    """The shapes that `config.pbtxt` allows. Raises ValueError where it names no inputs or no batch size."""
    batch = re.search(r"^max_batch_size: (\d+)", config, re.MULTILINE)
    inputs = _INPUTS.search(config)
    if batch is None or inputs is None:
        raise ValueError("the configuration has no max_batch_size, or no inputs")
    tensors = [(name, [int(d) for d in dims.split(",")]) for name, dims in _TENSOR.findall(inputs.group(1))]
    most = int(batch.group(1))

    def form(rows: int, length: int) -> str:
        return ",".join(
            f"{name}:{'x'.join(str(length if d == -1 else d) for d in (rows, *dims))}"
            for name, dims in tensors
        )

    return Shapes(*(form(rows, n) for rows, n in zip((1, most, most), LENGTHS, strict=True)))


def plan_config(config: str) -> str:
    """The text of `config.pbtxt` for the plan: Triton's TensorRT backend on a GPU."""
    text = tensorrt_config(config).partition("\noptimization {")[0]
    text = text.replace("services.local.triton.tensorrt", "services.local.triton.plans")
    return (
        text.replace('backend: "onnxruntime"', 'backend: "tensorrt"\ndefault_model_filename: "model.plan"')
        + "\n"
    )


def command(folder: Path, release: str) -> list[str]:
    """How trtexec is called for one model: fp16, and int8 where the graph itself quantizes (QDQ).

    Without such nodes `--int8` would take ranges out of the air.
    """
    of = shapes((folder / "config.pbtxt").read_text(encoding="utf-8"))
    quantized = QUANTIZES.search((folder / "1" / "model.onnx").read_bytes()) is not None
    owner = f"{os.getuid()}:{os.getgid()}"
    return [
        *("docker", "run", "--rm", "--gpus=all", f"--user={owner}", "--volume", f"{folder.resolve()}:/model"),
        IMAGE.format(release=release),
        *("trtexec", "--onnx=/model/1/model.onnx", "--saveEngine=/model/1/model.plan", "--fp16"),
        *(("--int8",) if quantized else ()),
        *(f"--minShapes={of.least}", f"--optShapes={of.usual}", f"--maxShapes={of.greatest}"),
    ]


def main(arguments: Sequence[str]) -> int:
    """Builds the plans of the named models, or of all; the exit code of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--repository", type=Path, default=ROOT / "triton_repo")
    parser.add_argument(
        "--release", default="26.07", help="of NVIDIA's containers; that of the Triton that serves"
    )
    parser.add_argument("--print", action="store_true", help="show the commands, run nothing")
    parsed = parser.parse_args(arguments)
    for name in parsed.models or onnxruntime_models(parsed.repository):
        folder = parsed.repository / name
        words = command(folder, parsed.release)
        print(shlex.join(words), flush=True)  # noqa: T201 - it is a command
        if parsed.print:
            continue
        code = subprocess.run(words, check=False).returncode
        if code:
            return code
        config = (folder / "config.pbtxt").read_text(encoding="utf-8")
        (folder / "configs" / "plan.pbtxt").write_text(plan_config(config), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
