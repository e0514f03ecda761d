"""When a part that ended is started again: after a pause that grows, and not for ever."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LIMIT = 5
"""Ends within the window after which a part is given up."""
WINDOW_S = 600.0


class Restarts:
    """Counts the ends of each part."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: defaultdict[str, deque[float]] = defaultdict(deque)
        self._due: dict[str, float] = {}

    def ended(self, name: str, *, as_asked: bool = False) -> float | None:
        """The pause in seconds before `name` is started again; None: it ended too often and is given up.

        `as_asked`: it was asked to end and did so in order, which counts against nothing.
        """
        if as_asked:
            self._due[name] = self._clock() + FIRST_PAUSE_S
            return FIRST_PAUSE_S
        ends, now = self._ends[name], self._clock()
        ends.append(now)
        while ends[0] < now - WINDOW_S:
            ends.popleft()
        if len(ends) > LIMIT:
            return None
        pause: float = min(FIRST_PAUSE_S * 4 ** (len(ends) - 1), LONGEST_PAUSE_S)
        self._due[name] = now + pause
        return pause

    @property
    def waiting(self) -> frozenset[str]:
        """Parts that have ended and are not started again yet."""
        return frozenset(self._due)

    def take_due(self) -> list[str]:
        """The parts to start again now."""
        now = self._clock()
        due = [name for name, at in self._due.items() if at <= now]
        for name in due:
            del self._due[name]
        return due
