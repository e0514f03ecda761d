"""The least HTTP/1.1 client that measures a server: kept connections, whole bodies, and nothing else, so that
it costs about what gRPC's does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Request:
    """One POST."""

    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def encoded(self, host: str) -> bytes:
        """As it goes over the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Pool:
    """As many connections as there are callers."""

    def __init__(self, host: str, port: int, size: int) -> None:
        self._host, self._port, self._size = host, port, size
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for _ in range(self._size):
            self._free.put_nowait(await asyncio.open_connection(self._host, self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            connection = self._free.get_nowait()
            connection[1].close()
            await connection[1].wait_closed()

    async def ask(self, request: Request) -> bytes:
        """The body of the answer. Raises RuntimeError where it is not 200."""
        connection = await self._free.get()
        try:
            status, body = await self._answer(*connection, request)
        except BaseException:
            connection[1].close()  # what is left of the answer would be read as the next one
            raise
        self._free.put_nowait(connection)
        if status != "200":
            raise RuntimeError(f"status {status}: {body[:200]!r}")
        return body

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
    ) -> tuple[str, bytes]:
        writer.write(request.encoded(self._host))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = head.split(" ", 2)[1]
        length = next(
            (int(line.partition(":")[2]) for line in head.splitlines() if line.startswith("content-length:")),
            None,
        )
        if length is None:
            raise RuntimeError(f"status {status} without a Content-Length")
        return status, await reader.readexactly(length)
