"""Admission control: so many requests at work, so many waiting, so many bytes held; the next is
refused at once.

Counted here: grpc.aio's `maximum_concurrent_rpcs` miscounts after its first rejections (grpc issue 41531).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.chassis.errors import Overloaded


class Admission:
    """A bounded number of places, and a bounded queue for them, first come, first served."""

    def __init__(
        self, maximum_in_flight_count: int, maximum_queue_count: int, maximum_held_bytes: int
    ) -> None:
        self._places = asyncio.Semaphore(maximum_in_flight_count)
        self._maximum_queue_count = maximum_queue_count
        self._maximum_held_bytes = maximum_held_bytes
        self.held_bytes = 0
        self.in_flight_count = 0
        self.queued_count = 0

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Holds `count` bytes of a request. Raises Overloaded when all requests would hold too many."""
        if self.held_bytes + count > self._maximum_held_bytes:
            raise Overloaded
        self.held_bytes += count
        try:
            yield
        finally:
            self.held_bytes -= count

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place; waits for one. Raises Overloaded when the queue is full."""
        if self._places.locked():
            if self.queued_count >= self._maximum_queue_count:
                raise Overloaded
            self.queued_count += 1
            try:
                await self._places.acquire()
            finally:
                self.queued_count -= 1
        else:
            await self._places.acquire()
        self.in_flight_count += 1
        try:
            yield
        finally:
            self.in_flight_count -= 1
            self._places.release()
