"""Writes each model's `configs/tensorrt.pbtxt`: `python -m services.local.triton.tensorrt`.

It is the model's `config.pbtxt` on a GPU, with ONNX Runtime's TensorRT accelerator in fp16. Triton takes it
with `--model-config-name=tensorrt`. Engines are built at the first start, which takes minutes, and kept in
ENGINE_CACHE. Where TensorRT lacks an operator, ONNX Runtime computes that part on the GPU by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from services.local.triton.repository import onnxruntime_models
from tools.bootstrap import ROOT

ENGINE_CACHE = "/var/cache/tensorrt"
"""In NVIDIA's container; compose.yaml mounts a volume there."""

_ACCELERATOR = f"""
optimization {{ execution_accelerators {{ gpu_execution_accelerator : [ {{
  name: "tensorrt"
  parameters {{ key: "precision_mode" value: "FP16" }}
  parameters {{ key: "max_workspace_size_bytes" value: "1073741824" }}
  parameters {{ key: "trt_engine_cache_enable" value: "1" }}
  parameters {{ key: "trt_engine_cache_path" value: "{ENGINE_CACHE}" }}
}} ] }} }}
"""

_TOGETHER = """# Only requests of the same length share a batch, so waiting for company pays little.
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 500
"""


def tensorrt_config(text: str) -> str:
    """The text of `config.pbtxt`, changed for a GPU: what is said of CPU instances and threads goes, and
    requests that run one by one on a core run together.

    Raises ValueError where the text has no line `instance_group [ … KIND_CPU … ]` to change.
    """
    text = re.sub(r"^parameters \{ key: \"(intra|inter|session)[^\n]*\n", "", text, flags=re.MULTILINE)
    text = re.sub(
        r"(?:^#[^\n]*\n)*^dynamic_batching \{\n  preferred_batch_size: \[ 1 \]\n",
        _TOGETHER,
        text,
        flags=re.MULTILINE,
    )
    gpu = "instance_group [ { count: 1 kind: KIND_GPU } ]"
    text, found = re.subn(
        r"(?:^#[^\n]*\n)*^instance_group \[[^\n]*KIND_CPU[^\n]*\]$", gpu, text, flags=re.MULTILINE
    )
    if found != 1:
        raise ValueError("the configuration has no instance_group of kind KIND_CPU on one line")
    head = "# Made from config.pbtxt by `python -m services.local.triton.tensorrt`; not edited by hand.\n"
    return head + text.rstrip() + "\n" + _ACCELERATOR


def write_all(repository: Path) -> list[Path]:
    """Writes the file of every model in `repository` and returns their paths."""
    written = []
    for name in onnxruntime_models(repository):
        config = repository / name / "config.pbtxt"
        target = config.parent / "configs" / "tensorrt.pbtxt"
        target.parent.mkdir(exist_ok=True)
        target.write_text(tensorrt_config(config.read_text(encoding="utf-8")), encoding="utf-8")
        written.append(target)
    return written


if __name__ == "__main__":
    for path in write_all(ROOT / "triton_repo"):
        print(path.relative_to(ROOT))  # noqa: T201 - it is a command
