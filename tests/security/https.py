"""A caller of an HTTP door, by HTTPS from the event loop of the door itself: two threads that take turns
thousands of times take minutes where a machine is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

UNAUTHENTICATED, DENIED = "UNAUTHENTICATED", "PERMISSION_DENIED"
STATUSES = {401: UNAUTHENTICATED, 403: DENIED}
STREAMS_END = {
    UNAUTHENTICATED: (b'"code": "unauthenticated"', b"grpc-status: 16\r\n"),
    DENIED: (b'"code": "permission_denied"', b"grpc-status: 7\r\n"),
}
PATIENCE_S = 20.0
Headers = dict[str, str]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def refusal(self) -> str:
        """How he was turned away, in the form of whatever protocol was spoken; empty: he was not."""
        if self.status in STATUSES:
            return STATUSES[self.status]
        if self.status != 200:
            return ""
        # A stream has begun by then: the code comes behind it, as JSON (Connect) or as a trailer (gRPC-Web).
        said = f"grpc-status: {self.headers.get('grpc-status')}\r\n".encode() + self.body
        found = [code for code, ends in STREAMS_END.items() if any(end in said for end in ends)]
        return found[0] if found else ""


class Caller:
    """Speaks with one door over a connection that is kept, with the certificate in `identity`."""

    def __init__(self, address: str, mesh: Path, identity: Path | None = None) -> None:
        self._port = int(address.rpartition(":")[2])
        self._tls = ssl.create_default_context(cafile=mesh / "authority.crt")
        if identity is not None:
            self._tls.load_cert_chain(identity / "tls.crt", identity / "tls.key")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(
        self, method: str, path: str, headers: Headers, body: bytes = b"", *, length: int | None = None
    ) -> Answer:
        """`length`: what is announced, and not sent, in the place of the body. Raises OSError."""
        lines = {"host": f"localhost:{self._port}", "content-length": str(length or len(body)), **headers}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        async with asyncio.timeout(PATIENCE_S):
            if self._streams is None:
                self._streams = await asyncio.open_connection(
                    "127.0.0.1", self._port, ssl=self._tls, server_hostname="localhost"
                )
            reader, writer = self._streams
            writer.write(head.encode() + body)
            try:
                answer = await _answer(reader, has_body=method != "HEAD")
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError("ended without an answer") from error
        if length or answer.headers.get("connection") == "close":
            await self.close()
        return answer


async def _answer(reader: asyncio.StreamReader, *, has_body: bool) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif has_body:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
