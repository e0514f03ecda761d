"""What is asked of an SQLite file, measured by SQLite's own steps: no clock, and no other work, counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

_BESIDES = 50
"""Steps by which a small question may vary."""


class Steps:
    """Counts the steps of one connection, which no longer waits for its disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.taken: dict[str, int] = {}
        """How many each question took when it was asked last."""
        self._steps = 0
        connection.execute("PRAGMA synchronous = OFF")
        connection.set_progress_handler(self._step, 1)

    def asked(self, name: str, question: Callable[[], T]) -> T:
        """Asks it."""
        self._steps = 0
        answer = question()
        self.taken[name] = self._steps
        return answer

    def _step(self) -> None:
        self._steps += 1


def grown(early: Mapping[str, int], late: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """The questions that take more than they did."""
    return {
        name: (early[name], steps) for name, steps in late.items() if steps > 1.5 * early[name] + _BESIDES
    }
