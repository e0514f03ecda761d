"""What a service and its second process send each other: frames over a socket, with their contents in
anonymous files, so that a message of many megabytes is neither copied by the event loop nor cut into pieces.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from services.chassis.off_loop import off_loop

_FRAME = struct.Struct("!BQ")
_HEAD_BYTES = struct.Struct("!Q")
_SHORT_BYTES = 64 * 1024


class Kind(IntEnum):
    """Of a frame."""

    READY = 1
    """The second process can be asked; head: the edition of what it answers from."""
    CALL = 2
    """Head: a `Call`; body: the request's message."""
    CANCEL = 3
    """Nobody waits for the call any more."""
    ANSWER = 4
    """The one end of each call, also of a cancelled one. Head: a `Reply`; body: the answer's message."""


@dataclass(frozen=True)
class Frame:
    """One frame; `head` is any object."""

    kind: Kind
    call: int
    head: Any = None
    body: bytes = b""
    files: Sequence[bytes] = ()
    """Of a `CALL`: what belongs to the request and did not come in its message."""


class Line:
    """One end of the socket; of one event loop."""

    def __init__(self, end: socket.socket) -> None:
        """`end`: one of a pair of AF_UNIX sockets that keep the bounds of messages (SOCK_SEQPACKET)."""
        end.setblocking(False)
        self._socket = end

    async def send(self, frame: Frame) -> None:
        """Raises OSError where the other end has gone, or takes nothing."""
        with open(os.memfd_create("medmesh"), "wb", buffering=0) as file:  # noqa: ASYNC230, PTH123 - memory
            is_short = len(frame.body) + sum(map(len, frame.files)) < _SHORT_BYTES
            await off_loop(is_short, None, _write, file.fileno(), frame)
            header = _FRAME.pack(frame.kind, frame.call)
            socket.send_fds(self._socket, [header], [file.fileno()])

    async def receive(self) -> Frame | None:
        """The next frame; None: the other end has gone."""
        while True:
            try:
                header, descriptors, _, _ = socket.recv_fds(self._socket, _FRAME.size, 1)
                break
            except BlockingIOError:
                await self._readable()
            except OSError:
                return None
        if not header:
            return None
        kind, call = _FRAME.unpack(header)
        with open(descriptors[0], "rb", buffering=0) as file:  # noqa: ASYNC230, PTH123 - memory
            size = os.fstat(file.fileno()).st_size
            head, body, *files = await off_loop(size < _SHORT_BYTES, None, _read, file.fileno())
        return Frame(Kind(kind), call, head, body, files)

    def close(self) -> None:
        """The other end sees that this one has gone."""
        self._socket.close()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self._socket, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(self._socket)


def _write(descriptor: int, frame: Frame) -> None:
    contents = (frame.body, *frame.files)
    head = pickle.dumps((frame.head, [len(content) for content in contents]))
    for part in (_HEAD_BYTES.pack(len(head)), head, *contents):
        left = memoryview(part)
        while left:
            left = left[os.write(descriptor, left) :]


def _read(descriptor: int) -> list[Any]:
    """The head, the body, and the files."""
    (head_bytes,) = _HEAD_BYTES.unpack(os.pread(descriptor, _HEAD_BYTES.size, 0))
    head, sizes = pickle.loads(os.pread(descriptor, head_bytes, _HEAD_BYTES.size))  # noqa: S301 - our own
    start = _HEAD_BYTES.size + head_bytes
    contents = []
    for size in sizes:
        contents.append(os.pread(descriptor, size, start))  # of 2 GiB at most, as all messages are
        start += size
    return [head, *contents]
