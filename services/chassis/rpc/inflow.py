"""How fast one caller's messages are read while others call too.

To take a message of 16 MB from gRPC holds the event loop for some 20 ms, and one caller can send hundreds of
megabytes a second. What is not read yet waits at the caller, behind HTTP/2's windows, and costs nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from services.chassis.rpc.lately import Lately

_BURST_S = 0.25
_LATELY_S = 5.0
"""Others count for so long after their last message."""


@dataclass
class _Caller:
    free_at: float = 0.0
    """When its next message may be read, on the monotonic clock."""
    typical_bytes: int = 0
    """Of its last message: taken for that of the one that is being read."""
    at: float = 0.0
    """When it was read, or the caller came."""


class Inflow:
    """Of one event loop. A caller who is alone is read as fast as it sends."""

    def __init__(self, bytes_per_s: float, held: Mapping[str, int]) -> None:
        """0: any rate. `held`: bytes of each caller that were read and are not answered yet."""
        self._bytes_per_s = bytes_per_s
        self._held = held
        self._callers: Lately[_Caller] = Lately(
            lambda caller: max(caller.at, caller.free_at) <= time.monotonic() - _LATELY_S
        )

    async def turn(self, name: str) -> int:
        """Waits until the caller's next message may be read; `took` is to be told what this returns."""
        if not self._bytes_per_s:
            return 0
        while (wait_s := self._wait_s(name)) > 0:  # noqa: ASYNC110 - when is known
            await asyncio.sleep(wait_s)
        caller = self._of(name)
        self._charge(name, caller, caller.typical_bytes)
        return caller.typical_bytes

    def took(self, name: str, size_bytes: int, assumed_bytes: int) -> None:
        """A message was read, or, of 0 bytes, none."""
        if not self._bytes_per_s:
            return
        caller = self._of(name)
        self._charge(name, caller, size_bytes - assumed_bytes)
        if size_bytes:
            caller.typical_bytes, caller.at = size_bytes, time.monotonic()
            self._callers.note(name, caller)

    def _of(self, name: str) -> _Caller:
        caller = self._callers.get(name)
        if caller is None:
            caller = _Caller(at=time.monotonic())
            self._callers.note(name, caller)
        return caller

    def _charge(self, name: str, caller: _Caller, size_bytes: int) -> None:
        now = time.monotonic()
        free_at = max(caller.free_at, now - _BURST_S) + size_bytes / self._bytes_per_s
        if not self._is_beside_others(caller, now):
            # Of what was sent alone, at any rate, no more is a debt when another comes than is still to be
            # answered: that comes first.
            owed_bytes = self._held.get(name, 0) + max(size_bytes, 0)
            free_at = min(free_at, now + owed_bytes / self._bytes_per_s)
        caller.free_at = free_at

    def _wait_s(self, name: str) -> float:
        now = time.monotonic()
        caller = self._callers.get(name)
        if caller is None or caller.free_at <= now or not self._is_beside_others(caller, now):
            return 0.0
        return caller.free_at - now

    def _is_beside_others(self, caller: _Caller, now: float) -> bool:
        latest = islice(reversed(self._callers.values()), 2)
        return any(one is not caller and now - one.at < _LATELY_S for one in latest)
