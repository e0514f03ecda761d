"""A folder or a file that one process at a time works on."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


class HeldError(Exception):
    """Another process has it."""


def hold(path: Path) -> IO[bytes]:
    """Holds the lock file `path`, made where it is missing, until it is closed or the process has ended.

    Raises HeldError, and OSError where the file cannot be made.
    """
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise HeldError from error
    return lock
