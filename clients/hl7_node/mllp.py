"""MLLP: a message as a block of a stream, between 0x0B and 0x1C 0x0D."""

from __future__ import annotations

import asyncio

START, END = b"\x0b", b"\x1c\r"
_BETWEEN = b"\r\n"
"""What some senders put between blocks."""


class BlockError(Exception):
    """The stream holds no block, or one that ends early or never."""


class BlockTooLong(BlockError):  # noqa: N818 - named for what it is
    """The block is longer than the reader's limit."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__("a block is longer than the limit")
        self.beginning = beginning


def framed(message: bytes) -> bytes:
    """The message as a block."""
    return START + message + END


async def read(reader: asyncio.StreamReader, *, idle_s: float, stall_s: float) -> bytes | None:
    """The next message of a stream; None: the other side has ended it after a whole block.

    `idle_s` until it begins, `stall_s` from then until it is whole; the reader's limit bounds it. Raises
    BlockError.
    """
    try:
        async with asyncio.timeout(idle_s):
            while (first := await reader.read(1)) and first in _BETWEEN:
                pass
        if not first:
            return None
        if first != START:
            raise BlockError("a block begins with 0x0B")
        async with asyncio.timeout(stall_s):
            return (await reader.readuntil(END)).removesuffix(END)
    except TimeoutError:
        raise BlockError("nothing came for too long") from None
    except asyncio.IncompleteReadError:
        raise BlockError("the connection ended within a block") from None
    except asyncio.LimitOverrunError as error:
        raise BlockTooLong(await reader.read(error.consumed)) from None
