"""Files that are there after a power cut: written, synced, renamed, and the folder synced too.

Names say nothing: people name files after patients, and identifiers of objects can be looked up in an
archive.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from services.chassis.append_only import sync_folder

_HASH_CHUNK_BYTES = 1024 * 1024
_META_START = 132
"""Preamble and `DICM`."""
_GROUP_LENGTH_ELEMENT = 12
"""Bytes of (0002,0000) UL, whose value is how many bytes of file meta information follow it."""


class Spool:
    """The folder: `arriving/` for what is being taken, `objects/` for what was, `results/` for what was
    made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arriving = folder / "arriving"
        self.objects = folder / "objects"
        self.results = folder / "results"
        for one in (folder, self.arriving, self.objects, self.results):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            one.chmod(0o700)

    def sweep(self, known: set[str]) -> int:
        """Deletes what no success was ever answered for: whatever arrived or was kept and is not `known`.

        Only at the start: nobody else may be writing. Returns how many files.
        """
        left = list(self.arriving.iterdir())
        left += [file for file in self.objects.iterdir() if file.name not in known]
        left += [file for file in self.results.iterdir() if file.name not in known]
        for file in left:
            file.unlink()
        return len(left)

    def keep(self, arrived: Path, name: str) -> Path:
        """Makes a file in `arriving/` a durable one in `objects/`."""
        with arrived.open("rb") as file:
            os.fsync(file.fileno())
        kept = self.objects / name
        arrived.rename(kept)
        sync_folder(self.objects)
        return kept

    def write_result(self, name: str, content: bytes) -> Path:
        """Writes a durable file in `results/`, in place of one of that name."""
        with tempfile.NamedTemporaryFile(dir=self.arriving, delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        kept = self.results / name
        Path(file.name).rename(kept)
        sync_folder(self.results)
        return kept

    def free_bytes(self) -> int:
        """Free space of its disk."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize


def dataset_digest(path: Path) -> str:
    """SHA-256 of a DICOM file behind its file meta information, which every archive writes anew.

    ValueError: it does not begin as a DICOM file does.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(_META_START + _GROUP_LENGTH_ELEMENT)
        element = start[_META_START:]
        if start[128:_META_START] != b"DICM" or element[:8] != b"\x02\x00\x00\x00UL\x04\x00":
            raise ValueError("it does not begin with the file meta information of PS3.10")
        file.seek(len(start) + int.from_bytes(element[8:], "little"))
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
