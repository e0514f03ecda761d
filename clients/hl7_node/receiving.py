"""The listening side: MLLP connections of those who may send, each block answered before the next is read."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress

from clients.hl7_node import mllp
from clients.hl7_node.arrivals import Arrivals
from clients.hl7_node.configuration import PORT, Configuration
from services.chassis.peers import because, endpoint, is_within

log = logging.getLogger("medmesh.hl7_node")

_KILOBYTE = 1024


class Receiver:
    """Listens from `start` to `stop`."""

    def __init__(self, configuration: Configuration, arrivals: Arrivals) -> None:
        self._node = configuration.node
        self._tls = configuration.tls.server_context()
        self._arrivals = arrivals
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        """Where it listens, once it does."""

    async def start(self) -> None:
        """Raises OSError where the port is taken."""
        host, port = endpoint(self._node.listen, "node.listen", PORT, listening=True)
        self._server = await asyncio.start_server(
            self._connected,
            host,
            port,
            limit=self._node.max_message_kb * _KILOBYTE,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Takes no more. A message that is cut off here is in the queue or not; its sender sends it again."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        begun = False
        try:
            if self._may(writer):
                self._connections.add(task)
                begun = self._tls is None or await _shaken(writer, self._tls, self._node.stall_s)
                if begun:
                    await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the node ends
        except (OSError, mllp.BlockError) as error:
            facts = {"because": str(error) if isinstance(error, mllp.BlockError) else type(error).__name__}
            log.warning("a connection was ended", extra={"facts": facts})
        except Exception:
            log.exception("a connection failed")
        finally:
            self._connections.discard(task)
            writer.close()
            if begun:  # of a handshake that failed nobody is told that it is closed
                with suppress(Exception, asyncio.CancelledError):
                    await writer.wait_closed()

    def _may(self, writer: asyncio.StreamWriter) -> bool:
        address = str(writer.get_extra_info("peername")[0])
        problem = ""
        if self._node.addresses and not is_within(address, self._node.addresses):
            problem = "its address is none of node.addresses"
        elif len(self._connections) >= self._node.max_connections:
            problem = "there are node.max_connections"
        if problem:
            log.warning("a connection was refused", extra={"facts": {"address": address, "because": problem}})
        return not problem

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                block = await mllp.read(reader, idle_s=self._node.idle_s, stall_s=self._node.stall_s)
            except mllp.BlockTooLong as error:
                await self._answer(writer, self._arrivals.too_long(error.beginning))
                async with asyncio.timeout(
                    self._node.stall_s
                ):  # closed before it is read, the answer would be lost
                    while await reader.read(_KILOBYTE):
                        pass
                raise
            if block is None:
                return
            await self._answer(writer, await asyncio.to_thread(self._arrivals.take, block))

    async def _answer(self, writer: asyncio.StreamWriter, acknowledgement: bytes | None) -> None:
        if acknowledgement is not None:
            writer.write(mllp.framed(acknowledgement))
            async with asyncio.timeout(self._node.stall_s):
                await writer.drain()


async def _shaken(writer: asyncio.StreamWriter, tls: ssl.SSLContext, patience_s: float) -> bool:
    """Whether TLS came about. It begins here and not in `start_server`, which tells nobody of what fails."""
    address = str(writer.get_extra_info("peername")[0])
    try:
        await writer.start_tls(tls, ssl_handshake_timeout=patience_s)
    except OSError as error:
        facts = {"address": address, "because": because(error)}
        log.warning("TLS with a caller failed", extra={"facts": facts})
        return False
    return True
