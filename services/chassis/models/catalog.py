"""The models of a service: which of them may be served, and the provenance of their answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.errors import ModelUnavailable, ModelUnknown
from services.chassis.models.card import Model, inspect_model
from services.chassis.models.inference import Arrays, Inference, ModelSpec

logger = logging.getLogger(__name__)

T = TypeVar("T")

MODEL_VERSION = "1"
UNVERIFIED = "weights not verified here"
"""Added to `Provenance.runtime` when the weights' digest is the card's word alone."""


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
