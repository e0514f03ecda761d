"""Images that a request names by their address: read only below the prefixes that the operator allows.

An address is refused unless it lies below a prefix as both are written, without a step upwards, an encoded
separator or a user name; a file also unless it lies there once links are followed. Redirects are not
followed.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from services.chassis.errors import InvalidInput, Reason
from services.imaging.images import too_large, unsupported

FIELD = "sources.uri"
_READ_AT_ONCE = 1 << 20


class AddressReader:
    """Reads `https://…` and `file://…` addresses; blocking, so call it from a pool."""

    def __init__(
        self, prefixes: str, *, max_bytes: int, timeout_s: float = 20.0, tls: SSLContext | None = None
    ) -> None:
        """`prefixes`: separated by spaces, each of one of the two schemes and ending with `/`; empty: every
        address is refused. Raises ValueError on another prefix.
        """
        self._prefixes = tuple(prefixes.split())
        for prefix in self._prefixes:
            if urlsplit(prefix).scheme not in {"https", "file"} or not prefix.endswith("/"):
                raise ValueError("a prefix starts with https:// or file:// and ends with /")
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        handlers: list[Any] = [_NoRedirects(), urllib.request.ProxyHandler({})]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=tls))
        self._opener = urllib.request.build_opener(*handlers)

    def read(self, uri: str) -> bytes:
        """The bytes at the address. Raises InvalidInput, which does not quote it."""
        if not self._prefixes:
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED,
                FIELD,
                "is not read here: no address is allowed (MEDMESH_IMAGE_URI_PREFIXES); send the bytes",
            )
        parts = _plain(uri)
        if parts is None or not uri.startswith(self._prefixes):
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED, FIELD, "is not below an address that is allowed here"
            )
        if parts.scheme == "file":
            return self._file(parts)
        return self._fetched(uri)

    def _file(self, parts: SplitResult) -> bytes:
        path = Path(unquote(parts.path))
        roots = [Path(unquote(urlsplit(p).path)).resolve() for p in self._prefixes if p.startswith("file:")]
        try:
            real = path.resolve(strict=True)
            if not any(real.is_relative_to(root) for root in roots) or not real.is_file():
                raise _absent()
            if real.stat().st_size > self._max_bytes:
                raise self._too_large()
            return real.read_bytes()
        except OSError as error:
            raise _absent() from error

    def _fetched(self, uri: str) -> bytes:
        try:
            with self._opener.open(uri, timeout=self._timeout_s) as response:
                data = bytearray()
                while part := response.read(_READ_AT_ONCE):
                    data += part
                    if len(data) > self._max_bytes:
                        raise self._too_large()
                return bytes(data)
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            raise _absent() from error
        except (OSError, ValueError) as error:
            raise _absent() from error

    def _too_large(self) -> InvalidInput:
        return too_large(f"is larger than {self._max_bytes / 2**20:g} MiB")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """A redirect could lead beyond what is allowed; it is answered as an error."""


def _plain(uri: str) -> SplitResult | None:
    """The parts of an address that means what it says; None: it does not."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path)
    odd = "\\" in path or "\0" in path or "%2f" in parts.path.lower() or "@" in parts.netloc
    if (
        odd
        or any(step in {".", ".."} for step in path.split("/"))
        or (parts.scheme == "file" and parts.netloc)
    ):
        return None
    return parts


def _absent() -> InvalidInput:
    return unsupported("names an address that cannot be read")
