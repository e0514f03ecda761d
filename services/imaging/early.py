"""Readings that begin while the gates still judge: a model need not wait for the word that it may be
believed.

What a gate says late (that the grey scale is inverted, or that the image shows something else) discards them;
what they computed then never was a part of the answer.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Self

from services.chassis.rpc import request as requests
from services.imaging.tasks.reading import ImageReader, Reading

Read = Callable[[ImageReader], Coroutine[Any, Any, Reading]]


class EarlyReadings:
    """What models read of one image before its verdicts are known; use it as a context manager."""

    def __init__(self, models: Mapping[str, ImageReader], read: Read) -> None:
        self._begun = {name: _Begun(read(model)) for name, model in models.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    async def begin(self) -> None:
        """Lets them ask their models, which take longer than gates do, before anybody else goes on."""
        if self._begun:
            await asyncio.sleep(0)

    def discard(self) -> None:
        """Ends those that nobody took."""
        for begun in self._begun.values():
            begun.task.cancel()
        self._begun.clear()

    def take(self, model: ImageReader) -> Awaitable[Reading] | None:
        """The model's reading, from now on a part of the request; None: it has not begun to read."""
        begun = self._begun.pop(model.name, None)
        return None if begun is None else begun.adopted()


class _Begun:
    """One reading, which notes in a request of its own which models computed something."""

    def __init__(self, reading: Coroutine[Any, Any, Reading]) -> None:
        current = requests.current.get()
        self._own = None if current is None else replace(current, models=set())
        context = contextvars.copy_context()
        context.run(requests.current.set, self._own)
        self.task = asyncio.get_running_loop().create_task(reading, context=context)
        self.task.add_done_callback(lambda done: done.cancelled() or done.exception())  # may be nobody's

    async def adopted(self) -> Reading:
        try:
            return await self.task
        finally:
            self.task.cancel()  # its reader has gone
            current = requests.current.get()
            if current is not None and self._own is not None:
                current.models |= self._own.models
