"""A fake below the inference seam, and model folders for it: every service's tests stand on these."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ModelServing
from services.chassis.errors import DeadlineExceeded, MedmeshError, ModelUnavailable
from services.chassis.models.inference import (
    DATATYPES,
    Answer,
    Arrays,
    ModelVersion,
    Tensor,
    Verification,
    check_inputs,
    check_outputs,
)
from services.chassis.rpc import request

Function = Callable[[Arrays], Any]
REAL_MODELS = Path(__file__).resolve().parents[1] / "triton_repo"


class FakeInference:
    """Answers each model with a function of its inputs (`services.chassis.models.inference.Inference`).

    Inputs and outputs are held to the card as Triton's are; of a model that streams the function gives the
    pieces, one after the other. `fail(model, error)` makes a model fail,
    `stop(model)` makes it unavailable, `hold(model)` makes its calls wait until `release(model)`. A key of
    `functions` is a model's name, or name and version (`reader/2`), which goes first.
    """

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = dict(functions)
        self.calls: list[tuple[str, Arrays]] = []
        self.cancelled: list[str] = []
        self.loaded: list[tuple[str, int]] = []
        self.unloaded: list[tuple[str, int]] = []
        self.dropped: list[str] = []
        self.streams_ended: list[tuple[str, bool]] = []
        """Model and whether its answer was read to the end, of each that was begun."""
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

    async def infer(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0
    ) -> Answer:
        name = model.name
        function = self._function(model)
        if function is None:
            raise ModelUnavailable(metadata={"model": name})
        check_inputs(model, inputs)
        self.calls.append((name, inputs))
        self.entered.set()
        await self._wait_at_gate(name, timeout_s)
        await asyncio.sleep(0)  # a server's answer comes in a later turn of the event loop
        if name in self._errors:
            raise self._errors[name]
        outputs = {name: np.asarray(array) for name, array in function(inputs).items()}
        check_outputs(model, inputs, outputs)
        return Answer(outputs, str(model.number), Verification.STATED, "fake 1.0")

    async def stream(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Answer]:
        function = self._function(model)
        if function is None:
            raise ModelUnavailable(metadata={"model": model.name})
        check_inputs(model, inputs)
        self.calls.append((model.name, inputs))
        self.entered.set()
        is_whole = False
        try:
            for piece in function(inputs):
                await self._wait_at_gate(model.name, timeout_s)
                if model.name in self._errors:
                    raise self._errors[model.name]
                outputs = {name: np.asarray(array) for name, array in piece.items()}
                check_outputs(model, inputs, outputs)
                yield Answer(outputs, str(model.number), Verification.STATED, "fake 1.0")
            is_whole = True
        except GeneratorExit:
            self.cancelled.append(model.name)
            raise
        finally:
            self.streams_ended.append((model.name, is_whole))

    async def _wait_at_gate(self, name: str, timeout_s: float | None) -> None:
        gate = self._gates.get(name)
        if gate is None:
            return
        try:
            async with asyncio.timeout(request.remaining_s(timeout_s)):
                await gate.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(metadata={"model": name}) from error
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise

    async def is_ready(self, model: ModelVersion) -> bool:
        return self._function(model) is not None and model.name not in self._errors

    async def load(self, versions: Sequence[ModelVersion]) -> None:
        for version in versions:
            if self._function(version) is None:
                raise ModelUnavailable("it does not load", metadata={"model": version.name})
            self.loaded.append((version.name, version.number))

    async def unload(self, model: ModelVersion, kept: Sequence[ModelVersion]) -> None:
        self.unloaded.append((model.name, model.number))

    async def drop(self, model: ModelVersion) -> None:
        self.dropped.append(model.name)

    def _function(self, model: ModelVersion) -> Function | None:
        return self.functions.get(f"{model.name}/{model.number}", self.functions.get(model.name))


def model_version(
    name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], number: int = 1, *, streams: bool = False
) -> ModelVersion:
    """What a test asks to run."""
    return ModelVersion(name, number, tuple(inputs), tuple(outputs), "0" * 64, streams=streams)


def model_card(
    name: str, serving: ModelServing, inputs: Iterable[Tensor], outputs: Iterable[Tensor], **fields: Any
) -> ModelCard:
    """A card for a test; `fields` are set on top."""
    card = ModelCard(
        name=name,
        version="1.0.0",
        summary=f"Fake of {name}.",
        intended_use="For tests only.",
        weights_sha256="0" * 64,
        precision="fp32",
        serving=serving,
        inputs=[_contract(t) for t in inputs],
        outputs=[_contract(t) for t in outputs],
    )
    card.MergeFrom(ModelCard(**fields))
    return card


def real_card(name: str) -> ModelCard:
    """The card of a model that the project ships."""
    return json_format.Parse((REAL_MODELS / name / "metadata.json").read_text(encoding="utf-8"), ModelCard())


def write_model_repository(folder: Path, cards: Iterable[ModelCard]) -> Path:
    """Writes `<folder>/<model>/metadata.json` for each card: a model repository without weights.

    The files that a shipped model's card lists are copied beside it.
    """
    for card in cards:
        model = folder / card.name
        model.mkdir(parents=True, exist_ok=True)
        for file in card.serving.files:
            source = REAL_MODELS / card.name / file.path
            if source.is_file():
                shutil.copy(source, model / file.path)
        text = json_format.MessageToJson(card, preserving_proto_field_name=True)
        (model / "metadata.json").write_text(text, encoding="utf-8")
    return folder


def _contract(tensor: Tensor) -> TensorContract:
    datatype = next(name for name, dtype in DATATYPES.items() if dtype is tensor.dtype)
    return TensorContract(name=tensor.name, datatype=datatype, shape=tensor.shape, description="of a test")
