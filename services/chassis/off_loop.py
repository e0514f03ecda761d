"""Computing beside the event loop, where it takes longer than the way to a thread and back.

Python runs one thread at a time: one that computes holds the loop up for `sys.getswitchinterval()` (5 ms) at
a time. What takes a millisecond or two is done sooner, and for less, where it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def off_loop(
    is_short: bool,
    pool: Executor | None,
    work: Callable[P, T],
    /,
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """What `work` makes of the arguments: at once where it is short, else in a thread (of asyncio's own
    where `pool` is None), within the current context.
    """
    if is_short:
        return work(*arguments, **options)
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        pool, lambda: context.run(work, *arguments, **options)
    )
