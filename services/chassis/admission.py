"""Admission control: so many requests at work, so many waiting, and the next one is refused at once.

Counted here: grpc.aio's `maximum_concurrent_rpcs` miscounts after its first rejections (grpc issue 41531).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.chassis.errors import Overloaded


class Admission:
    """A bounded number of places, and a bounded queue for them, first come, first served."""

    def __init__(self, maximum_in_flight_count: int, maximum_queue_count: int) -> None:
        self._places = asyncio.Semaphore(maximum_in_flight_count)
        self._maximum_queue_count = maximum_queue_count
        self.in_flight_count = 0
        self.queued_count = 0

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
