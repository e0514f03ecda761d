"""Who asks a model next, and who with whom: of one process only so many requests are at Triton at a time as
keep a model's instances busy; calls that wait here meanwhile go in order, several in one request.

Triton's own queue is not used for that. With levels of priority, a timeout or a bound it wakes up for a call
that found every instance busy only with the next one, or after half a second (docs/adr/0053), and what it
joins has come in requests of their own, each of which costs half a millisecond (docs/adr/0056).
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.chassis.models.inference import Arrays

T = TypeVar("T")


@dataclass(eq=False)
class Call(Generic[T]):
    """One that waits for its answer; once `answer` is done, also by cancellation, it waits no more."""

    inputs: Arrays
    rows: int
    """Of its batch."""
    until: float
    """When the answer is due, on `time.monotonic`'s clock."""
    priority: int
    caller: str
    kind: Hashable
    """Only calls of the same kind share a turn."""
    alone: bool
    """Whether it has a request of its own then too."""
    answer: asyncio.Future[T]
    sent_at: float | None = None
    """On the same clock; None: it waits for its turn."""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """That of its request."""


class Turns(Generic[T]):
    """Of one version of a model. Of those that wait the lowest `priority` goes first; within one the callers
    share: whoever has been given least, and of one caller's whoever came first.
    """

    def __init__(self) -> None:
        self._at_once = self._free = self._rows = 1
        self._waiting: list[tuple[int, int, int, Call[T]]] = []
        self._turn = 0
        """That of the call that was taken last: the first of several callers have the same."""
        self._next: dict[str, int] = {}
        """Each caller's next turn, where it lies ahead."""
        self._arrivals = itertools.count()

    def allow(self, at_once: int, rows: int) -> None:
        """So many turns at a time from now on, each of so many rows of several calls; at first it is one."""
        self._free += at_once - self._at_once
        self._at_once, self._rows = at_once, rows

    def add(self, call: Call[T]) -> None:
        """Has it wait for its turn."""
        turn = max(self._turn, self._next.get(call.caller, 0))
        self._next[call.caller] = turn + 1
        heapq.heappush(self._waiting, (call.priority, turn, next(self._arrivals), call))

    def take(self) -> list[Call[T]]:
        """The calls of the next turn, which `give_back` ends; none where all turns are taken, or nobody
        waits.
        """
        if self._free <= 0 or self._first() is None:
            return []
        most = -(-len(self._waiting) // self._free)  # the turns that are free share those who wait
        first = self._pop()
        taken, rows, of_caller = [first], first.rows, Counter([first.caller])
        while len(taken) < most and (call := self._first()) is not None:
            rows += call.rows
            of_caller[call.caller] += 1
            if (
                call.kind != first.kind
                or rows > self._rows
                # Whoever asks little does not wait for the many of another one.
                or of_caller[call.caller] > of_caller[first.caller]
            ):
                break  # it goes next: nobody passes it
            taken.append(self._pop())
        self._free -= 1
        if not self._waiting:
            self._next.clear()
        return taken

    def give_back(self) -> None:
        """Ends a turn."""
        self._free += 1

    def _first(self) -> Call[T] | None:
        while self._waiting and self._waiting[0][-1].answer.done():
            heapq.heappop(self._waiting)
        return self._waiting[0][-1] if self._waiting else None

    def _pop(self) -> Call[T]:
        _, turn, _, call = heapq.heappop(self._waiting)
        self._turn = max(self._turn, turn)
        return call
