"""A zip archive -> its files, each inflated when it is asked for.

Bounded before anything is inflated: the size of the directory, so that listing it costs little; the number
of entries; what they say they inflate to, one by one and together, also relative to the archive. A file is
never inflated beyond what it says. Names are not used to write or open anything, so that it does not matter
what they point to, and never quoted: people name files after patients.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import overload

from services.imaging.images import malformed, too_large, unsupported
from services.imaging.series.limits import SeriesLimits

_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""Of an archive with entries, and of one without."""
_END = b"PK\x05\x06"
_END_BYTES = 22
_LONGEST_COMMENT = 0xFFFF
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_LONGEST_ENTRY_BYTES = 1024
"""Of the directory's entries on average, with name, extra fields and comment."""
_SMALL_BYTES = 16 * 1024 * 1024
"""What files may inflate to whatever the size of their archive."""
_LARGE_BYTES = 256_000_000
"""What a single file may inflate to by `max_inflation` alone: it is held as a whole."""
_PIECE_BYTES = 1 << 20
_ENCRYPTED = 0x1
_CLUTTER = frozenset({"dicomdir", ".ds_store", "thumbs.db", "desktop.ini", "lockfile", "version"})
"""Files that lie beside images on media and in archives (PS3.10 8.6, operating systems), in lower case."""
_CLUTTER_FOLDER = "__macosx"


def is_archive(data: bytes) -> bool:
    """Whether `data` starts as a zip archive does."""
    return data.startswith(_STARTS)


class Archive(Sequence[bytes]):
    """The files of an archive in its own order, without folders and what systems put beside files.

    `archive[i]` inflates file `i`; nothing that was inflated is kept.
    """

    def __init__(self, data: bytes, limits: SeriesLimits) -> None:
        """Raises InvalidInput: INPUT_TOO_LARGE, INPUT_MALFORMED, INPUT_UNSUPPORTED (encrypted, another
        compression than deflate, ZIP64).
        """
        _check_directory(data, limits)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
            files = [entry for entry in entries if not entry.is_dir()]
        except MemoryError:
            raise
        except Exception as error:  # zipfile raises almost anything on a damaged archive
            raise malformed(_DAMAGED) from error
        if len(entries) > limits.max_member_count:
            raise too_large(f"is an archive of more than {limits.max_member_count} files")
        _check_sizes(files, len(data), limits)
        self._files = [file for file in files if not _is_clutter(file.filename)]
        self.clutter_count = len(files) - len(self._files)
        """Files that are known to be no images by their names, and were left out."""

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        """Raises InvalidInput when the file is damaged."""
        if isinstance(index, slice):
            raise TypeError("the files of an archive are read one by one")
        inflated = io.BytesIO()
        try:
            with self._zip.open(self._files[index]) as file:
                while piece := file.read(_PIECE_BYTES):  # `zipfile` would hold all of it twice for a moment
                    inflated.write(piece)
            return inflated.getvalue()
        except MemoryError:
            raise
        except Exception as error:
            raise malformed(_DAMAGED) from error


def _check_directory(data: bytes, limits: SeriesLimits) -> None:
    """Bounds what listing the archive costs: its directory is read whole, whatever it counts itself."""
    at = data.rfind(_END, max(0, len(data) - _END_BYTES - _LONGEST_COMMENT))
    if at < 0 or at + _END_BYTES > len(data):
        raise malformed(_DAMAGED)
    if data[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(_ZIP64_LOCATOR):
        raise unsupported("is a ZIP64 archive; write it without, as its size allows")
    (count, directory_bytes) = struct.unpack_from("<HI", data, at + 10)
    if count > limits.max_member_count or directory_bytes > limits.max_member_count * _LONGEST_ENTRY_BYTES:
        raise too_large(f"is an archive of more than {limits.max_member_count} files")


def _check_sizes(files: list[zipfile.ZipInfo], archive_bytes: int, limits: SeriesLimits) -> None:
    for file in files:
        if file.flag_bits & _ENCRYPTED:
            raise unsupported("is an encrypted archive; send it without a password")
        if file.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise unsupported("is an archive of another compression than deflate")
        if file.file_size > limits.max_file_bytes:
            raise too_large(f"is an archive with a file of more than {limits.max_file_bytes / 2**20:g} MiB")
        if file.file_size > max(_LARGE_BYTES, limits.max_large_inflation * archive_bytes):
            raise too_large(
                f"is an archive with a file of more than {_LARGE_BYTES // 10**6} MB that inflates to more "
                f"than {limits.max_large_inflation:g} times the archive's size"
            )
    inflated = sum(file.file_size for file in files)
    if inflated > limits.max_inflated_bytes:
        raise too_large(f"is an archive of more than {limits.max_inflated_bytes / 2**20:g} MiB once inflated")
    if inflated > _SMALL_BYTES and inflated > limits.max_inflation * archive_bytes:
        raise too_large(f"is an archive that inflates to more than {limits.max_inflation:g} times its size")


def _is_clutter(name: str) -> bool:
    *folders, last = name.replace("\\", "/").lower().split("/")
    return _CLUTTER_FOLDER in folders or last in _CLUTTER or last.startswith("._")


_DAMAGED = "is an archive that is truncated or damaged"
