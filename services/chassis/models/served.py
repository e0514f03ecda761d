"""A model that is served: what a task module builds on, and what it calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import ModelServing
from services.chassis.models import tasks
from services.chassis.models.inference import Answer, Arrays, Inference
from services.chassis.models.inspection import CheckedVersion
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.rpc import request as requests

T = TypeVar("T")

Observer = Callable[[Arrays, Answer], None]
"""Is shown the inputs and the answer of each call."""


@dataclass(frozen=True)
class Inferred:
    """What a model answered."""

    outputs: Arrays
    """By name; axis 0 is the batch."""
    provenance: Provenance
    """Of the version that computed it."""


class ServedModel:
    """One version of a model. Whoever holds it goes on with this version, whatever is taken up meanwhile."""

    def __init__(
        self,
        version: CheckedVersion,
        inference: Inference,
        *,
        intended_use: str = "",
        terminology_sha256: str = "",
        observer: Observer | None = None,
    ) -> None:
        """`intended_use` overrides the card's; `terminology_sha256` is of the terminology in use."""
        self.version = version
        self._inference = inference
        self._intended_use = intended_use or version.card.intended_use
        self._terminology_sha256 = terminology_sha256
        self._observer = observer

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.version.card.name

    @property
    def card(self) -> ModelCard:
        """The card of this version."""
        return self.version.card

    @property
    def serving(self) -> ModelServing:
        """The card's serving part."""
        return self.version.card.serving

    @property
    def task(self) -> str:
        """Name of the task, e.g. `image_classification`."""
        return tasks.task_of(self.serving)

    @property
    def contract(self) -> Any:
        """The task's own message, e.g. `ImageClassification`."""
        contract: Message | None = tasks.contract_of(self.serving)
        return contract

    @property
    def folder(self) -> Path:
        """Where the card lies: files that it names are relative to it."""
        return self.version.folder

    @property
    def is_default(self) -> bool:
        """Whether it answers requests that name no models."""
        return self.serving.default_answer if self.serving.HasField("default_answer") else True

    @property
    def max_batch_count(self) -> int | None:
        """Most rows of one call; None: not known here."""
        return self.version.runs.max_batch_count

    async def infer(self, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0) -> Inferred:
        """Runs this version on one batch; all outputs of the card. As `Inference.infer`, and PermissionDenied
        where it may not compute for the caller's tenant.
        """
        requests.check_may_use(self.name)
        started = time.perf_counter()
        answer = await self._inference.infer(
            self.version.runs, inputs, timeout_s=timeout_s, priority=priority
        )
        model = {Name.MODEL: self.name, Name.MODEL_VERSION: answer.version}
        telemetry.instruments().inference_duration.record(time.perf_counter() - started, model)
        requests.used(self.name, answer.version)
        if self._observer is not None:
            self._observer(inputs, answer)
        return Inferred(answer.outputs, self._provenance(answer))

    async def stream(self, inputs: Arrays, *, timeout_s: float | None = None) -> AsyncGenerator[Inferred]:
        """Runs this version on one request, piece by piece. Raises what `Inference.stream` raises, and
        PermissionDenied as `infer` does.
        """
        requests.check_may_use(self.name)
        answers = self._inference.stream(self.version.runs, inputs, timeout_s=timeout_s)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                requests.used(self.name, answer.version)
                yield Inferred(answer.outputs, self._provenance(answer))

    async def is_ready(self) -> bool:
        """Whether it answers now. Never raises."""
        return await self._inference.is_ready(self.version.runs)

    def _provenance(self, answer: Answer) -> Provenance:
        card = self.version.card
        return Provenance(
            model_name=card.name,
            model_version=answer.version,
            weights_sha256=card.weights_sha256,
            card_version=card.version,
            model_sha256=self.version.model_sha256,
            preprocessing_version=card.serving.preprocessing_version,
            runtime=answer.runtime,
            weights_verification=answer.verification.value,
            intended_use=self._intended_use,
            terminology_sha256=self._terminology_sha256,
        )


@dataclass(frozen=True)
class Task(Generic[T]):
    """A kind of model that a service serves: its name, and what the service makes of such a model.

    `build` reads what the model's folder holds beside the weights (tokenizer, vocabulary) and says by an
    exception what of it cannot be served; it never asks Triton. It may run in a thread.
    """

    name: str
    """The field's name in ModelServing, e.g. `image_classification`."""
    build: Callable[[ServedModel], T]
