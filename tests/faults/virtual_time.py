"""An event loop whose time passes only while nothing else is to be done, so that hours take moments and each
run of the same program is the same.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")


class StuckError(Exception):
    """Everybody waits for somebody else: nothing will ever happen again."""


class _Selector(selectors.SelectSelector):
    """Waits for no socket: the time that it would wait has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StuckError
        self.now_s += max(timeout, 0.0)
        return []


class _Inline(ThreadPoolExecutor):
    """Does what threads are asked for at once: it takes no time here."""

    def submit(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)
        self.set_default_executor(_Inline())

    def time(self) -> float:
        return self._clock.now_s


def run(program: Coroutine[Any, Any, T]) -> T:
    """What `program` returns. `time.monotonic` is the loop's clock meanwhile. Raises StuckError."""
    loop = VirtualLoop()
    with mock.patch("time.monotonic", loop.time):
        try:
            return loop.run_until_complete(program)
        finally:
            loop.close()
