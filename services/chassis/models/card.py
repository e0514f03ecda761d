"""One model's folder: its card, read and compared with what the service expects, the config and the weights.

A model is served only when its card can be read, agrees with what the service expects (tensors,
preprocessing), with `config.pbtxt`, and with the weights. Weights and config may lie on another machine,
beside Triton: then the card alone is here, and the weights were not verified.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from services.chassis.models.inference import ModelSpec, Tensor
from services.chassis.models.triton import read_config

CARD = "metadata.json"
CONFIG = "config.pbtxt"
WEIGHTS = Path("1") / "model.onnx"

_DATATYPES: dict[type[np.generic], str] = {
    np.bool_: "BOOL",
    np.uint8: "UINT8",
    np.int8: "INT8",
    np.int32: "INT32",
    np.int64: "INT64",
    np.float16: "FP16",
    np.float32: "FP32",
    np.float64: "FP64",
}


@dataclass(frozen=True)
class Model:
    """One model of the service as it was found at start."""

    spec: ModelSpec
    card: ModelCard | None
    """None when it could not be read."""
    refusal: str
    """Why it is not served, with the remedy; empty when it is."""
    weights_verified: bool
    """Whether the weights are here and have the card's digest."""


def inspect_model(spec: ModelSpec, folder: Path) -> Model:
    """Reads the model's folder and compares card, expectation, config and weights."""
    path = folder / CARD
    if not path.is_file():
        return Model(
            spec, None, f"{spec.name} has no {CARD}; export the model, or correct the repository.", False
        )
    try:
        card = json_format.Parse(path.read_text(encoding="utf-8"), ModelCard())
    except (json_format.ParseError, UnicodeDecodeError):
        return Model(
            spec, None, f"The {CARD} of {spec.name} is no model card; export the model again.", False
        )
    weights = folder / WEIGHTS
    verified = weights.is_file() and sha256(weights) == card.weights_sha256
    config = folder / CONFIG
    refusal = _contradiction(spec, card)
    if not refusal and config.is_file():
        refusal = _config_contradiction(card, config)
    if not refusal and weights.is_file() and not verified:
        refusal = f"The weights of {spec.name} are not those of its card; export the model again."
    return Model(spec, card, refusal, verified)


def sha256(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _contradiction(spec: ModelSpec, card: ModelCard) -> str:
    if card.name != spec.name:
        return f"The card in the folder of {spec.name} is another model's."
    if card.preprocessing_version != spec.preprocessing_version:
        return (
            f"{spec.name} was made for preprocessing {card.preprocessing_version}, "
            f"this service runs {spec.preprocessing_version}; use the release that fits."
        )
    for kind, expected, declared in (
        ("input", spec.inputs, card.inputs),
        ("output", spec.outputs, card.outputs),
    ):
        by_name = {t.name: t for t in declared}
        for tensor in expected:
            if tensor.name not in by_name:
                return f"The card of {spec.name} has no {kind} {tensor.name}."
            if not _agree(tensor, by_name[tensor.name]):
                return f"The card of {spec.name} gives {kind} {tensor.name} another type or shape."
    return ""


def _agree(tensor: Tensor, declared: TensorContract) -> bool:
    shape = tuple(declared.shape)
    return (
        declared.datatype == _DATATYPES.get(tensor.dtype)
        and len(shape) == len(tensor.shape)
        and all(-1 in {a, b} or a == b for a, b in zip(tensor.shape, shape, strict=True))
    )


def _config_contradiction(card: ModelCard, path: Path) -> str:
    try:
        inputs, outputs = read_config(path.read_text(encoding="utf-8"))
    except ValueError:
        return f"The {CONFIG} of {card.name} cannot be read."
    for kind, declared, configured in (("input", card.inputs, inputs), ("output", card.outputs, outputs)):
        expected = {(t.name, t.datatype, tuple(t.shape)) for t in declared}
        if expected != configured:
            return f"The card of {card.name} and its {CONFIG} differ in their {kind}s."
    return ""
