"""Complete model folders for the tests of the catalog: a multiplier in ONNX, its configuration, its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

CONFIG = """
backend: "onnxruntime"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] } ]
dynamic_batching { default_queue_policy { allow_timeout_override: true max_queue_size: 64 } }
instance_group [ { count: 1 kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
"""


def write_weights(path: Path, factor: float = 2.0) -> str:
    """y = factor * x, both FP32 [batch, n]; returns the file's digest."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "n"]) for name in ("x", "y"))
    by = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "g", [x], [y], [by])
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_mapped_multiplier(repository: Path, name: str, factor: float) -> Path:
    """A model whose factor lies in a file beside the graph, which ONNX Runtime maps. Returns that file."""
    folder = write_multiplier(repository, name, factor)
    weights = folder / "1" / "model.onnx"
    graph = onnx.load(weights)
    (tensor,) = graph.graph.initializer
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))  # as bytes
    onnx.save(graph, weights, save_as_external_data=True, location="factor", size_threshold=0)
    mapped = weights.with_name("factor")
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (weights, mapped)}

    def state(card: Any) -> None:
        card["weights_sha256"] = digests[weights]
        card["serving"]["files"] = [{"path": "1/factor", "sha256": digests[mapped]}]

    edit(folder / "metadata.json", state)
    return mapped


def card(name: str, digest: str, version: int = 1, release: str = "1.0.0") -> dict[str, Any]:
    """The card of a multiplier, as it stands in `metadata.json`."""
    return {
        "name": name,
        "version": release,
        "summary": "Multiplies.",
        "intended_use": "For tests only.",
        "weights_sha256": digest,
        "model_version": version,
        "serving": {
            "preprocessing_version": "record/1",
            "record_embedding": {"preprocessing": {"tensor": "x"}, "embedding_tensor": "y"},
        },
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }


def write_multiplier(
    repository: Path, name: str, factor: float = 2.0, version: int = 1, **fields: Any
) -> Path:
    """A model folder whose card describes `version`; `fields` go into the card. Returns the folder."""
    folder = repository / name
    digest = write_weights(folder / str(version) / "model.onnx", factor)
    (folder / "config.pbtxt").write_text(CONFIG)
    write_json(folder / "metadata.json", card(name, digest, version, f"{version}.0.0") | fields)
    return folder


def add_version(folder: Path, version: int, factor: float, **aliases: Any) -> None:
    """A further version with a card of its own; with `aliases`, `aliases.json` too."""
    digest = write_weights(folder / str(version) / "model.onnx", factor)
    write_json(folder / str(version) / "metadata.json", card(folder.name, digest, version, f"{version}.0.0"))
    if aliases:
        write_json(folder / "aliases.json", aliases)


def flip(path: Path) -> None:
    """One bit in the middle of the file, in place."""
    with path.open("r+b") as file:
        content = file.read()
        file.seek(len(content) // 2)
        file.write(bytes([content[len(content) // 2] ^ 1]))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Changes a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2))
