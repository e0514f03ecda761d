"""TCP proxies between two parts of the mesh, whose connections can be cut, silenced and slowed down."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: what is closed is reset, as by a machine that has lost it."""


class Loop:
    """An event loop in a thread of its own, in which proxies run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.proxies: list[Proxy] = []
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Waits until `work` is done there."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def close(self) -> None:
        """Ends every connection, and the thread."""
        for proxy in self.proxies:
            self.run(proxy.close())
        self.run(self._end_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end_others(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the next turn


class Proxy:
    """Passes bytes on from one port of loopback to another, until it is told otherwise."""

    def __init__(self, loop: Loop, target_port: int) -> None:
        self._loop = loop
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passes = {"asked": asyncio.Event(), "answered": asyncio.Event()}
        self._pause_s = 0.0
        self.port = 0
        """Where it listens."""
        loop.proxies.append(self)
        loop.run(self._listen())
        for event in self._passes.values():
            event.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Every connection is reset, and no new one is taken."""
        self._loop.run(self.close())
        yield
        self._loop.run(self._listen())

    @contextlib.contextmanager
    def resetting(self) -> Iterator[None]:
        """Every connection is reset once; new ones are taken."""
        self._loop.run(self._drop())
        yield

    @contextlib.contextmanager
    def silent(self, *ways: str) -> Iterator[None]:
        """Connections stay and new ones are taken, but nothing of what is `asked` or `answered` arrives; both
        without `ways`. Alone `answered` is a connection that is half open.
        """
        chosen = [self._passes[way] for way in ways or self._passes]
        for event in chosen:
            self._loop.loop.call_soon_threadsafe(event.clear)
        yield
        for event in chosen:
            self._loop.loop.call_soon_threadsafe(event.set)
        self._loop.run(self._drop())  # as a network that is back: the old connections are of no use

    @contextlib.contextmanager
    def slow(self, pause_s: float) -> Iterator[None]:
        """Each piece of up to 64 KiB takes so much longer, in each direction."""
        self._pause_s = pause_s
        yield
        self._pause_s = 0.0

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends it, in its loop."""
        assert self._server is not None
        self._server.close()
        await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer, "asked")),
            asyncio.create_task(self._pump(far_reader, writer, "answered")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for one in (writer, far_writer):
                self._writers.discard(one)
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._passes[way].wait()
                if self._pause_s:
                    await asyncio.sleep(self._pause_s)
                writer.write(chunk)
                await writer.drain()
