"""A sample service with one rpc of each kind, whose handlers each test writes itself."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import ModelServing
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from services.chassis.models.inference import Tensor
from services.chassis.models.served import ServedModel, Task
from services.chassis.observability import log
from services.chassis.rpc.server import Running, running_server
from services.chassis.rpc.service import Parts, Service
from services.chassis.settings import ServiceSettings
from tests.fakes import FakeInference, model_card, write_model_repository


def doubler_card(name: str = "doubler", *, required: bool = True, **fields: Any) -> ModelCard:
    """The card of a model that doubles; its task is the simplest that there is."""
    serving = ModelServing(required=required, preprocessing_version="record/1")
    serving.record_embedding.preprocessing.tensor = "x"
    serving.record_embedding.embedding_tensor = "y"
    x, y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
    return model_card(name, serving, [x], [y], **fields)


def as_served(model: ServedModel) -> ServedModel:
    """What the sample's task makes of a model: the model."""
    return model


DOUBLING = Task("record_embedding", as_served)
Text = orchestrator_pb2.DiagnosticCase
PREFIX = "/medmesh.language.v1.LanguageService/"


def doubler() -> FakeInference:
    return FakeInference({"doubler": lambda inputs: {"y": inputs["x"] * 2}})


@dataclass
class Sample:
    """What a test talks to: the running server, a channel to it, its parts and its model."""

    running: Running
    channel: grpc.aio.Channel
    inference: FakeInference
    parts: Parts

    def call(self, name: str, **options: Any) -> Any:
        """The multicallable of one of the sample's rpcs: Unary, Download, Upload or Chat."""
        kind = {
            "Unary": self.channel.unary_unary,
            "Download": self.channel.unary_stream,
            "Upload": self.channel.stream_unary,
            "Chat": self.channel.stream_stream,
        }[name]
        return kind(
            PREFIX + name, request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )


@dataclass
class Handlers:
    """The sample's handlers; each takes (parts, request, context)."""

    unary: Callable[..., Awaitable[Text]] | None = None
    download: Callable[..., AsyncIterator[Text]] | None = None
    upload: Callable[..., Awaitable[Text]] | None = None
    chat: Callable[..., AsyncIterator[Text]] | None = None
    tasks: tuple[Task[Any], ...] = field(default=(DOUBLING,))

    async def register(self, parts: Parts, server: grpc.aio.Server) -> None:
        codec = {"request_deserializer": Text.FromString, "response_serializer": Text.SerializeToString}
        made = {}
        if self.unary:
            made["Unary"] = grpc.unary_unary_rpc_method_handler(_coroutine(self.unary, parts), **codec)
        if self.upload:
            made["Upload"] = grpc.stream_unary_rpc_method_handler(_coroutine(self.upload, parts), **codec)
        if self.download:
            made["Download"] = grpc.unary_stream_rpc_method_handler(_generator(self.download, parts), **codec)
        if self.chat:
            made["Chat"] = grpc.stream_stream_rpc_method_handler(_generator(self.chat, parts), **codec)
        generic = grpc.method_handlers_generic_handler("medmesh.language.v1.LanguageService", made)
        server.add_generic_rpc_handlers((generic,))

    def service(self) -> Service[ServiceSettings]:
        return Service(
            name="sample",
            settings=ServiceSettings,
            descriptors=(language_pb2.DESCRIPTOR.services_by_name["LanguageService"],),
            register=self.register,
            tasks=self.tasks,
        )


@pytest.fixture
def serve(tmp_path):
    """`async with serve(Handlers(unary=…), default_deadline_s=…) as sample:` runs the sample service."""

    @asynccontextmanager
    async def start(handlers: Handlers, **settings: Any) -> AsyncIterator[Sample]:
        write_model_repository(tmp_path / "models", [doubler_card()])
        inference = doubler()
        options = {
            "model_repository": (tmp_path / "models",),
            "health_interval_s": 0.05,
            "drain_s": 5.0,
        } | settings
        async with (
            running_server(handlers.service(), ServiceSettings(**options), inference=inference) as running,
            grpc.aio.insecure_channel(running.address) as channel,
        ):
            yield Sample(running, channel, inference, running.parts)

    return start


@pytest.fixture
def log_lines():
    """The log so far: `log_lines(message)` gives its lines as dictionaries, `log_lines.text()` all of it."""
    stream = StringIO()
    handler = log.configure("sample", "info", stream)

    class Lines:
        def __call__(self, message: str | None = None) -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in stream.getvalue().splitlines()]
            return [line for line in lines if message in {None, line["message"]}]

        def text(self) -> str:
            return stream.getvalue()

    yield Lines()
    logger = logging.getLogger(log.ROOT)
    logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@dataclass
class Refusal:
    """A failed call, taken apart."""

    code: grpc.StatusCode
    message: str
    info: ErrorInfo | None = None
    bad_request: BadRequest | None = None
    request_info: RequestInfo | None = None
    retry: RetryInfo | None = None
    trailing: dict[str, Any] = field(default_factory=dict)


async def refusal_of(call: Awaitable[Any]) -> Refusal:
    """Awaits a call that must fail; returns how it did."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailing = dict(error.trailing_metadata() or ())
    made = Refusal(error.code(), error.details(), trailing=trailing)
    status = Status.FromString(trailing.get("grpc-status-details-bin", b""))
    kinds = {"info": ErrorInfo, "bad_request": BadRequest, "request_info": RequestInfo, "retry": RetryInfo}
    for detail in status.details:
        for name, kind in kinds.items():
            if detail.Is(kind.DESCRIPTOR):
                unpacked = kind()
                detail.Unpack(unpacked)
                setattr(made, name, unpacked)
    return made


def _coroutine(function, parts):
    async def handle(request, context):
        return await function(parts, request, context)

    return handle


def _generator(function, parts):
    async def handle(request, context):
        async for message in function(parts, request, context):
            yield message

    return handle
