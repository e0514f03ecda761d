"""How much to ask at the same time: as much as is taken, and less when something is refused.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989): each round of answers allows
one more, a refusal halves, and for as long as the refusal asks nothing is sent at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_DOUBLINGS = 30
"""No pause gets longer by more of them."""


def pause_s(failures: int, first_s: float, longest_s: float) -> float:
    """How long to wait after so many failures (from 1): twice as long each time."""
    return float(min(first_s * 2 ** min(failures - 1, _DOUBLINGS), longest_s))


class Pressure:
    """The number of items at work, between 1 and `most`."""

    def __init__(self, most: int, start: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = most
        self._limit = float(min(start, most))
        self._resume = 0.0
        self._cut = -1.0
        self.refusals = 0
        """How often something was refused."""

    @property
    def limit(self) -> int:
        """How many may be at work."""
        return int(self._limit)

    def free(self, at_work: int) -> int:
        """How many more may be begun now."""
        return max(self.limit - at_work, 0) if self.pause_s == 0 else 0

    @property
    def pause_s(self) -> float:
        """For how long nothing is to be begun."""
        return max(self._resume - self._clock(), 0.0)

    def answered(self, at_work: int) -> None:
        """An item ended. Where fewer were at work than may be, that says nothing of the limit."""
        if at_work >= self.limit:
            self._limit = min(self._limit + 1.0 / self._limit, float(self._most))

    def refused(self, begun: float, after_s: float) -> None:
        """An item that was begun at that time (of the clock) was refused: ask again after so long.

        What was begun before the last cut says nothing of what came after it.
        """
        self.refusals += 1
        now = self._clock()
        self._resume = max(self._resume, now + after_s)
        if begun > self._cut:
            self._cut = now
            self._limit = max(self._limit / 2.0, 1.0)
