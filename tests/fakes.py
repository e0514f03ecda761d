"""A fake below the inference seam, and model folders for it: every service's tests stand on these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from services.chassis.errors import DeadlineExceeded, MedmeshError, ModelUnavailable, ModelUnknown
from services.chassis.models.inference import Arrays, ModelSpec, Tensor, check_inputs, check_outputs
from services.chassis.rpc import request

Function = Callable[[Arrays], Mapping[str, Any]]
DATATYPES = {np.uint8: "UINT8", np.int64: "INT64", np.float32: "FP32", np.int32: "INT32", np.bool_: "BOOL"}


class FakeInference:
    """Answers each model with a function of its inputs (`services.chassis.models.inference.Inference`).

    With `specs`, inputs and outputs are held to them as Triton's are. `fail(model, error)` makes a model
    fail, `stop(model)` makes it unavailable, `hold(model)` makes its calls wait until `release(model)`.
    """

    def __init__(self, functions: Mapping[str, Function], specs: Iterable[ModelSpec] = ()) -> None:
        self.functions = dict(functions)
        self.specs = {spec.name: spec for spec in specs}
        self.calls: list[tuple[str, Arrays]] = []
        self.cancelled: list[str] = []
        self.entered = asyncio.Event()
        self._errors: dict[str, MedmeshError] = {}
        self._gates: dict[str, asyncio.Event] = {}

    def fail(self, model: str, error: MedmeshError) -> None:
        self._errors[model] = error

    def stop(self, model: str) -> None:
        self.fail(model, ModelUnavailable(metadata={"model": model}))

    def start(self, model: str) -> None:
        self._errors.pop(model, None)

    def hold(self, model: str) -> None:
        self._gates[model] = asyncio.Event()
        self.entered.clear()

    def release(self, model: str) -> None:
        self._gates.pop(model).set()

    async def infer(self, model: str, inputs: Arrays, *, timeout_s: float | None = None) -> Arrays:
        if model not in self.functions:
            raise ModelUnknown(metadata={"model": model})
        spec = self.specs.get(model)
        if spec is not None:
            check_inputs(spec, inputs)
        self.calls.append((model, inputs))
        self.entered.set()
        gate = self._gates.get(model)
        if gate is not None:
            try:
                async with asyncio.timeout(request.remaining_s(timeout_s)):
                    await gate.wait()
            except TimeoutError as error:
                raise DeadlineExceeded(metadata={"model": model}) from error
            except asyncio.CancelledError:
                self.cancelled.append(model)
                raise
        if model in self._errors:
            raise self._errors[model]
        outputs = {name: np.asarray(array) for name, array in self.functions[model](inputs).items()}
        if spec is not None:
            check_outputs(spec, inputs, outputs)
        return outputs

    async def is_ready(self, model: str) -> bool:
        return model in self.functions and model not in self._errors

    async def runtime(self) -> str:
        return "fake 1.0"


def model_card(spec: ModelSpec, **fields: Any) -> ModelCard:
    """A card that agrees with `spec`; `fields` are set on top (labels, serving_parameters, …)."""
    card = ModelCard(
        name=spec.name,
        version="1.0.0",
        summary=f"Fake of {spec.name}.",
        intended_use="For tests only.",
        weights_sha256="0" * 64,
        precision="fp32",
        preprocessing_version=spec.preprocessing_version,
        inputs=[_contract(t) for t in spec.inputs],
        outputs=[_contract(t) for t in spec.outputs],
    )
    card.MergeFrom(ModelCard(**fields))
    return card


def write_model_repository(folder: Path, cards: Iterable[ModelCard]) -> Path:
    """Writes `<folder>/<model>/metadata.json` for each card: a model repository without weights."""
    for card in cards:
        model = folder / card.name
        model.mkdir(parents=True, exist_ok=True)
        text = json_format.MessageToJson(card, preserving_proto_field_name=True)
        (model / "metadata.json").write_text(text, encoding="utf-8")
    return folder


def _contract(tensor: Tensor) -> TensorContract:
    return TensorContract(
        name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=tensor.shape, description="of a test"
    )
