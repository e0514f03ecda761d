"""A circuit breaker: an upstream that failed often is left alone for a while."""

from __future__ import annotations

import time

_FAILURES = 5
_OPEN_S = 5.0


class Breaker:
    """Refuses calls for a while after several failures in a row; then lets one through to try."""

    def __init__(self, failure_count: int = _FAILURES, open_s: float = _OPEN_S) -> None:
        self._limit = failure_count
        self._open_s = open_s
        self._failures = 0
        self._opened_at = 0.0
        self._trying = False
        self.reason = ""
        """How the last call failed, while failures follow each other: a status of gRPC, or `SILENT`."""

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for one that tries."""
        return self._failures >= self._limit

    @property
    def state(self) -> str:
        """`closed`, `open`, or `half-open`: the next call tries, or one does."""
        if not self.is_open:
            return "closed"
        return "half-open" if self._trying or self._is_due else "open"

    @property
    def _is_due(self) -> bool:
        return time.monotonic() - self._opened_at >= self._open_s

    def admit(self) -> bool:
        """Whether a call may be made now."""
        if self._failures < self._limit:
            return True
        if self._trying or not self._is_due:
            return False
        self._trying = True
        return True

    def release(self) -> None:
        """Tells that a call ended without showing anything of the upstream."""
        self._trying = False

    def record(self, *, alive: bool, reason: str = "") -> None:
        """Tells how a call went: `alive` when the upstream answered, be it with an error of its own."""
        self._trying = False
        self._failures = 0 if alive else self._failures + 1
        self.reason = "" if alive else reason
        if self._failures >= self._limit:
            self._opened_at = time.monotonic()
