"""Computing beside the event loop, where it takes longer than the way to a thread and back.

Python runs one thread at a time: one that computes holds the loop up for `sys.getswitchinterval()` (5 ms) at
a time. What takes a millisecond or two is done sooner, and for less, where it is asked for; what goes on for
long gives way ten times as often, since a request passes through the loop some thirty times.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONG_S = 0.1
_USUAL_S = sys.getswitchinterval()
_WHILE_LONG_S = _USUAL_S / 10


async def off_loop(
    is_short: bool,
    pool: Executor | None,
    work: Callable[P, T],
    /,
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """What `work` makes of the arguments: at once where it is short, else in a thread (of asyncio's own
    where `pool` is None), within the current context.
    """
    if is_short:
        return work(*arguments, **options)
    context = copy_context()
    loop = asyncio.get_running_loop()
    stretch = _Stretch(loop)

    def run() -> T:
        with stretch:
            return context.run(work, *arguments, **options)

    try:
        return await loop.run_in_executor(pool, run)
    finally:
        stretch.nobody_waits()


def abandoned_count() -> int:
    """Pieces of work that go on in a thread though nobody waits for them: a thread cannot be stopped."""
    return _Stretch.abandoned_count


class _Stretch:
    """One piece of work in its thread, which is long once it has run for `LONG_S`. It may outlast whoever
    waits for it, and may never begin where nobody does.
    """

    _lock = threading.Lock()
    _long_count = 0
    abandoned_count = 0
    """Pieces that are computed though nobody waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._runs = self._has_ended = self._is_long = self._is_abandoned = False
        self._timer = loop.call_later(LONG_S, self._look)

    def __enter__(self) -> None:
        self._runs = True

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._runs, self._has_ended = False, True
            if self._is_long:
                self._count(-1)
            if self._is_abandoned:
                type(self).abandoned_count -= 1

    def nobody_waits(self) -> None:
        """It has ended, will not begin, or goes on for nobody."""
        with self._lock:
            if self._runs:
                self._is_abandoned = True
                type(self).abandoned_count += 1
            else:
                self._timer.cancel()

    def _look(self) -> None:
        with self._lock:
            if self._runs:
                self._is_long = True
                self._count(1)
            elif not self._has_ended:  # it waits for a thread
                self._timer = self._loop.call_later(LONG_S, self._look)

    @classmethod
    def _count(cls, change: int) -> None:
        cls._long_count += change
        sys.setswitchinterval(_WHILE_LONG_S if cls._long_count else _USUAL_S)
