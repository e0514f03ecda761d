"""The uploads of one process: files without names, bounded, bound to their owner, deleted when they expire.

A file has no name (O_TMPFILE; where the file system does not know that, it is unlinked as soon as it is
made): nobody else can open it, and it is gone when the process is, however that ends. All methods block for
as long as the disk takes.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from services.chassis.errors import InvalidInput, Overloaded, Reason, UploadUnknown
from services.chassis.uploads.settings import UploadSettings

_ID_BYTES = 32


@dataclass(frozen=True)
class Upload:
    """How an upload stands."""

    upload_id: str = field(repr=False)
    size_bytes: int
    committed_bytes: int
    expires_in_s: float


@dataclass
class _Held:
    owner: str
    size: int
    file: BinaryIO
    expires_at: float
    committed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Uploads:
    """Holds uploads. An owner is the name of an identity; what another started does not exist for it."""

    def __init__(self, settings: UploadSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError when the folder cannot be written."""
        self._settings = settings
        self._clock = clock
        self._new_file().close()
        self._held: dict[str, _Held] = {}
        self._read_bytes = 0
        self._lock = threading.Lock()

    def start(self, owner: str, size_bytes: int) -> Upload:
        """Raises InvalidInput (INPUT_TOO_LARGE) and Overloaded."""
        limits = self._settings
        if size_bytes > limits.maximum_upload_bytes:
            raise InvalidInput(
                Reason.INPUT_TOO_LARGE,
                "size_bytes",
                f"is more than the {limits.maximum_upload_bytes / 2**20:g} MiB that an upload may have",
            )
        self.sweep()
        with self._lock:
            held = self._held.values()
            if (
                len(held) >= limits.maximum_upload_count
                or sum(one.size for one in held) + size_bytes > limits.maximum_held_upload_bytes
                or sum(one.size for one in held if one.owner == owner) + size_bytes
                > limits.maximum_caller_upload_bytes
            ):
                raise Overloaded
            upload_id = secrets.token_urlsafe(_ID_BYTES)
            one = self._held[upload_id] = _Held(owner, size_bytes, self._new_file(), self._expiry())
        return self._shown(upload_id, one)

    def write(self, owner: str, upload_id: str, offset_bytes: int, chunk: bytes) -> Upload:
        """Appends `chunk`. Raises UploadUnknown, and InvalidInput when it starts or ends where it may not."""
        with self._open(owner, upload_id) as one:
            if offset_bytes != one.committed:
                raise InvalidInput(
                    Reason.INPUT_INCONSISTENT,
                    "offset_bytes",
                    "is not where the last chunk ended; QueryUpload says where that is",
                )
            if offset_bytes + len(chunk) > one.size:
                raise InvalidInput(
                    Reason.INPUT_TOO_LARGE, "chunk", "goes beyond the size that the upload was started with"
                )
            _write(one.file, offset_bytes, chunk)
            one.committed += len(chunk)
            return self._shown(upload_id, one)

    def query(self, owner: str, upload_id: str) -> Upload:
        """Raises UploadUnknown."""
        with self._lock:
            return self._shown(upload_id, self._of(owner, upload_id))

    def complete(self, owner: str, upload_id: str) -> Upload:
        """The upload, which has arrived whole. Raises UploadUnknown, and InvalidInput when it has not."""
        upload = self.query(owner, upload_id)
        if upload.committed_bytes < upload.size_bytes:
            raise InvalidInput(
                Reason.INPUT_INCONSISTENT, "upload_id", "names an upload of which parts are still missing"
            )
        return upload

    def cancel(self, owner: str, upload_id: str) -> None:
        """Deletes an upload; does nothing when the owner has none of this id."""
        with self._lock:
            one = self._held.get(upload_id)
            if one is not None and one.owner == owner:
                self._drop(upload_id)

    def part(self, owner: str, upload_id: str, offset_bytes: int, length: int) -> bytes:
        """Some bytes of an upload, fewer at its end. Raises UploadUnknown."""
        with self._open(owner, upload_id) as one:
            one.file.seek(offset_bytes)
            return one.file.read(length)

    @contextmanager
    def content(self, owner: str, upload_id: str) -> Iterator[bytes]:
        """The whole file, in memory within the block. Raises as `complete`, and Overloaded."""
        size = self.complete(owner, upload_id).size_bytes
        with self._lock:
            if self._read_bytes + size > self._settings.maximum_read_upload_bytes:
                raise Overloaded
            self._read_bytes += size
        try:
            yield self.part(owner, upload_id, 0, size)
        finally:
            with self._lock:
                self._read_bytes -= size

    def sweep(self) -> None:
        """Deletes what has expired."""
        now = self._clock()
        with self._lock:
            for upload_id in [key for key, one in self._held.items() if one.expires_at <= now]:
                self._drop(upload_id)

    def close(self) -> None:
        """Deletes everything."""
        with self._lock:
            for upload_id in list(self._held):
                self._drop(upload_id)

    @contextmanager
    def _open(self, owner: str, upload_id: str) -> Iterator[_Held]:
        """The upload, which nobody else reads, writes or deletes within the block."""
        with self._lock:
            one = self._of(owner, upload_id)
        with one.lock:
            if one.file.closed:  # deleted in the meantime
                raise UploadUnknown
            yield one
            one.expires_at = self._expiry()

    def _of(self, owner: str, upload_id: str) -> _Held:
        one = self._held.get(upload_id)
        if one is None or one.owner != owner or one.expires_at <= self._clock():
            raise UploadUnknown
        return one

    def _drop(self, upload_id: str) -> None:
        one = self._held.pop(upload_id)
        with one.lock:
            one.file.close()

    def _new_file(self) -> BinaryIO:
        return tempfile.TemporaryFile(dir=self._settings.upload_folder, buffering=0)

    def _expiry(self) -> float:
        return self._clock() + self._settings.upload_expiry_s

    def _shown(self, upload_id: str, one: _Held) -> Upload:
        return Upload(upload_id, one.size, one.committed, one.expires_at - self._clock())


def _write(file: BinaryIO, offset_bytes: int, chunk: bytes) -> None:
    """Raises Overloaded when the disk is full; what was written beyond the committed bytes does not count."""
    left = memoryview(chunk)
    try:
        file.seek(offset_bytes)
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise Overloaded from error
