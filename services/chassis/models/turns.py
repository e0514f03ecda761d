"""Who asks a model next: of the calls of one process only so many are at Triton at a time, as keep its
instances busy; the others wait here, in order.

Triton's own queue is not used for that. With levels of priority, a timeout or a bound it wakes up for a call
that found every instance busy only with the next one, or after half a second (docs/adr/0053).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools


class Turns:
    """Of one version of a model. Of those that wait the lowest `priority` goes first; within one the callers
    share: whoever has been given least, and of one caller's whoever came first.
    """

    def __init__(self) -> None:
        self._at_once = self._free = 1
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._turn = 0
        """That of the call that was begun last: the first of several callers have the same."""
        self._next: dict[str, int] = {}
        """Each caller's next turn, where it lies ahead."""
        self._arrivals = itertools.count()

    def allow(self, at_once: int) -> None:
        """Gives out so many at a time from now on; at first it is one."""
        self._free += at_once - self._at_once
        self._at_once = at_once
        self._hand_on()

    async def take(self, priority: int, caller: str) -> None:
        """Waits for a turn, which `give_back` ends. Who is cancelled while it waits has none."""
        if self._free > 0:
            self._free -= 1
            return
        turn = max(self._turn, self._next.get(caller, 0))
        self._next[caller] = turn + 1
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, turn, next(self._arrivals), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was given just before
                self.give_back()
            raise

    def give_back(self) -> None:
        """Ends a turn."""
        self._free += 1
        self._hand_on()

    def _hand_on(self) -> None:
        while self._free > 0 and self._waiting:
            _, turn, _, first = heapq.heappop(self._waiting)
            if not first.done():
                first.set_result(None)
                self._free -= 1
                self._turn = max(self._turn, turn)
        if not self._waiting:
            self._next.clear()
