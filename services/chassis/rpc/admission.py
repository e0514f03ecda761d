"""Admission control: so many requests at work, so many waiting and not for long, so many bytes held; the
next is refused at once.

Counted here: grpc.aio's `maximum_concurrent_rpcs` miscounts after its first rejections (grpc issue 41531).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.chassis.errors import Overloaded

LONGEST_WAIT_S = 1.0
"""When the first in the queue has waited longer, nobody joins it. A burst may fill the queue; one that does
not get shorter only makes everybody late (Nichols and Jacobson, "Controlling queue delay", 2012)."""


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
        self._waiting: dict[object, float] = {}
        """When each of those who wait came, the first of them first."""

    @property
    def queued_count(self) -> int:
        """How many wait."""
        return len(self._waiting)

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

    def refuse_where_full(self) -> None:
        """Raises Overloaded where the next request would find neither a place nor room to wait for one."""
        if not self._places.locked():
            return
        first = next(iter(self._waiting.values()), None)
        stands = first is not None and time.monotonic() - first > LONGEST_WAIT_S
        if stands or self.queued_count >= self._maximum_queue_count:
            raise Overloaded

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place; waits for one. Raises Overloaded when too many wait, or the first for too long."""
        self.refuse_where_full()
        if self._places.locked():
            waiter = object()
            self._waiting[waiter] = time.monotonic()
            try:
                await self._places.acquire()
            finally:
                del self._waiting[waiter]
        else:
            await self._places.acquire()
        self.in_flight_count += 1
        try:
            yield
        finally:
            self.in_flight_count -= 1
            self._places.release()
