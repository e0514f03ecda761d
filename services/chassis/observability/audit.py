"""Who called what, and how it ended: one line of JSON a call, chained by digests, without patient data. Of
refusals that come in numbers, those that are alike share a line, which says how many they are.

The log is kept beside the request log because it must last: it is appended to, never rotated here, and what
is metered (`medmesh usage`) is counted from it, so that the two cannot differ. Each line holds the SHA-256 of
the line before; `faults` finds lines that were changed, inserted, removed or moved. What was cut off at the
end shows in the count of a copy that is kept elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.chassis.append_only import append_line, last_record

PATTERN = "calls-*.jsonl"
"""Of the files of a folder, one a service."""
COUNT = "count"
"""Of a record: how many calls it stands for; without it one."""
_PREVIOUS = "previous_sha256"
_MINIMUM_FREE_BYTES = 1 << 20


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
        self._failure = ""

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends a record of JSON's types, in some 50 µs. Never raises: `problem` says what went wrong."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._append(record)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        except OSError as error:
            self._failure = f"calls cannot be audited ({error.strerror})"
        else:
            self._failure = ""

    async def problem(self) -> str:
        """Why calls cannot be audited now, in one sentence; empty: they can."""
        try:
            state = os.fstatvfs(self._file)
        except OSError as error:
            return f"the audit log cannot be read ({error.strerror})"
        if state.f_bavail * state.f_frsize < _MINIMUM_FREE_BYTES:
            return "the disk of the audit log is full"
        return self._failure

    def close(self) -> None:
        """Ends it."""
        os.close(self._file)

    def _append(self, record: Mapping[str, Any]) -> None:
        if os.fstat(self._file).st_size != self._end:  # another process, or the run before, has written
            self._last = last_record(self._file, _sha256_of_record) or ""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **record, _PREVIOUS: self._last}, separators=(",", ":")).encode()
        append_line(self._file, line, durable=False)
        self._end, self._last = os.fstat(self._file).st_size, hashlib.sha256(line).hexdigest()


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file; a line that is none is left out: `faults` names it."""
    for line in path.read_bytes().splitlines():
        if (record := _record(line)) is not None:
            yield record


def faults(lines: Iterable[bytes]) -> list[Fault]:
    """What is wrong with the lines of a file; empty when each follows the one before it."""
    found, previous = [], ""
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is None:
            found.append(Fault(number, "The line is no record: it was cut off in writing, or changed."))
            continue
        if record.get(_PREVIOUS) != previous:
            problem = "The record does not follow the one before it: one was changed, or records are missing."
            found.append(Fault(number, problem))
        previous = hashlib.sha256(line).hexdigest()
    return found


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and _PREVIOUS in record else None


def _sha256_of_record(line: bytes) -> str:
    if _record(line) is None:
        raise ValueError("no record")
    return hashlib.sha256(line).hexdigest()
