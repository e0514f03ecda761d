"""What is known of each caller for a while, at a cost that does not grow with how many there were: a caller
may be a connection, and connections come by the thousand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_MOST = 10_000


class Lately(OrderedDict[str, T]):
    """By caller, the one who was noted last at the end."""

    def __init__(self, is_over: Callable[[T], bool]) -> None:
        """`is_over`: whether a value may be forgotten. What was noted first goes first."""
        super().__init__()
        self._is_over = is_over

    def note(self, caller: str, value: T) -> None:
        """Keeps `value`, and forgets what is over; beyond 10,000 callers also what is not."""
        self[caller] = value
        self.move_to_end(caller)
        while len(self) > _MOST or self._is_over(next(iter(self.values()))):
            self.popitem(last=False)
            if not self:
                return
