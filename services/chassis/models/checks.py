"""Whether a card agrees with itself, with its folder, with `config.pbtxt`, with the graph and with the
weights.

Each check returns all that it finds, so that whoever makes a folder sees everything at once.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from medmesh.common.v1 import serving_pb2
from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ModelServing
from services.chassis.models import tasks
from services.chassis.models.card import Problem
from services.chassis.models.evidence import check_evidence
from services.chassis.models.inference import DATATYPES
from services.chassis.models.onnx_graph import GraphTensor, NotAnOnnxFile, read_graph
from services.chassis.models.repository import CONFIG
from services.chassis.models.triton_config import Configuration, ConfiguredTensor, read_configuration

EXPORT_AGAIN = "export the model again, or correct the folder"


def check_card(card: ModelCard, name: str) -> list[Problem]:
    """What the card alone shows; `name` is that of its folder."""
    found = list(_general(card, name))
    serving = card.serving
    if not card.HasField("serving") or not tasks.task_of(serving):
        remedy = f"add one of {', '.join(tasks.PREPROCESSING)}"
        return [*found, Problem("serving", "names no task", remedy)]
    expected = tasks.PREPROCESSING[tasks.task_of(serving)]
    if serving.preprocessing_version != expected:
        stated = serving.preprocessing_version or "nothing"
        found.append(
            Problem(
                "serving.preprocessing_version",
                f"is {stated}, and this release implements {expected}",
                "use the release that fits, or write the steps anew",
            )
        )
    found += [*_tensors(card), *_labels(card), *_thresholds(serving), *check_evidence(card)]
    return found


def check_files(card: ModelCard, folder: Path) -> list[Problem]:
    """The files beside the weights: those that the task names are there, and all have the digests stated."""
    found = []
    stated = {file.path: (index, file.sha256) for index, file in enumerate(card.serving.files)}
    for named in tasks.files_of(card.serving):
        path = folder / named.value
        if not _is_inside(folder, path):
            found.append(
                Problem(named.field, "leads out of the folder", "name a file within the model's folder")
            )
        elif not path.is_file():
            found.append(Problem(named.field, f"names {named.value}, which is not there", "add the file"))
        elif named.value not in stated:
            entry = f'{{"path": "{named.value}", "sha256": "{sha256(path)}"}}'
            found.append(Problem("serving.files", f"does not list {named.value}", f"add {entry}"))
    for name, (index, digest) in stated.items():
        path = folder / name
        if not _is_inside(folder, path) or not path.is_file():
            found.append(
                Problem(f"serving.files[{index}]", f"names {name}, which is not there", "add the file")
            )
        elif sha256(path) != digest:
            found.append(
                Problem(f"serving.files[{index}].sha256", f"is not the digest of {name}", EXPORT_AGAIN)
            )
    return found


def check_config(card: ModelCard, path: Path) -> tuple[Configuration | None, list[Problem]]:
    """`config.pbtxt` against the card."""
    try:
        config = read_configuration(path.read_text(encoding="utf-8"))
    except ValueError:
        return None, [Problem(CONFIG, "is not a Triton model configuration", "correct it")]
    found = []
    if config.name not in {"", card.name}:
        found.append(Problem(CONFIG, "names another model", f'write name: "{card.name}", or leave it out'))
    for kind, declared, configured in (
        ("inputs", card.inputs, config.inputs),
        ("outputs", card.outputs, config.outputs),
    ):
        found += _compare_config(kind, declared, configured, config.max_batch_count)
    if config.is_decoupled != tasks.streams(card.serving):
        found.append(
            Problem(
                f"{CONFIG}: model_transaction_policy.decoupled",
                "is true of models that generate text, and of them alone",
                "correct it, or name the task that it is",
            )
        )
    number = card.model_version or 1
    if config.digests.get(number, card.weights_sha256) != card.weights_sha256:
        found.append(
            Problem(CONFIG, f"states another digest of version {number} than the card", EXPORT_AGAIN)
        )
    return config, found


def check_weights(card: ModelCard, weights: Path, config: Configuration | None) -> list[Problem]:
    """The weights' digest, and the graph that they hold where they are an ONNX file whose tensors are the
    model's.
    """
    found = []
    if sha256(weights) != card.weights_sha256:
        found.append(
            Problem(
                "weights_sha256", f"is not the digest of {weights.parent.name}/{weights.name}", EXPORT_AGAIN
            )
        )
    if weights.suffix != ".onnx" or (config is not None and not config.runs_graph):
        return found
    batches = (
        config is None or config.max_batch_count > 0
    )  # else the card's shapes have the graph's first axis
    try:
        graph = read_graph(weights)
    except NotAnOnnxFile as error:
        return [
            *found,
            Problem(f"{weights.parent.name}/{weights.name}", f"cannot be read: {error}", EXPORT_AGAIN),
        ]
    for kind, declared, tensors in (
        ("inputs", card.inputs, graph.inputs),
        ("outputs", card.outputs, graph.outputs),
    ):
        found += _compare_graph(kind, declared, tensors, whole=kind == "inputs", batches=batches)
    stated = {file.path for file in card.serving.files}
    for name in graph.external_files:
        path = f"{weights.parent.name}/{name}"
        if path not in stated and name not in stated:
            found.append(Problem("serving.files", f"does not list {path}, which holds weights", "add it"))
    return found


def sha256(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_inside(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _general(card: ModelCard, name: str) -> Iterator[Problem]:
    if card.name != name:
        yield Problem("name", "is not the name of the folder", f"write {name}, or rename the folder")
    if not card.version:
        yield Problem("version", "is not set", "give the model a semantic version, e.g. 1.0.0")
    elif card.changelog and card.changelog[0].version != card.version:
        yield Problem(
            "changelog", "does not begin with the card's version", f"add what {card.version} changed"
        )
    if not card.intended_use:
        yield Problem("intended_use", "is not set", "say what the model may and may not be used for")
    if len(card.weights_sha256) != 64 or set(card.weights_sha256) - set("0123456789abcdef"):
        yield Problem("weights_sha256", "is not a SHA-256", "write 64 lower-case hexadecimal digits")
    for field, declared in (("inputs", card.inputs), ("outputs", card.outputs)):
        if not declared:
            yield Problem(field, "is empty", f"list the model's {field}")
        for index, tensor in enumerate(declared):
            if tensor.datatype not in DATATYPES:
                known = ", ".join(DATATYPES)
                yield Problem(f"{field}[{index}].datatype", "is not served here", f"use one of {known}")


def _tensors(card: ModelCard) -> Iterator[Problem]:
    inputs, outputs = tasks.tensors_of(card.serving)
    for named, declared, kind in ((inputs, card.inputs, "inputs"), (outputs, card.outputs, "outputs")):
        names = [tensor.name for tensor in declared]
        for one in named:
            if one.value not in names:
                yield Problem(
                    one.field,
                    f"names {one.value}, which is not among the card's {kind}",
                    f"use one of {', '.join(names) or 'those that config.pbtxt has'}",
                )
    filled = {tensor.value for tensor in inputs}
    for index, tensor in enumerate(card.inputs):
        if tensor.name not in filled:
            yield Problem(
                f"inputs[{index}]",
                f"is {tensor.name}, which the task does not fill",
                "name it in the task's preprocessing, or fold it into the graph",
            )


def _labels(card: ModelCard) -> Iterator[Problem]:
    field, names = tasks.labels_of(card.serving)
    if not field:
        if hasattr(tasks.contract_of(card.serving), "labels"):
            yield Problem(f"serving.{tasks.task_of(card.serving)}.labels", "is empty", "list the labels")
        return
    for name, count in Counter(names).items():
        if count > 1 or not name:
            yield Problem(
                field, f"has the name {name or '(none)'} {count} times", "give each a name of its own"
            )
    shapes = {tensor.name: tuple(tensor.shape) for tensor in card.outputs}
    for output in tasks.labelled_outputs(card.serving):
        shape = shapes.get(output.tensor)
        if shape is None:
            continue  # reported already
        places = shape[output.axis] if shape else 1
        if places not in {-1, len(names)}:
            yield Problem(
                field,
                f"has {len(names)} names, and {output.tensor} has a place for {places}",
                "name every place of the output, in order",
            )


def _thresholds(serving: ModelServing) -> Iterator[Problem]:
    task = tasks.task_of(serving)
    contract: Any = tasks.contract_of(serving)
    path = f"serving.{task}"
    _, names = tasks.labels_of(serving)
    if task == "token_classification":
        names = [kind.label for kind in serving.token_classification.entity_types]
        yield from _tags(serving.token_classification, path)
    if task == "time_series_risk":
        names = [serving.time_series_risk.outcome.name, serving.time_series_risk.opposite.name]
    yield from _exclusive(contract, path)
    for index, curve in enumerate(contract.calibration.curves if _has(contract, "calibration") else ()):
        where = f"{path}.calibration.curves[{index}]"
        if curve.label and curve.label not in names:
            yield Problem(f"{where}.label", "is not a label of the model", f"use one of {', '.join(names)}")
        if (
            curve.rise < 0
            or curve.fall < 0
            or not all(map(math.isfinite, (curve.rise, curve.fall, curve.offset)))
        ):
            yield Problem(where, "makes a probable label less probable", "fit it with slopes of 0 or more")
        elif curve.rise == curve.fall == 0:
            yield Problem(where, "gives every input the same probability", "fit it with a slope above 0")
    if _has(contract, "conformal"):
        yield from _conformal(contract.conformal, names, f"{path}.conformal")
    for index, item in enumerate(getattr(contract, "labels", ())):
        if not isinstance(item, str) and item.HasField("threshold") and not 0 <= item.threshold <= 1:
            yield Problem(
                f"{path}.labels[{index}].threshold", "is not a probability", "write a number from 0 to 1"
            )


def _conformal(conformal: serving_pb2.Conformal, names: list[str], path: str) -> Iterator[Problem]:
    if not 0 < conformal.coverage < 1:
        yield Problem(f"{path}.coverage", "is not a share", "write a number between 0 and 1, e.g. 0.9")
    covered = {threshold.label for threshold in conformal.thresholds}
    for index, threshold in enumerate(conformal.thresholds):
        where = f"{path}.thresholds[{index}]"
        if threshold.label and threshold.label not in names:
            yield Problem(f"{where}.label", "is not a label of the model", f"use one of {', '.join(names)}")
        if not 0 <= threshold.max_improbability <= 1:
            yield Problem(f"{where}.max_improbability", "is not a probability", "write a number from 0 to 1")
    missing = [name for name in names if name not in covered]
    if missing and "" not in covered:
        yield Problem(
            f"{path}.thresholds", f"has none for {', '.join(missing)}", "add one, or one for all labels"
        )


def _exclusive(contract: Any, path: str) -> Iterator[Problem]:
    exclusive, activation = getattr(contract, "exclusive", None), getattr(contract, "activation", None)
    if exclusive is None:
        return
    if exclusive and activation == serving_pb2.ACTIVATION_SIGMOID:
        yield Problem(
            f"{path}.exclusive", "does not go with a sigmoid for each label", "use ACTIVATION_SOFTMAX"
        )
    if not exclusive and activation == serving_pb2.ACTIVATION_SOFTMAX:
        yield Problem(f"{path}.exclusive", "is false of labels that share a softmax", "write true")
    normal = [item for item in contract.labels if item.meaning == serving_pb2.LABEL_MEANING_NORMAL]
    if len(normal) > 1:
        yield Problem(f"{path}.labels", "has several labels that mean normal", "leave one")


def _tags(contract: serving_pb2.TokenClassification, path: str) -> Iterator[Problem]:
    stems = {label.partition("-")[2] or label for label in contract.labels}
    for index, kind in enumerate(contract.entity_types):
        if kind.label not in stems:
            yield Problem(
                f"{path}.entity_types[{index}].label",
                "is not the stem of a label",
                f"use one of {', '.join(sorted(stems - {'O'}))}",
            )


def _compare_config(
    kind: str,
    declared: Iterable[TensorContract],
    configured: Iterable[ConfiguredTensor],
    max_batch_count: int,
) -> Iterator[Problem]:
    by_name = {tensor.name: tensor for tensor in configured}
    names = set()
    for index, tensor in enumerate(declared):
        names.add(tensor.name)
        path, other = f"{kind}[{index}]", by_name.get(tensor.name)
        if other is None:
            yield Problem(path, f"is {tensor.name}, which {CONFIG} does not have", EXPORT_AGAIN)
            continue
        shape = other.shape if max_batch_count else other.shape[1:]
        if tensor.datatype != other.datatype:
            yield Problem(
                f"{path}.datatype", f"is {tensor.datatype}, and in {CONFIG} {other.datatype}", EXPORT_AGAIN
            )
        if tuple(tensor.shape) != shape:
            yield Problem(
                f"{path}.shape", f"is {list(tensor.shape)}, and in {CONFIG} {list(shape)}", EXPORT_AGAIN
            )
    for name in by_name.keys() - names:
        yield Problem(kind, f"does not list {name}, which {CONFIG} has", f"describe {name}")


def _compare_graph(
    kind: str,
    declared: Iterable[TensorContract],
    tensors: Iterable[GraphTensor],
    *,
    whole: bool,
    batches: bool,
) -> Iterator[Problem]:
    by_name = {tensor.name: tensor for tensor in tensors}
    names = set()
    for index, tensor in enumerate(declared):
        names.add(tensor.name)
        path, other = f"{kind}[{index}]", by_name.get(tensor.name)
        if other is None:
            there = ", ".join(by_name)
            yield Problem(path, f"is {tensor.name}, which the graph does not have", f"it has {there}")
            continue
        if other.datatype != tensor.datatype:
            yield Problem(
                f"{path}.datatype", f"is {tensor.datatype}, and in the graph {other.datatype}", EXPORT_AGAIN
            )
        if other.shape is not None and not _agree((-1, *tensor.shape), other.shape):
            yield Problem(
                f"{path}.shape",
                f"is {list(tensor.shape)}, and in the graph {list(other.shape)} with the batch",
                EXPORT_AGAIN,
            )
        elif batches and other.shape and other.shape[0] != -1:
            yield Problem(
                path,
                f"has a fixed batch of {other.shape[0]} in the graph",
                f"write max_batch_size: 0 in {CONFIG}",
            )
    for name in by_name.keys() - names if whole else ():
        yield Problem(kind, f"does not list {name}, which the graph needs", f"describe {name}")


def _agree(declared: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(declared) == len(other) and all(
        -1 in {a, b} or a == b for a, b in zip(declared, other, strict=True)
    )


def _has(contract: Message, field: str) -> bool:
    return field in contract.DESCRIPTOR.fields_by_name and contract.HasField(field)
