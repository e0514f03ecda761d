"""Who called what, and how it ended: one line of JSON a call, chained by digests, without patient data. Of
refusals that come in numbers, those that are alike share a line, which says how many they are.

The log is kept beside the request log because it must last: it is appended to, never rotated here, and what
is metered (`medmesh usage`) is counted from it, so that the two cannot differ. Each line holds the SHA-256 of
the line before; `faults` finds lines that were changed, inserted, removed or moved. What was cut off at the
end shows in the count of a copy that is kept elsewhere. Lines are forced to disk together, a second after the
first of them at the latest, in a thread: an answer does not wait for that.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from services.chassis import append_only, exclusive
from services.chassis.append_only import append_line, last_record, sync_folder

logger = logging.getLogger("medmesh.audit")

PATTERN = "calls-*.jsonl"
"""Of the files of a folder, one a service."""
COUNT = "count"
"""Of a record: how many calls it stands for; without it one."""
_PREVIOUS = "previous_sha256"
_MINIMUM_FREE_BYTES = 1 << 20
MOST_KEPT = 10_000
"""So many records wait in memory, some 5 MB, while they cannot be written; further ones are lost."""
_AT_ONCE = 500
"""Of those that wait; they take some 5 ms of the event loop."""
_AGAIN_S = 0.25
_WAIT_S = 1.0
"""So long another process may hold the file before health says so, and the end waits for it."""


_SYNC_S = 1.0
"""So long a line may lie with the operating system alone: what a power cut takes."""


@dataclass(frozen=True)
class Fault:
    """A line that is not as it was written; `line` counts from 1."""

    line: int
    problem: str


class AuditLog:
    """The file of one service. Several processes may share it: a lock orders their lines."""

    def __init__(self, folder: Path, service: str) -> None:
        """Raises OSError where the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"calls-{service}.jsonl"
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = -1
        self._last = ""
        self._kept: deque[Mapping[str, Any]] = deque()
        """What is to be written, in order; empty but while the file is held or the disk takes nothing."""
        self._lost_count = 0
        self._again: asyncio.TimerHandle | None = None
        self._disk = ThreadPoolExecutor(1, "audit")
        self._is_to_sync = False
        self._closing = threading.Event()
        self._not_synced = ""
        sync_folder(folder)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends a record of JSON's types, in some 50 µs. Never raises, and never waits: what cannot be
        written now is kept, and written before what comes after it; `problem` says what is wrong.
        """
        if len(self._kept) >= MOST_KEPT:
            self._lost_count += 1
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._kept.append({"time": now, **record})
        if self._again is None:
            self._try()

    async def problem(self) -> str:
        """Why calls cannot be audited now, in one sentence; empty: they can."""

        async def attempt() -> None:
            self._flush()

        if self._not_synced:
            self._sync_soon()  # whoever turns to other replicas meanwhile causes no line
            return f"calls may not be on disk ({self._not_synced})"
        try:
            state = os.fstatvfs(self._file)
            if state.f_bavail * state.f_frsize < _MINIMUM_FREE_BYTES:
                return "the disk of the audit log is full"
            await exclusive.patiently(attempt, _WAIT_S)
        except exclusive.HeldError:
            return "calls cannot be audited (another process holds the audit log)"
        except OSError as error:
            return f"calls cannot be audited ({error.strerror})"
        return ""

    def close(self) -> None:
        """Ends it, with all that was written on disk. What is kept has a second to be written."""
        until = time.monotonic() + _WAIT_S
        while True:
            self._try()
            if not self._kept or time.monotonic() > until:
                break
            time.sleep(_AGAIN_S / 10)
        if self._again is not None:
            self._again.cancel()
        self._tell_lost(self._lost_count + len(self._kept))
        self._closing.set()
        self._disk.shutdown()  # with what is to be synced
        os.close(self._file)

    def _try(self) -> None:
        self._again = None
        with suppress(exclusive.HeldError, OSError):
            self._flush()
        if self._kept:
            with suppress(RuntimeError):  # no event loop: the next line tries again, or the end
                self._again = asyncio.get_running_loop().call_later(_AGAIN_S, self._try)

    def _flush(self) -> None:
        """Writes what is kept, or the first of it. Raises HeldError and OSError, and all is still kept."""
        exclusive.take(self._file)
        try:
            self._append(list(islice(self._kept, _AT_ONCE)))
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _append(self, some: list[Mapping[str, Any]]) -> None:
        if not some:
            return
        if os.fstat(self._file).st_size != self._end:  # another process, or the run before, has written
            self._last = last_record(self._file, sha256_of_record) or ""
        written, last = [], self._last
        for record in some:
            line = json.dumps({**record, _PREVIOUS: last}, separators=(",", ":")).encode()
            last = hashlib.sha256(line).hexdigest()
            written.append(line)
        self._end, self._last = append_line(self._file, b"\n".join(written), durable=False), last
        self._sync_soon()
        for _ in some:
            self._kept.popleft()
        lost_count, self._lost_count = self._lost_count, 0
        self._tell_lost(lost_count)

    def _sync_soon(self) -> None:
        if not self._is_to_sync:
            self._is_to_sync = True
            self._disk.submit(self._sync)

    def _sync(self) -> None:
        """Forces to disk what is written within the next second."""
        self._closing.wait(_SYNC_S)
        self._is_to_sync = False  # what is written from here on has a sync of its own
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._not_synced = error.strerror or "unknown"
            logger.error("calls may not be on disk", extra={"facts": {"problem": self._not_synced}})  # noqa: TRY400
        else:
            self._not_synced = ""

    def _tell_lost(self, count: int) -> None:
        if count:
            logger.error("calls are not in the audit log", extra={"facts": {"count": count}})


def lines(path: Path) -> Iterator[bytes]:
    """The lines of this log, or of the receipts': see `append_only.lines`."""
    return append_only.lines(path)


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file; a line that is none is left out: `faults` names it."""
    for line in lines(path):
        if (record := _record(line)) is not None:
            yield record


def faults(of: Iterable[bytes]) -> list[Fault]:
    """What is wrong with the lines of a file; empty when each follows the one before it."""
    found, previous = [], ""
    for number, line in enumerate(of, start=1):
        record = _record(line)
        if record is None:
            found.append(Fault(number, "The line is no record: it was cut off in writing, or changed."))
            continue
        if record.get(_PREVIOUS) != previous:
            problem = "The record does not follow the one before it: one was changed, or records are missing."
            found.append(Fault(number, problem))
        previous = hashlib.sha256(line).hexdigest()
    return found


def sha256_of_record(line: bytes) -> str:
    """What the next line has of this one. Raises ValueError where it is no record."""
    if _record(line) is None:
        raise ValueError("no record")
    return hashlib.sha256(line).hexdigest()


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and _PREVIOUS in record else None
