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
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from services.chassis.models.inference import Arrays

T = TypeVar("T")

_LITTLE = 4
"""Whoever has in hand so many times less than another one asks little beside him."""
_SPARING_S = 1.0
"""So long after a call of somebody who asks little."""


class Ahead(NamedTuple):
    """How much of one process is at Triton at a time, which whoever comes next waits for."""

    requests: int
    rows: int
    """Of several calls, in each."""


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
    share: whoever has been given least, and of one caller's whoever came first. While somebody asks little
    beside one who asks much, less is sent ahead (docs/adr/0057).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._usual = self._sparing = Ahead(1, 1)
        self._sparing_until = float("-inf")
        self._under_way = 0
        self._in_hand: Counter[tuple[int, str]] = Counter()
        """Calls of each caller and priority that wait or are under way."""
        self._waiting: list[tuple[int, int, int, Call[T]]] = []
        self._turn = 0
        """That of the call that was taken last: the first of several callers have the same."""
        self._next: dict[str, int] = {}
        """Each caller's next turn, where it lies ahead."""
        self._arrivals = itertools.count()

    def allow(self, usual: Ahead, sparing: Ahead) -> None:
        """How many turns at a time from now on, and how many rows of several calls in each; at first it is
        one. `sparing` holds while somebody asks little.
        """
        self._usual, self._sparing = usual, sparing

    def add(self, call: Call[T]) -> None:
        """Has it wait for its turn."""
        turn = max(self._turn, self._next.get(call.caller, 0))
        self._next[call.caller] = turn + 1
        heapq.heappush(self._waiting, (call.priority, turn, next(self._arrivals), call))
        self._in_hand[_who(call)] += 1
        own = self._in_hand[_who(call)]
        if own <= self._sparing.requests and own * _LITTLE <= max(self._in_hand.values()):
            self._sparing_until = self._clock() + _SPARING_S

    def take(self) -> list[Call[T]]:
        """The calls of the next turn, which `give_back` ends; none where all turns are taken, or nobody
        waits.
        """
        ahead = self._sparing if self._clock() < self._sparing_until else self._usual
        free = ahead.requests - self._under_way
        if free <= 0 or self._first() is None:
            return []
        most = -(-len(self._waiting) // free)  # the turns that are free share those who wait
        first = self._pop()
        taken, rows, of_caller = [first], first.rows, Counter([first.caller])
        while len(taken) < most and (call := self._first()) is not None:
            rows += call.rows
            of_caller[call.caller] += 1
            if (
                call.kind != first.kind
                or rows > ahead.rows
                # Whoever asks little does not wait for the many of another one.
                or of_caller[call.caller] > of_caller[first.caller]
            ):
                break  # it goes next: nobody passes it
            taken.append(self._pop())
        self._under_way += 1
        if not self._waiting:
            self._next.clear()
        return taken

    def give_back(self, taken: Iterable[Call[T]]) -> None:
        """Ends the turn of these calls."""
        self._under_way -= 1
        for call in taken:
            self._let_go(call)

    def _let_go(self, call: Call[T]) -> None:
        who = _who(call)
        self._in_hand[who] -= 1
        if not self._in_hand[who]:
            del self._in_hand[who]

    def _first(self) -> Call[T] | None:
        while self._waiting and self._waiting[0][-1].answer.done():
            self._let_go(heapq.heappop(self._waiting)[-1])
        return self._waiting[0][-1] if self._waiting else None

    def _pop(self) -> Call[T]:
        _, turn, _, call = heapq.heappop(self._waiting)
        self._turn = max(self._turn, turn)
        return call


def _who(call: Call[T]) -> tuple[int, str]:
    return call.priority, call.caller
