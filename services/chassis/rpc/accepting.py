"""A gRPC server that takes calls up as they come.

`grpc.aio` asks its core for one call at a time, and for the next one two turns of the event loop later. While
the loop is busy the others wait in the core, whoever sent them first goes first: no priority, no caller's
share, no deadline and no refusal reaches them there (docs/adr/0055-calls-are-taken-up-as-they-come.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc

_ASKED_AHEAD = 16
_MOST_TURNS = 8
"""What has come is handed out within so many turns of the loop, where gRPC's own goes on at all."""


def server(
    interceptors: Sequence[grpc.aio.ServerInterceptor], options: Sequence[tuple[str, Any]]
) -> grpc.aio.Server:
    """As `grpc.aio.server`, which takes no class for its inner server."""
    inner = cygrpc.AioServer
    cygrpc.AioServer = _TakingUp
    try:
        return grpc.aio.server(interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = inner


class _TakingUp(cygrpc.AioServer):  # type: ignore[misc]  # grpcio has no types
    """Has several calls asked for all the time, and hands out what has come in one turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *rest: Any) -> None:
        super().__init__(loop, *rest)
        self._asked: deque[asyncio.Task[Any]] = deque()
        """In the order in which the core answers them."""
        self._takes_more = True

    async def _request_call(self) -> Any:
        while self._takes_more and len(self._asked) < _ASKED_AHEAD:
            asked = asyncio.create_task(super()._request_call())
            asked.add_done_callback(_forgotten)
            self._asked.append(asked)
        return await (self._asked.popleft() if self._asked else super()._request_call())

    async def shutdown(self, grace: float | None) -> None:
        """Ends it. What the loop has seen come is still answered; what comes meanwhile is cancelled, as by
        gRPC.
        """
        self._takes_more = False
        for _ in range(_MOST_TURNS):
            if not any(asked.done() for asked in self._asked):
                break  # at once: whoever connects between the word of health and the end would be cancelled
            await asyncio.sleep(0)
        await super().shutdown(grace)

    async def _start_shutting_down(self) -> None:
        await super()._start_shutting_down()
        self._asked.clear()  # a call that is kept would hold the end up


def _forgotten(asked: asyncio.Task[Any]) -> None:
    """At the end each of them fails, and nobody asks how."""
    if not asked.cancelled():
        asked.exception()
