"""Slow work with files: beside the event loop for the asyncio client, in place for the blocking one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


async def in_thread(
    work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """Runs `work` in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(work, *arguments, **named)


def in_place(
    work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """Runs `work`."""
    return work(*arguments, **named)
