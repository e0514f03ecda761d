"""The files of a `multipart/related` message (RFC 2387), each written as it comes: neither the message nor
a part of it is ever in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

_CHUNK_BYTES = 256 * 1024
_HEADERS_LIMIT_BYTES = 16 * 1024


class Malformed(ValueError):  # noqa: N818 - named for what is wrong
    """It is not such a message, or ends before its end; the text says which, and quotes nothing."""


class TooLarge(ValueError):  # noqa: N818 - as above
    """A part is larger than it may be."""


def boundary_of(content_type: str) -> bytes:
    """The boundary of a message with this Content-Type. Raises Malformed."""
    parsed = Message()
    parsed["content-type"] = content_type
    boundary = parsed.get_param("boundary")
    if parsed.get_content_type() != "multipart/related" or not isinstance(boundary, str) or not boundary:
        raise Malformed('the content type must be multipart/related; type="application/dicom"; boundary=…')
    return boundary.encode("latin-1", "replace")


def files(
    read: Callable[[int], bytes], boundary: bytes, new_file: Callable[[], Path], limit_bytes: int
) -> Iterator[Path]:
    """The parts, each in a file of its own, which is then the caller's. `read` gives the next bytes, none
    at the end.

    Raises Malformed, TooLarge.
    """
    reader = _Reader(read, b"\r\n--" + boundary)
    reader.copy(lambda _: None, limit_bytes)  # what comes before the first part is nobody's
    while not reader.ends():
        reader.headers()
        path = new_file()
        try:
            with path.open("wb") as file:
                reader.copy(file.write, limit_bytes)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        yield path


class _Reader:
    def __init__(self, read: Callable[[int], bytes], delimiter: bytes) -> None:
        self._read = read
        self._delimiter = delimiter
        self._buffer = bytearray(b"\r\n")  # the first delimiter may stand at the very start

    def _more(self) -> None:
        chunk = self._read(_CHUNK_BYTES)
        if not chunk:
            raise Malformed("the message ends before its last boundary")
        self._buffer += chunk

    def copy(self, write: Callable[[bytes], object], limit_bytes: int) -> None:
        """Copies what stands before the next delimiter, and steps behind that."""
        copied = 0
        while (found := self._buffer.find(self._delimiter)) < 0:
            safe = len(self._buffer) - len(self._delimiter) + 1
            if safe > 0:
                copied += safe
                if copied > limit_bytes:
                    raise TooLarge
                write(bytes(self._buffer[:safe]))
                del self._buffer[:safe]
            self._more()
        if copied + found > limit_bytes:
            raise TooLarge
        write(bytes(self._buffer[:found]))
        del self._buffer[: found + len(self._delimiter)]

    def ends(self) -> bool:
        """Whether the delimiter was the last one."""
        while len(self._buffer) < 2:
            self._more()
        return self._buffer.startswith(b"--")

    def headers(self) -> None:
        """Steps behind the headers of a part: what it is, its bytes say."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEADERS_LIMIT_BYTES:
                raise Malformed("the headers of a part do not end")
            self._more()
        del self._buffer[: end + 4]
