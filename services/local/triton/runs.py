"""Whether a model's process has been at one request for far longer than it ever was: it hangs, whatever state
the kernel has it in.

Triton does not notice: what it has handed to that process waits for ever, and the model says that it is
ready.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.local.triton.backends.progress import PAGE

_TIMES = 20
"""A run may take so many times as long as the longest before it..."""
_LEAST_S = 30.0
"""...and so long in any case: a long text comes on a machine that has no time."""
_BETWEEN_S = 2.0
"""At most so much passes between two looks: a machine that stood still has computed nothing either."""


@dataclass(frozen=True)
class _Seen:
    began: float
    at: float
    seconds: float
    """For how long it was seen at work on it."""


class Runs:
    """What the processes of one server tell (`backends.progress`)."""

    def __init__(self, folder: Path, longest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`longest_s`: a run that takes longer hangs, whatever came before it."""
        self._folder = folder
        self._longest_s = longest_s
        self._clock = clock
        self._seen: dict[int, _Seen] = {}

    def hung_s(self, pid: int) -> float | None:
        """For how many seconds a process has hung in its run; None: it does not. To be asked every second."""
        try:
            began, longest_s = PAGE.unpack((self._folder / str(pid)).read_bytes())
        except (OSError, struct.error):
            return None  # it does not tell
        now, seen = self._clock(), self._seen.get(pid)
        if not began or seen is None or seen.began != began:
            self._seen[pid] = _Seen(began, now, 0.0)
            return None
        seconds = seen.seconds + min(now - seen.at, _BETWEEN_S)
        self._seen[pid] = _Seen(began, now, seconds)
        usual_s = max(_LEAST_S, _TIMES * longest_s) if longest_s else self._longest_s
        return seconds if seconds > min(usual_s, self._longest_s) else None
