"""Files of one record a line that are only appended to: their last record, and writes that are whole or not
there. Whoever writes holds the file's lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

_TAIL_BYTES = 65_536
"""So much of a file's end is read at a time; a record has some hundred bytes to some KiB."""
_WRITTEN_WITHIN_S, _PAUSE_S = 1.0, 0.005
"""So long a writer may hold the lock, and how often its reader looks."""


def lines(path: Path) -> Iterator[bytes]:
    """Each line of a file without its end; one at a time in memory, as such files grow for years."""
    with path.open("rb") as file:
        for line in file:
            whole = line if line.endswith(b"\n") else _once_written(file, line)
            yield whole.rstrip(b"\r\n")


def _once_written(file: BinaryIO, line: bytes) -> bytes:
    """The last line, which its writer may be in the middle of: it then holds the lock."""
    until = time.monotonic() + _WRITTEN_WITHIN_S
    while time.monotonic() < until:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
            continue
        fcntl.flock(file, fcntl.LOCK_UN)
        break
    file.seek(-len(line), os.SEEK_CUR)
    return file.readline()


def last_record(file: int, read: Callable[[bytes], T]) -> T | None:
    """What `read` makes of the last line that is a record; None: there is none.

    `read` raises ValueError for a line that is none: torn, or empty.
    """
    end, tail = os.fstat(file).st_size, b""
    while end > 0:
        start = max(0, end - _TAIL_BYTES)
        tail = os.pread(file, end - start, start) + tail
        end = start
        lines = tail.split(b"\n")
        for line in reversed(lines[1:] if end > 0 else lines):  # the first one may be cut
            try:
                return read(line)
            except ValueError:
                continue
    return None


def append_line(file: int, line: bytes, *, durable: bool) -> int:
    """Appends a line, `durable`: on disk; or leaves the file as it was and raises OSError. Returns the file's
    size.

    A torn line stays as it is, for whoever verifies the file to show; this one begins behind it.
    """
    size = os.fstat(file).st_size
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    left = memoryview((b"\n" if torn else b"") + line + b"\n")
    grown = size + len(left)
    try:
        while left:
            left = left[os.write(file, left) :]
        if durable:
            os.fsync(file)
    except OSError:
        os.ftruncate(file, size)  # the lock is held: nobody has written behind it
        raise
    return grown


def sync_folder(folder: Path) -> None:
    """Forces to disk which files a folder has, so that a new one is found again after a power cut. Raises
    OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
