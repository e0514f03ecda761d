"""The models of a service: their cards, whether they may be served, and the provenance of their answers.

A model is served only when its card can be read, agrees with what the service expects (tensors,
preprocessing), with `config.pbtxt`, and with the weights. Weights and config may lie on another machine,
beside Triton: then the card alone is here, and the provenance says that the weights were not verified.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from google.protobuf import json_format

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from services.chassis.errors import ModelUnavailable, ModelUnknown
from services.chassis.inference import Arrays, Inference, ModelSpec, Tensor
from services.chassis.triton import read_config

logger = logging.getLogger(__name__)

T = TypeVar("T")

CARD = "metadata.json"
CONFIG = "config.pbtxt"
WEIGHTS = Path("1") / "model.onnx"
MODEL_VERSION = "1"
UNVERIFIED = "weights not verified here"
"""Added to `Provenance.runtime` when the weights' digest is the card's word alone."""

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
    """Why it is not served, with the way out; empty when it is."""
    weights_verified: bool
    """Whether the weights are here and have the card's digest."""


class Catalog:
    """The models that a service uses, checked once at start."""

    def __init__(
        self, service: str, repository: Path, specs: Iterable[ModelSpec], *, intended_use: str = ""
    ) -> None:
        self.service = service
        self._repository = repository
        self._intended_use = intended_use
        self._models = {spec.name: inspect_model(spec, repository / spec.name) for spec in specs}

    def models(self) -> Sequence[Model]:
        """All models, sorted by name."""
        return [self._models[name] for name in sorted(self._models)]

    def card(self, name: str) -> ModelCard:
        """The card of a model that is served. Raises ModelUnknown, or ModelUnavailable with the reason."""
        model = self._model(name)
        if model.refusal or model.card is None:
            raise ModelUnavailable(model.refusal, metadata={"model": name})
        return model.card

    def serves(self, name: str) -> bool:
        """Whether the service has the model and nothing is wrong with its card. Triton is not asked."""
        return name in self._models and not self._models[name].refusal

    def refusal(self, name: str) -> str:
        """Why a model is not served, in one sentence; empty when it is."""
        return self._model(name).refusal

    def load(self, name: str, read: Callable[[Path], T]) -> T | None:
        """What `read` makes of the folder of a model that is served: its tokenizer, its vocabulary.

        None where the model is not served. Where the files are missing or broken it is not served from now
        on, and the service goes on without it.
        """
        model = self._model(name)
        if model.refusal:
            return None
        try:
            return read(self._repository / name)
        except FileNotFoundError as error:
            missing = Path(str(error.filename)).name if error.filename else "file that the service reads"
            refusal = f"{name} has no {missing}; export the model again, or correct the repository."
        except Exception:  # noqa: BLE001 - readers share no error, and no model may end the service
            refusal = f"The files of {name} beside its weights cannot be read; export the model again."
        logger.warning("model not served", extra={"facts": {"model": name, "problem": refusal}})
        self._models[name] = replace(model, refusal=refusal)
        return None

    def provenance(self, name: str, runtime: str) -> Provenance:
        """Where an answer of model `name` comes from; `runtime` is what `Inference.runtime` says."""
        card = self.card(name)
        return Provenance(
            model_name=name,
            model_version=MODEL_VERSION,
            weights_sha256=card.weights_sha256,
            preprocessing_version=card.preprocessing_version,
            runtime=runtime if self._model(name).weights_verified else f"{runtime} ({UNVERIFIED})",
            intended_use=self._intended_use or card.intended_use,
        )

    def _model(self, name: str) -> Model:
        if name not in self._models:
            raise ModelUnknown  # the name is whatever a caller sends: it is not quoted
        return self._models[name]


class CataloguedInference:
    """An `Inference` that refuses the models which the catalog does not serve."""

    def __init__(self, inference: Inference, catalog: Catalog) -> None:
        self._inference = inference
        self._catalog = catalog

    async def infer(self, model: str, inputs: Arrays, *, timeout_s: float | None = None) -> Arrays:
        self._catalog.card(model)
        return await self._inference.infer(model, inputs, timeout_s=timeout_s)

    async def is_ready(self, model: str) -> bool:
        return self._catalog.serves(model) and await self._inference.is_ready(model)

    async def runtime(self) -> str:
        return await self._inference.runtime()


class CatalogServicer(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """`medmesh.common.v1.ModelCatalogService` for one service."""

    def __init__(self, catalog: Catalog, inference: Inference) -> None:
        self._catalog = catalog
        self._inference = inference

    async def ListModels(
        self, request: catalog_pb2.ListModelsRequest, context: Any
    ) -> catalog_pb2.ListModelsResponse:
        summaries = [await self._summary(model) for model in self._catalog.models()]
        return catalog_pb2.ListModelsResponse(models=summaries)

    async def GetModelCard(
        self, request: catalog_pb2.GetModelCardRequest, context: Any
    ) -> catalog_pb2.GetModelCardResponse:
        return catalog_pb2.GetModelCardResponse(card=self._catalog.card(request.name))

    async def _summary(self, model: Model) -> catalog_pb2.ModelSummary:
        ready = await self._inference.is_ready(model.spec.name)
        card = model.card or ModelCard()
        return catalog_pb2.ModelSummary(
            name=model.spec.name,
            service=self._catalog.service,
            version=card.version,
            summary=card.summary,
            ready=ready,
            reason="" if ready else model.refusal or "Triton does not answer for it; see Triton's log.",
            weights_sha256=card.weights_sha256,
        )


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
