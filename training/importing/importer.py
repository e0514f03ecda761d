"""One import: facts, export, checks, parity, folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models.checks import sha256
from services.local.models import check
from services.local.triton.tensorrt import tensorrt_config
from training.importing import Refused, facts, graph
from training.importing.config import config_text
from training.importing.folder import check_free, new_folder
from training.importing.graph import Graph, GraphTensor
from training.importing.paths import Facts
from training.importing.source import Source
from training.model_card import write_card

LARGEST_DIFFERENCE = 1e-4
"""Between an output and the source's, absolute, or of the output's largest value where that is above 1."""


@dataclass(frozen=True)
class Order:
    """What is to be imported, and where to."""

    name: str
    repository: Path
    given: Facts
    origin: Path
    command: str
    """How the user called it, for the card."""
    force: bool = False


def run(
    order: Order,
    source: Source,
    say: Callable[[str], object],
    ask: Callable[[str], str] | None = None,
) -> ModelCard:
    """Imports the model and returns its card; Refused where something is missing or differs.

    The facts are complete before anything is exported, and the repository changes only at the very end.
    """
    check_free(order.repository, order.name, force=order.force)
    said = facts.complete(source.known, order.given, source.tensors, ask, source.questions)
    with new_folder(order.repository, order.name, force=order.force) as folder:
        weights = folder / "1" / "model.onnx"
        weights.parent.mkdir()
        source.export(weights)
        found = graph.inspect(weights)
        check_parity(source, weights, say)
        digest = sha256(weights)
        card = facts.card_of(_measured(order, said, found, digest))
        text = config_text(order.name, found, source.traffic)
        config = folder / "config.pbtxt"
        config.write_text(text, encoding="utf-8")
        for name, content in source.files.items():
            (folder / name).write_bytes(content)
        write_card(card, folder.parent)
        (folder / "configs").mkdir()
        tensorrt = tensorrt_config(config.read_text(encoding="utf-8"))
        (folder / "configs" / "tensorrt.pbtxt").write_text(tensorrt, encoding="utf-8")
        check_served(folder)
        size = weights.stat().st_size / 1e6
    say(f"wrote {order.repository / order.name} ({size:.1f} MB, {found.precision}, sha256 {digest[:12]}…)")
    return card


def check_parity(source: Source, weights: Path, say: Callable[[str], object]) -> None:
    """Raises Refused where the ONNX file and the source differ on random inputs by more than the bound."""
    run_onnx, runtime = graph.runner(weights)
    worst: dict[str, tuple[float, float]] = {}
    for inputs in source.examples():
        ours, theirs = run_onnx(inputs), source.reference(inputs)
        for name, expected in theirs.items():
            if ours[name].shape != expected.shape:
                raise Refused(f"{name} has shape {ours[name].shape}, the source gives {expected.shape}")
            values = expected.astype(np.float64)
            difference = float(np.abs(ours[name] - values).max())
            bound = LARGEST_DIFFERENCE * max(1.0, float(np.abs(values).max()))
            if difference / bound >= worst.get(name, (-1.0, 1.0))[0] / worst.get(name, (-1.0, 1.0))[1]:
                worst[name] = difference, bound
    for name, (difference, bound) in worst.items():
        say(f"parity of {name}: largest difference {difference:.2e}, allowed {bound:.2e} ({runtime})")
    wrong = [name for name, (difference, bound) in worst.items() if not difference <= bound]
    if wrong:
        raise Refused(f"the exported {', '.join(wrong)} are not what the source computes")


def check_served(folder: Path) -> None:
    """Raises Refused where the service of its task would not serve the model, with every reason."""
    [checked] = check([folder])
    if checked.problems:
        lines = "\n".join(f"  {problem}" for problem in checked.problems)
        raise Refused(f"no service would serve it:\n{lines}")


def _measured(order: Order, said: Facts, found: Graph, digest: str) -> Facts:
    """What was said, with what only the file and the import can say; Refused where the two disagree."""
    version = said.get("version", "1.0.0")
    measured: Facts = {
        "name": order.name,
        "version": version,
        "weights_sha256": digest,
        "inputs": _contracts(said, "inputs", found.inputs),
        "outputs": _contracts(said, "outputs", found.outputs),
    }
    for field in ("name", "weights_sha256"):
        if said.get(field, measured[field]) != measured[field]:
            raise Refused(f"the given {field} is {said[field]}, but that of this import is {measured[field]}")
    if not str(said.get("precision", found.precision)).startswith(found.precision):
        raise Refused(f"the given precision is {said['precision']}, but the weights are {found.precision}")
    origin = f" (sha256 {sha256(order.origin)})" if order.origin.is_file() else ""
    proposed = {
        "precision": f"{found.precision}; no other form of it was made",
        "reproduce": f"{order.command}{origin}",
        "changelog": [{"version": version, "description": f"Imported from {order.origin.name}."}],
    }
    return {**proposed, **said, **measured}


def _contracts(said: Facts, kind: str, tensors: tuple[GraphTensor, ...]) -> list[Mapping[str, object]]:
    given = {entry["name"]: entry for entry in said[kind]}
    unknown = sorted(set(given) - {tensor.name for tensor in tensors})
    if unknown:
        raise Refused(f"the facts describe {kind} that the model has not: {', '.join(unknown)}")
    contracts: list[Mapping[str, object]] = []
    for tensor in tensors:
        entry = given[tensor.name]
        shape = [str(axis) for axis in tensor.shape]
        if (
            entry.get("datatype", tensor.datatype) != tensor.datatype
            or [str(axis) for axis in entry.get("shape", shape)] != shape
        ):
            raise Refused(f"{tensor.name} is {tensor.datatype} {list(tensor.shape)}, not what the facts say")
        contracts.append(
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": shape,
                "description": entry["description"],
            }
        )
    return contracts
