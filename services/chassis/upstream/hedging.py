"""When a call is late enough to be made a second time, and how many may be."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

_KNOWN_COUNT = 200
_LEAST_COUNT = 20
_LATE_SHARE, _LATER_SHARE = 0.95, 0.98
_LEAST_S = 0.025
"""What is over sooner is not worth a second call, whatever its pace."""
_BURST_COUNT = 5


class Pace:
    """How long the last calls of one rpc took, and so from when on one is late."""

    def __init__(self) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []

    def record(self, elapsed_s: float) -> None:
        """Adds a call that was answered."""
        if len(self._last) == _KNOWN_COUNT:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        self._last.append(elapsed_s)
        insort(self._sorted, elapsed_s)

    def late_s(self, *, spare: bool = True) -> float | None:
        """Seconds that 95 % of the last calls did not take, 98 % where there is little to spare; None: too
        few are known.
        """
        if len(self._sorted) < _LEAST_COUNT:
            return None
        share = _LATE_SHARE if spare else _LATER_SHARE
        return max(self._sorted[int(len(self._sorted) * share)], _LEAST_S)


class HedgeBudget:
    """Second calls, at most a share of the first ones, beside a burst of five."""

    def __init__(self, share: float) -> None:
        """`share`: of the first calls; 0: none at all, the burst neither."""
        self._share = share
        self._left = float(_BURST_COUNT if share else 0)

    @property
    def has_spare(self) -> bool:
        """Whether half of the burst is left; else the latest alone are worth it."""
        return self._left > _BURST_COUNT / 2

    def called(self) -> None:
        """A first call is made."""
        self._left = min(self._left + self._share, _BURST_COUNT)

    def take(self) -> bool:
        """Whether a second call may be made now."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
