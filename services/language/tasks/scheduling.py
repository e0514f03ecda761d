"""How the stretches of many texts share a model: how much one call holds, and which call goes first.

What a network costs is the tokens in it, on a processor nearly whatever the batch. So a call is kept short,
for nobody passes one that runs, and those that wait are ordered by what their texts still need: a short note
passes the rest of a long one. docs/adr/0029-short-texts-first.md has the measurements.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.chassis.rpc import request as requests
from services.chassis.rpc.request import Priority

CALL_S = 0.06
"""How long a call is to run: about what 128 tokens take a network of 22 M parameters on one core."""
ASSUMED_S_PER_TOKEN = 0.00045
"""Until a call has shown better."""
VERY_LONG_S = 2.0
"""A text that runs for so long on one core is very long."""
LATELY_S = 1.0
LEVELS = 10
"""Priorities of calls to a model of texts; 1 goes first."""
_WHOLE_LEVEL = 3
"""Of what still needs as many tokens as one call holds at most; each level below it half of that."""
_STEPS = {Priority.URGENT: -2, Priority.ROUTINE: 0, Priority.BULK: 3}
"""Levels by which the priority of its request moves a text."""
PATIENCE_S = 1.0
"""A text that has waited so long, or as long as it takes to run, counts as half as long, and nobody passes a
call that has waited so long: none waits forever."""


class Pace:
    """How fast a model reads, from its fastest call: the others waited for something."""

    def __init__(self) -> None:
        self._s_per_token = ASSUMED_S_PER_TOKEN

    def took(self, tokens: int, seconds: float) -> None:
        """Takes note of a call with so many tokens, padding counted."""
        self._s_per_token = min(self._s_per_token, seconds / tokens)

    @property
    def tokens_per_call(self) -> int:
        """How many tokens run for CALL_S."""
        return int(CALL_S / self._s_per_token)

    def seconds(self, tokens: int) -> float:
        """How long so many tokens run."""
        return tokens * self._s_per_token


class Turn:
    """The place of one text, or of one request's texts together, among those that wait for a model."""

    def __init__(self, tokens: int, longest: int, pace: Pace) -> None:
        """`tokens`: all that there are, padding counted; `longest`: the most that one sequence may have."""
        self.left = tokens
        """Those that are not asked for yet."""
        self._longest = longest
        self.is_very_long = pace.seconds(tokens) > VERY_LONG_S
        self._patience_s = max(PATIENCE_S, pace.seconds(tokens))
        self._began = time.monotonic()

    def next(self, tokens: int) -> int:
        """The priority of a call with so many of the tokens, 1 to LEVELS."""
        waited_s = time.monotonic() - self._began
        calls = max(self.left, 1) / self._longest / 2 ** (waited_s / self._patience_s)
        self.left -= tokens
        level = _WHOLE_LEVEL + math.ceil(math.log2(calls)) + _STEPS[requests.priority()]
        return min(max(level, 1), LEVELS)


class OneAtATime:
    """Of very long texts together one call is under way while others are asked: a small machine has two
    instances of a model, and the other one is theirs.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._others_at = -math.inf

    @asynccontextmanager
    async def turn(self, turn: Turn) -> AsyncIterator[None]:
        """While a call of the text is under way."""
        if not turn.is_very_long:
            self._others_at = time.monotonic()
        elif time.monotonic() - self._others_at < LATELY_S:
            async with self._lock:
                yield
            return
        yield


class Asked:
    """A call that is under way."""

    def __init__(self, priority: int) -> None:
        self.at = time.monotonic()
        """When it was asked, on the monotonic clock."""
        self.ended = asyncio.Event()
        self._priority = priority

    def was_passed_enough(self, priority: int) -> bool:
        """Whether a call of `priority`, which would pass this one, is to wait for it."""
        return priority < self._priority and time.monotonic() - self.at > PATIENCE_S
