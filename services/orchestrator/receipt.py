"""Makes evidence receipts and keeps them: an append-only, hash-chained log, one JSON line a receipt.

What a receipt digests, how it is checked and compared is `medmesh.receipt`, which clients have too. The log
holds digests only, but whoever holds it can test guesses, so it is readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from medmesh import receipt as receipts
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import ReceiptNotWritten
from services.orchestrator import fusion
from services.orchestrator.catalogue import Catalogue

FILE = "receipts.jsonl"
SALT_BYTES = 16
_TAIL_BYTES = 65_536
"""A receipt has some 3 KiB; the last whole line lies within so much of the end."""


def fusion_digest(catalogue: Catalogue) -> str:
    """Digest of all that decides what evidence is worth: arithmetic, catalogue, reliabilities."""
    return hashlib.sha256(f"{fusion.VERSION}\0{catalogue.sha256}".encode()).hexdigest()


def draft(case: pb.DiagnosticCase, diagnosis: pb.Diagnosis, catalogue: Catalogue) -> pb.EvidenceReceipt:
    """The receipt of an answer, not yet in the chain."""
    salt = secrets.token_hex(SALT_BYTES)
    now = Timestamp()
    now.GetCurrentTime()
    return pb.EvidenceReceipt(
        receipt_id=secrets.token_hex(16),
        create_time=now,
        inputs=receipts.input_digests(case, salt),
        outputs=receipts.output_digests(diagnosis, salt),
        models=_distinct(_provenances(diagnosis)),
        fusion_sha256=fusion_digest(catalogue),
        salt=salt,
    )


MINIMUM_FREE_BYTES = 1 << 20
"""Below it the log says that it cannot take receipts, before a write fails."""


class ReceiptLog:
    """The log in one folder. Several processes may share it: a file lock orders their records."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE
        # Opened at the start, so that a folder that cannot be written is found before the first answer.
        os.close(self._open())

    def append(self, receipt: pb.EvidenceReceipt) -> pb.EvidenceReceipt:
        """Chains `receipt` to the last record, writes it to disk, returns it sealed. Blocks.

        Raises ReceiptNotWritten where the disk does not take it; the log is then as it was.
        """
        try:
            return self._append(receipt)
        except OSError as error:
            raise ReceiptNotWritten from error

    def problem(self) -> str:
        """Why the log cannot take receipts now, in one sentence; empty: it can."""
        try:
            state = os.statvfs(self.path.parent)
        except OSError as error:
            return f"the receipt folder cannot be read ({error.strerror})"
        if state.f_flag & os.ST_RDONLY or not os.access(self.path, os.W_OK):
            return "the receipt log cannot be written"
        if state.f_bavail * state.f_frsize < MINIMUM_FREE_BYTES:
            return "the disk of the receipt folder is full"
        return ""

    def _append(self, receipt: pb.EvidenceReceipt) -> pb.EvidenceReceipt:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            previous, torn = _last_record(file)
            sealed = pb.EvidenceReceipt()
            sealed.CopyFrom(receipt)
            sealed.previous_sha256 = previous
            sealed.record_sha256 = receipts.record_digest(sealed)
            # A torn line stays as it is, for `verify_chain` to show; the record begins on a line of its own.
            _write_whole(file, ("\n" if torn else "") + receipts.to_line(sealed) + "\n")
        finally:
            os.close(file)  # releases the lock
        return sealed

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _last_record(file: int) -> tuple[str, bool]:
    """`record_sha256` of the last whole record (empty: none), and whether the file ends in a torn line."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    torn = bool(tail) and not tail.endswith(b"\n")
    for line in reversed(tail.split(b"\n")):
        try:
            return receipts.from_line(line.decode()).record_sha256, torn
        except ValueError:  # torn, empty, or the cut beginning of the tail
            continue
    return "", torn


def _write_whole(file: int, text: str) -> None:
    """Appends all of `text` and has it on disk, or leaves the file as it was and raises OSError."""
    size = os.fstat(file).st_size
    left = memoryview(text.encode())
    try:
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)  # the lock is held: nobody has written behind it
        raise


def _provenances(diagnosis: pb.Diagnosis) -> Iterable[Provenance]:
    for image in diagnosis.images:
        yield image.analysis.provenance
    if diagnosis.HasField("note"):
        yield diagnosis.note.provenance
    if diagnosis.HasField("treatments"):
        yield diagnosis.treatments.provenance


def _distinct(provenances: Iterable[Provenance]) -> list[Provenance]:
    seen = {provenance.SerializeToString(deterministic=True): provenance for provenance in provenances}
    return list(seen.values())
