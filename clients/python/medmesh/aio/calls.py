"""How a call is made: its channel, its deadline over all attempts, its span, and the typed error that it ends
with.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc

from medmesh.connection import Call, Connection
from medmesh.errors import Unavailable, from_rpc_error
from medmesh.rpcs import Rpc
from medmesh.tracing import Metadata, client_span

PAUSE_S = 0.2
"""Before a call is repeated."""


class AsyncCalls:
    """Calls of the mesh over channels that open with the first of them."""

    def __init__(self, connection: Connection, attempts: int) -> None:
        self._connection = connection
        self.attempts = attempts
        """How often a call is made that the connection failed and that may be repeated."""
        self._channels = {server: connection.async_channel(server) for server in connection.targets}
        self._staying: dict[str, grpc.aio.Channel] = {}
        """To the one replica of a server that this client has uploaded to: all later calls go there."""
        self._methods: dict[tuple[str, str, bool], Any] = {}

    async def close(self) -> None:
        """Closes the channels; calls under way end with CANCELLED."""
        for channel in (*self._channels.values(), *self._staying.values()):
            await channel.close()

    async def unary(
        self,
        rpc: Rpc,
        request: Any,
        timeout_s: float | None,
        request_id: str | None = None,
        *,
        repeatable: bool | None = None,
    ) -> Any:  # the answer's class is the contract's
        """The answer to a request.

        Repeated where no service answered (the connection broke, or a service is being restarted) and asking
        twice is as good as asking once, by the contract or by `repeatable`. What a service itself refuses is
        not.
        """
        call = self._connection.call(rpc.server, timeout_s, request_id)
        attempts = self.attempts if (rpc.repeatable if repeatable is None else repeatable) else 1
        deadline = time.monotonic() + call.timeout_s
        with client_span(rpc, call.target) as trace:
            for attempt in range(1, attempts + 1):
                try:
                    return await self._once(rpc, request, call, deadline - time.monotonic(), trace)
                except Unavailable as error:
                    left_s = deadline - time.monotonic()
                    if error.reason or attempt == attempts or left_s <= PAUSE_S:
                        raise
                await asyncio.sleep(PAUSE_S)
        raise AssertionError("every attempt returns or raises")

    async def from_stream(
        self,
        rpc: Rpc,
        requests: Callable[[], Any],
        timeout_s: float | None,
        request_id: str | None = None,
    ) -> Any:  # the answer's class is the contract's
        """The answer to a stream of requests, which `requests` makes; asked once."""
        call = self._connection.call(rpc.server, timeout_s, request_id)
        with client_span(rpc, call.target) as trace:
            return await self._once(rpc, requests(), call, call.timeout_s, trace)

    async def stream(
        self, rpc: Rpc, request: Any, timeout_s: float | None, request_id: str | None
    ) -> AsyncGenerator[Any, None]:
        """The stream of answers to a request, or to a stream of requests; asked once."""
        call = self._connection.call(rpc.server, timeout_s, request_id)
        with client_span(rpc, call.target) as trace:
            answers = self._method(rpc)(request, timeout=call.timeout_s, metadata=call.metadata + trace)
            try:
                async for answer in answers:
                    yield answer
            except grpc.RpcError as error:
                raise from_rpc_error(error, call) from error
            finally:
                answers.cancel()  # when the caller stops listening early; nothing for a call that has ended

    async def _once(self, rpc: Rpc, request: Any, call: Call, timeout_s: float, trace: Metadata) -> Any:
        try:
            return await self._method(rpc)(request, timeout=timeout_s, metadata=call.metadata + trace)
        except grpc.RpcError as error:
            raise from_rpc_error(error, call) from error

    def _method(self, rpc: Rpc) -> Any:
        if rpc.is_upload and rpc.server not in self._staying:
            self._staying[rpc.server] = self._connection.async_channel(rpc.server, balanced=False)
        stays = rpc.server in self._staying
        key = (rpc.server, rpc.name, stays)
        if key not in self._methods:
            self._methods[key] = rpc.multicallable((self._staying if stays else self._channels)[rpc.server])
        return self._methods[key]
