"""One call to another server, as its caller sees it: a CLIENT span and `rpc.client.call.duration`."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

import grpc
from opentelemetry.trace import SpanKind

from medmesh import targets
from services.chassis.errors import PUBLIC, MedmeshError
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Attributes, Name, Value


class ClientCall(telemetry.span):
    """Measures the block as a call of `method` (`package.Service/Method`) at `address`, as gRPC spells it."""

    __slots__ = ("_labels", "_started")

    def __init__(self, method: str, address: str, attributes: Attributes | None = None) -> None:
        host, port = targets.server(address)
        self._labels: dict[Name, Value] = {
            Name.RPC_SYSTEM: "grpc",
            Name.RPC_METHOD: method,
            Name.SERVER_ADDRESS: host,
        }
        if port is not None:
            self._labels[Name.SERVER_PORT] = port
        super().__init__(method, {**self._labels, **(attributes or {})}, SpanKind.CLIENT)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = _status(error)
        self._labels[Name.RPC_STATUS] = status
        if error is not None:
            self._labels[Name.ERROR_TYPE] = self._error_type(error)
        telemetry.instruments().client_duration.record(time.perf_counter() - self._started, self._labels)
        self.set(Name.RPC_STATUS, status)
        super().__exit__(kind, error, trace)

    def _error_type(self, error: BaseException) -> str:
        return (
            str(error.code().name) if isinstance(error, grpc.aio.AioRpcError) else telemetry.error_type(error)
        )


def _status(error: BaseException | None) -> str:
    """Name of the gRPC status that a call ended with."""
    if error is None:
        return "OK"
    if isinstance(error, MedmeshError):
        return PUBLIC[error.reason].status
    if isinstance(error, grpc.aio.AioRpcError):
        return str(error.code().name)
    return "CANCELLED" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "UNKNOWN"
