"""Admission control: so many places at work, so many requests waiting, so many bytes held; the next request
is refused at once.

A request takes places by its size. Those that wait are served by priority, and within one priority in the
order of start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): whoever has had least comes first, so
that a caller who sends much waits behind himself.

Counted here: grpc.aio's `maximum_concurrent_rpcs` miscounts after its first rejections (grpc issue 41531).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from services.chassis.errors import DeadlineExceeded, Overloaded
from services.chassis.rpc.inflow import Inflow
from services.chassis.rpc.lately import Lately
from services.chassis.rpc.request import Request

LONGEST_WAIT_S = 1.0
"""Behind one of its own that has waited longer no caller's request joins the queue. A burst may fill it; one
that does not get shorter only makes all of them late (Nichols and Jacobson, "Controlling queue delay",
2012)."""
SHORTEST_LEFT_S = 0.05
"""A request with less time left is not begun."""
_SPARED_SHARE = 0.25
"""Of the places and of the bytes held, which one caller alone never takes: whoever else comes finds one."""
_IN_VAIN_BYTES_PER_S = 32 * 1024 * 1024
"""What is read of one caller's messages though they are then refused: only their size tells that they would
have to wait."""
_NEWEST_SHARE = 0.1
"""Of the latest request in the mean of how long places are held."""


@dataclass(eq=False)
class _Waiter:
    """A request at work or waiting for it."""

    caller: str
    method: str
    priority: int
    start: float
    """Its virtual start: how much work its caller, or everybody, had been given when it came."""
    places: int
    arrived: float = field(default_factory=time.monotonic)
    turn: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """True: it has its places; False: it lost its room in the queue to one that goes before it."""
    order: tuple[int, float, float] = field(init=False)
    """The smallest goes first."""

    def __post_init__(self) -> None:
        self.order = self.priority, self.start, self.arrived


class Admission:
    """A bounded number of places, and a bounded queue for them; of one event loop."""

    def __init__(
        self,
        maximum_in_flight_count: int,
        maximum_queue_count: int,
        maximum_held_bytes: int,
        bytes_per_place: int,
        bytes_per_second_beside_others: int = 0,
    ) -> None:
        """0 bytes a second: messages are read as they come."""
        self._places = self._free = maximum_in_flight_count
        self._most_of_one = max(1, maximum_in_flight_count - int(_SPARED_SHARE * maximum_in_flight_count))
        self._maximum_queue_count = maximum_queue_count
        self._maximum_held_bytes = maximum_held_bytes
        self._bytes_per_place = bytes_per_place
        self._waiting: list[_Waiter] = []
        self._taken: Counter[str] = Counter()
        """Places at work, by caller."""
        self._virtual = 0.0
        """The virtual start of the request that was begun last."""
        self._finish: Lately[float] = Lately(lambda end: end <= self._virtual)
        """Virtual end of each caller's last request, where it lies ahead."""
        self._held_s: dict[str, float] = {}
        """How long a request holds its places, by method; of all under ""."""
        self._held: Counter[str] = Counter()
        """Bytes held, by caller."""
        self._in_vain_until: Lately[float] = Lately(lambda until: until <= time.monotonic() - LONGEST_WAIT_S)
        """When a caller's next message may be read in vain, where some were lately."""
        self._reading: Counter[str] = Counter()
        """Calls whose message has not come yet, by caller."""
        self.inflow = Inflow(bytes_per_second_beside_others, self._held)
        self.held_bytes = 0
        self.in_flight_count = 0

    @property
    def queued_count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def holding(self, count: int, caller: str = "") -> Iterator[None]:
        """Holds `count` bytes of a request. Raises Overloaded when all requests would hold too many, or those
        of a caller who holds some already too large a share.
        """
        self._check_bytes(caller, count)
        self.held_bytes += count
        self._held[caller] += count
        try:
            yield
        finally:
            self.held_bytes -= count
            self._held[caller] -= count
            if not self._held[caller]:
                del self._held[caller]

    def _check_bytes(self, caller: str, count: int) -> None:
        own = self._held[caller]
        most_of_one = (1 - _SPARED_SHARE) * self._maximum_held_bytes
        if self.held_bytes + count > self._maximum_held_bytes or (own and own + count > most_of_one):
            raise Overloaded

    @contextmanager
    def reading(self, request: Request) -> Iterator[None]:
        """While the request's message is on its way. Raises what `refuse_where_full` does."""
        self.refuse_where_full(request)
        self._reading[request.sharer] += 1
        try:
            yield
        finally:
            self._reading[request.sharer] -= 1
            if not self._reading[request.sharer]:
                del self._reading[request.sharer]

    def read_in_vain(self, caller: str, size_bytes: int) -> None:
        """Notes that a message was read and then refused."""
        self._in_vain_until.note(caller, time.monotonic() + size_bytes / _IN_VAIN_BYTES_PER_S)

    def refuse_where_full(self, request: Request) -> None:
        """Raises what `holding` and `place` would for the smallest request, before anything is done; and for
        a caller of whose messages some were read in vain just now, or one is being read.
        """
        since_s = time.monotonic() - self._in_vain_until.get(request.sharer, -math.inf)
        if since_s < 0 or (since_s < LONGEST_WAIT_S and self._reading[request.sharer]):
            raise Overloaded
        self._check_bytes(request.sharer, 1)
        newcomer = self._newcomer(request, 0)
        if not self._may_begin(newcomer):
            self._check_room(newcomer, request.remaining_s)

    @asynccontextmanager
    async def place(self, request: Request, size_bytes: int) -> AsyncIterator[None]:
        """Holds places for a request of so many bytes; waits for them.

        Raises Overloaded where too many wait, one of them for too long, or longer than the request has time;
        DeadlineExceeded where it has next to none.
        """
        if request.remaining_s < SHORTEST_LEFT_S:
            raise DeadlineExceeded("too little time was left to begin")
        waiter = self._newcomer(request, size_bytes)
        if self._may_begin(waiter):
            self._count(waiter)
            self._begin(waiter)
        else:
            await self._wait(waiter, request.remaining_s)
        began = time.monotonic()
        self.in_flight_count += 1
        try:
            yield
        finally:
            self.in_flight_count -= 1
            self._learn(waiter, time.monotonic() - began)
            self._end(waiter)

    def _newcomer(self, request: Request, size_bytes: int) -> _Waiter:
        places = min(1 + size_bytes // self._bytes_per_place, self._most_of_one)
        start = max(self._virtual, self._finish.get(request.sharer, 0.0))
        return _Waiter(request.sharer, request.method, request.priority, start, places)

    def _count(self, waiter: _Waiter) -> None:
        self._finish.note(waiter.caller, waiter.start + waiter.places)

    def _may_begin(self, waiter: _Waiter) -> bool:
        ahead = any(other.order < waiter.order and self._has_share(other) for other in self._waiting)
        return not ahead and waiter.places <= self._free and self._has_share(waiter)

    def _has_share(self, waiter: _Waiter) -> bool:
        return self._taken[waiter.caller] + waiter.places <= self._most_of_one

    async def _wait(self, waiter: _Waiter, left_s: float) -> None:
        self._check_room(waiter, left_s)
        self._count(waiter)
        if len(self._waiting) >= self._maximum_queue_count:
            last = max(self._waiting, key=lambda other: other.order)
            self._waiting.remove(last)
            if not last.turn.done():
                last.turn.set_result(False)
        self._waiting.append(waiter)
        try:
            begun = await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._begin_next()  # those behind it may fit
            elif not waiter.turn.cancelled() and waiter.turn.result():
                self._end(waiter)
            raise
        if not begun:
            raise Overloaded

    def _check_room(self, newcomer: _Waiter, left_s: float) -> None:
        """Raises Overloaded where `newcomer` may not join the queue."""
        ahead = [other for other in self._waiting if other.order < newcomer.order]
        own = (other.arrived for other in ahead if other.caller == newcomer.caller)
        places = sum(other.places for other in ahead) + newcomer.places
        wait_s = places / self._places * self._held_s.get("", 0.0)
        if (
            newcomer.arrived - min(own, default=newcomer.arrived) > LONGEST_WAIT_S
            or wait_s + self._held_s.get(newcomer.method, 0.0) > left_s
            or len(ahead) >= self._maximum_queue_count
        ):
            raise Overloaded

    def _begin(self, waiter: _Waiter) -> None:
        self._free -= waiter.places
        self._taken[waiter.caller] += waiter.places
        self._virtual = max(self._virtual, waiter.start)

    def _begin_next(self) -> None:
        # One whose turn is done is being cancelled, and leaves in a moment.
        while able := [w for w in self._waiting if not w.turn.done() and self._has_share(w)]:
            first = min(able, key=lambda waiter: waiter.order)
            if first.places > self._free:
                return
            self._waiting.remove(first)
            self._begin(first)
            first.turn.set_result(True)

    def _end(self, waiter: _Waiter) -> None:
        self._free += waiter.places
        self._taken[waiter.caller] -= waiter.places
        if not self._taken[waiter.caller]:
            del self._taken[waiter.caller]
        self._begin_next()

    def _learn(self, waiter: _Waiter, held_s: float) -> None:
        for key in ("", waiter.method):
            before_s = self._held_s.get(key, held_s)
            self._held_s[key] = before_s + _NEWEST_SHARE * (held_s - before_s)
