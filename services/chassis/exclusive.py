"""A folder or a file that one process at a time works on."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.1


class HeldError(Exception):
    """Another process has it."""


def hold(path: Path) -> IO[bytes]:
    """Holds the lock file `path`, made where it is missing, until it is closed or the process has ended.

    Raises HeldError, and OSError where the file cannot be made.
    """
    lock = path.open("wb")
    try:
        take(lock.fileno())
    except (HeldError, OSError) as error:
        lock.close()
        raise HeldError from error
    return lock


def take(file: int) -> None:
    """Takes the lock of an open file, without a wait. Raises HeldError, and OSError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HeldError from None


async def patiently(attempt: Callable[[], Awaitable[T]], wait_s: float) -> T:
    """What `attempt` returns, which is made again while it raises HeldError: for `wait_s` seconds, then that
    goes through. Nobody waits inside of `flock`: a thread that does can be neither bounded nor ended.
    """
    until, pause_s = time.monotonic() + wait_s, _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except HeldError:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
