"""The log of receipts: append-only, hash-chained, one DSSE envelope a line.

The chain runs over the exact bytes of the payloads, of which only the envelope must be understood: a record
of a newer orchestrator, with fields that this one does not know, is a link like any other. The log holds
digests only, but whoever holds it can test guesses, so it is readable by its owner alone.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from medmesh import receipt as receipts
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, ReceiptStatement
from services.chassis import exclusive
from services.chassis.append_only import append_line, last_record
from services.chassis.errors import ReceiptNotWritten
from services.orchestrator.receipts.signing import Signer

FILE = "receipts.jsonl"
MINIMUM_FREE_BYTES = 1 << 20
"""Below it the log says that it cannot take receipts, before a write fails."""
WAIT_S = 1.0
"""So long a record waits for another process to let go of the log; a write of its own takes milliseconds."""
_HELD = "another process holds the receipt log"


class ReceiptLog:
    """The log in one folder. Several processes may share it: a file lock orders their records."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE
        self._signer = signer
        self._end, self._last_sha256 = -1, ""
        """Where this process left the file, and the digest of the payload that it wrote last."""
        self._turn = threading.Lock()
        """Threads of this process wait for each other; for another process nobody waits inside of a lock."""
        # Opened at the start, so that a folder that cannot be written is found before the first answer.
        os.close(self._open())

    async def write(self, statement: ReceiptStatement, wait_s: float = WAIT_S) -> EvidenceReceipt:
        """As `append`, off the event loop; waits at most `wait_s` for another process that holds the log.

        Raises ReceiptNotWritten.
        """
        try:
            return await exclusive.patiently(lambda: asyncio.to_thread(self.append, statement), wait_s)
        except exclusive.HeldError as error:
            raise ReceiptNotWritten(_HELD, metadata={"cause": "LOG_HELD"}) from error

    def append(self, statement: ReceiptStatement) -> EvidenceReceipt:
        """Chains `statement` to the last record, seals it, writes it to disk, and returns it. Blocks.

        Raises ReceiptNotWritten where the disk does not take it, and HeldError where another process holds
        the log; the log is then as it was.
        """
        try:
            with self._turn:
                return self._append(statement)
        except OSError as error:
            raise ReceiptNotWritten from error

    async def problem(self) -> str:
        """Why the log cannot take receipts now, in one sentence; empty: it can."""
        try:
            return await exclusive.patiently(lambda: asyncio.to_thread(self._problem), WAIT_S)
        except exclusive.HeldError:
            return _HELD

    def _problem(self) -> str:
        try:
            state = os.statvfs(self.path.parent)
        except OSError as error:
            return f"the receipt folder cannot be read ({error.strerror})"
        if state.f_flag & os.ST_RDONLY or not os.access(self.path, os.W_OK):
            return "the receipt log cannot be written"
        if state.f_bavail * state.f_frsize < MINIMUM_FREE_BYTES:
            return "the disk of the receipt folder is full"
        try:
            with self._turn:
                file = self._open()
                try:
                    exclusive.take(file)
                finally:
                    os.close(file)
        except OSError as error:
            return f"the receipt log cannot be opened ({error.strerror})"
        return ""

    def _append(self, statement: ReceiptStatement) -> EvidenceReceipt:
        chained = ReceiptStatement()
        chained.CopyFrom(statement)
        file = self._open()
        try:
            exclusive.take(file)
            if os.fstat(file).st_size != self._end:  # another process, or the run before, has written
                self._last_sha256 = last_record(file, _payload_sha256) or ""
            chained.predicate.previous_payload_sha256 = self._last_sha256
            sealed = self._signer.seal(chained)
            append_line(file, receipts.to_line(sealed).encode(), durable=True)
            self._end, self._last_sha256 = os.fstat(file).st_size, receipts.payload_sha256(sealed)
        finally:
            os.close(file)  # releases the lock
        return sealed

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _payload_sha256(line: bytes) -> str:
    return receipts.payload_sha256(receipts.from_line(line.decode()))
