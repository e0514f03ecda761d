"""Large messages come and go: how the allocator (glibc's) keeps their memory, and when it gives it back."""

from __future__ import annotations

import asyncio
import ctypes
import time

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 32 << 20
"""The most that glibc takes from a heap rather than from the system."""
EVERY_S = 3.0
_WORKED_S = 0.05


def reuse_large_blocks() -> bool:
    """Whether blocks of up to 32 MiB are taken again after they were freed: with glibc.

    A block that comes from the system anew costs a page fault for every 4 KiB: half of the time in which a
    film of 8 MB is decoded. By itself glibc learns that threshold from what is freed (mallopt(3), dynamic
    mmap threshold), and never gives back what lies below a small block that stays: `give_back` does. One heap
    for all threads: a block that one has freed serves another.
    """
    mallopt = _glibc("mallopt")
    return (
        mallopt is not None
        and bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
        and bool(mallopt(_M_TRIM_THRESHOLD, LARGE_BYTES))
        and bool(mallopt(_M_ARENA_MAX, 1))
    )


def give_back() -> None:
    """Gives free pages back to the system, also those between blocks that are used. Some milliseconds."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


async def give_back_regularly() -> None:
    """Gives back every few seconds in which this process worked: a busy one takes its blocks again meanwhile,
    an idle one keeps nothing.
    """
    worked = time.process_time()
    while True:
        await asyncio.sleep(EVERY_S)
        if time.process_time() - worked > _WORKED_S:
            await asyncio.to_thread(give_back)
        worked = time.process_time()


def _glibc(function: str) -> ctypes._NamedFuncPointer | None:
    try:
        return getattr(ctypes.CDLL(None), function)  # type: ignore[no-any-return]  # found by name
    except (AttributeError, OSError):
        return None
