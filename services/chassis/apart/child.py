"""The second process: the service's servicers without a server, asked over a socket."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import grpc
from opentelemetry.trace import SpanKind

from services.chassis import memory
from services.chassis.apart.calls import Call, Reply, handed_over
from services.chassis.apart.line import Frame, Kind, Line
from services.chassis.errors import MedmeshError
from services.chassis.observability.observed import Collector
from services.chassis.observability.telemetry import Telemetry
from services.chassis.off_loop import abandoned_count
from services.chassis.rpc import request as requests
from services.chassis.rpc.failing import typed
from services.chassis.rpc.incoming import decoded
from services.chassis.rpc.request import Request

logger = logging.getLogger("medmesh.apart")

_NICENESS = 10
"""Above the service's: ten times as much processor time is the service's where both want it. Not the lowest,
so that large requests go on beside any number of small ones.
"""
_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.05


def take_rank() -> None:
    """Stands behind the service, ends with it, and leaves it to the service when to end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)


class Handlers:
    """Stands where a `grpc.aio.Server` would, for servicers to be added to."""

    def __init__(self) -> None:
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As of a server."""
        self._generic += handlers

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """As of a server, whose lookup by name alone is needed here."""

    def of(self, method: str) -> grpc.RpcMethodHandler:
        """The handler of a full method name."""
        details = SimpleNamespace(method=method, invocation_metadata=())
        found = (generic.service(details) for generic in self._generic)
        return next(handler for handler in found if handler is not None)


async def serve(
    descriptor: int, handlers: Handlers, telemetry: Telemetry, collector: Collector, edition: object
) -> None:
    """Answers calls until the service has gone."""
    server = _Answering(Line(socket.socket(fileno=descriptor)), handlers, telemetry, collector)
    giving_back = asyncio.create_task(memory.give_back_regularly())
    await server.run(edition)
    giving_back.cancel()


class _Answering:
    def __init__(self, line: Line, handlers: Handlers, telemetry: Telemetry, collector: Collector) -> None:
        self._line = line
        self._handlers = handlers
        self._telemetry = telemetry
        self._collector = collector
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, edition: object) -> None:
        await self._line.send(Frame(Kind.READY, 0, edition))
        while (frame := await self._line.receive()) is not None:
            if frame.kind is Kind.CALL:
                self._tasks[frame.call] = asyncio.create_task(self._end(frame))
            elif (task := self._tasks.get(frame.call)) is not None:
                task.cancel()

    async def _end(self, frame: Frame) -> None:
        request: Request = frame.head.request
        reply, answer = Reply(request), b""
        self._collector.begin(request)
        try:
            answer = await self._answered(frame)
        except asyncio.CancelledError:
            reply.request = None
            # Where that takes too long the service ends this process.
            while abandoned_count():  # noqa: ASYNC110 - counted by threads
                await asyncio.sleep(_LOOK_S)
        except BaseException as error:  # nothing may pass without an end
            reply.error = typed(error)
            if reply.error is None:
                logger.exception("a request failed apart", exc_info=error)
                reply.error = MedmeshError()
        finally:
            del self._tasks[frame.call]
        self._telemetry.instruments.hand_over()
        reply.observed = self._collector.take(request)
        await self._line.send(Frame(Kind.ANSWER, frame.call, reply, answer))

    async def _answered(self, frame: Frame) -> bytes:
        call: Call = frame.head
        requests.current.set(call.request)
        handed_over.set(frame.files)
        span = self._telemetry.begin("compute apart", call.traceparent, kind=SpanKind.INTERNAL)
        try:
            handler = self._handlers.of(call.request.method)
            # What has files beside it was made by the service, of a request that it has held to its limits.
            request = (
                handler.request_deserializer(frame.body)
                if frame.files
                else await decoded(handler.request_deserializer, frame.body, call.request)
            )
            answer: bytes = handler.response_serializer(await handler.unary_unary(request, None))
            return answer
        finally:
            span.end()
