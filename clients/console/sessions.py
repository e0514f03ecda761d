"""What is kept in this process's memory under a random name, which a browser holds in a cookie."""

from __future__ import annotations

import secrets
import time
from typing import Generic, TypeVar

MAXIMUM_COUNT = 10_000
"""How many are kept of a kind; the oldest makes place."""
T = TypeVar("T")


class Sessions(Generic[T]):
    """What belongs to each browser, for so many seconds."""

    def __init__(self, lasting_s: float) -> None:
        self.lasting_s = lasting_s
        self._kept: dict[str, tuple[float, T]] = {}

    def begin(self, content: T) -> str:
        """Keeps the content, and gives the name that nobody can guess."""
        while len(self._kept) >= MAXIMUM_COUNT:
            del self._kept[next(iter(self._kept))]
        name = secrets.token_urlsafe(32)
        self._kept[name] = time.monotonic() + self.lasting_s, content
        return name

    def find(self, name: str) -> T | None:
        """The content under the name, unless its time is over."""
        ends_at, content = self._kept.get(name, (0.0, None))
        if ends_at <= time.monotonic():
            self.end(name)
            return None
        return content

    def end(self, name: str) -> T | None:
        """Forgets the name, and gives what was kept under it."""
        return self._kept.pop(name, (0.0, None))[1]
