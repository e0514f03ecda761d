"""What pieces of work came to that go on side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def outcomes(work: Sequence[Awaitable[T]]) -> list[T | BaseException]:
    """What each returned or raised, in order."""
    if len(work) != 1:
        return await asyncio.gather(*work, return_exceptions=True)
    try:  # a task of its own would take two turns of the event loop more
        return [await work[0]]
    except Exception as error:  # noqa: BLE001 - whoever asked looks at it
        return [error]
