"""Works on a queue: claims what may be begun, keeps the claims, ends each item once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from services.queue.items import Claimed, New, State
from services.queue.pressure import Pressure, pause_s
from services.queue.queue import LEASE_S, Queue

_IDLE_S = 0.2
"""How often a queue in which nothing waits is looked at."""
_RENEWALS_PER_LEASE = 4
_FIRST_LOOK_S = 0.5
_LONGEST_LOOK_S = 15.0
PAUSES_S = (1.0, 60.0)
"""Before the second attempt, and the longest."""


@dataclass(frozen=True)
class Ended:
    """What came of an item."""

    state: State
    result: bytes | None = None
    reason: str = ""
    keep_payload: bool = False
    then: Mapping[str, Sequence[New]] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """Too much was asked at once: later, and less. It is no attempt of the item's."""

    reason: str
    after_s: float
    of_tenant: bool = False
    """Whether the tenant has asked too much, which says nothing of the others: all of its items wait."""


@dataclass(frozen=True)
class Failed:
    """It failed and may succeed later. After its last attempt it ends as `finally_` says."""

    reason: str
    finally_: Ended
    nobody_answers: bool = False
    """Whether to ask first if anybody is there."""


Outcome = Ended | Refused | Failed
Work = Callable[[Claimed], Awaitable[Outcome]]
Problem = Callable[[], Awaitable[str]]


class Gone(Exception):  # noqa: N818 - named for what went wrong
    """Nobody answered for longer than was to be waited; the message says who."""


class Worker:
    """Works on one queue of a database."""

    def __init__(
        self,
        queue: Queue,
        work: Work,
        pressure: Pressure,
        *,
        problem: Problem | None = None,
        patience_s: float = float("inf"),
        lease_s: float = LEASE_S,
        pauses_s: tuple[float, float] = PAUSES_S,
        on_end: Callable[[Claimed, Ended], None] = lambda _claim, _ended: None,
    ) -> None:
        """`work` raises nothing but what is to end the worker. `problem`: why nobody would answer; empty
        where somebody does. `pauses_s`: after the first failure, doubled with each further
        one, and the longest.
        """
        self._queue = queue
        self._work = work
        self._pressure = pressure
        self._problem = problem
        self._patience_s = patience_s
        self._lease_s = lease_s
        self._pauses_s = pauses_s
        self._on_end = on_end
        self._at_work: dict[asyncio.Task[None], Claimed] = {}
        self._look_first = False

    async def run(self, stop: asyncio.Event, *, until_empty: bool = False) -> None:
        """Works until `stop` is set, or until nothing is left; what is at work is finished.

        Raises what `work` raises, and Gone. Cancelled, it gives back what is at work.
        """
        renewing = asyncio.create_task(self._renew())
        try:
            while not stop.is_set():
                if self._look_first:
                    await self._somebody(stop)
                begun = await self._begin()
                if until_empty and not begun and not self._at_work and await self._is_empty():
                    break
                await self._pause(stop, full=not self._pressure.free(len(self._at_work)))
            while self._at_work:
                await self._pause(None, full=True)
        finally:
            renewing.cancel()
            await self._leave()

    async def _begin(self) -> int:
        free = self._pressure.free(len(self._at_work))
        if not free:
            return 0
        claims = await asyncio.to_thread(self._queue.claim, free, self._lease_s)
        for claim in claims:
            self._at_work[asyncio.create_task(self._one(claim))] = claim
        return len(claims)

    async def _is_empty(self) -> bool:
        return await asyncio.to_thread(self._queue.count, State.WAITING, State.RUNNING) == 0

    async def _pause(self, stop: asyncio.Event | None, *, full: bool) -> None:
        """Until something ends, until it is worth looking again, or until `stop`; raises what work raised."""
        timeout_s = self._pressure.pause_s or (None if full and self._at_work else _IDLE_S)
        waiting: set[asyncio.Task[Any]] = set(self._at_work)
        stopping = None if stop is None else asyncio.create_task(stop.wait())
        if stopping is not None:
            waiting.add(stopping)
        try:
            done, _ = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if stopping is not None:
                stopping.cancel()
        for task in done - {stopping}:
            if not task.cancelled():
                task.result()  # what raised stays at work, to be given back at the end
            self._at_work.pop(task, None)

    async def _one(self, claim: Claimed) -> None:
        begun = time.monotonic()
        outcome = await self._work(claim)
        if isinstance(outcome, Refused):
            if outcome.of_tenant:
                await asyncio.to_thread(self._queue.postpone, claim.tenant, outcome.after_s)
            else:
                self._pressure.refused(begun, outcome.after_s)
            await asyncio.to_thread(
                self._queue.give_back, claim, after_s=outcome.after_s, reason=outcome.reason, counts=False
            )
            return
        if isinstance(outcome, Failed):
            self._look_first = self._look_first or outcome.nobody_answers
            if self._queue.may_try_again(claim):
                after_s = pause_s(claim.attempt, *self._pauses_s)
                await asyncio.to_thread(
                    self._queue.give_back, claim, after_s=after_s, reason=outcome.reason, counts=True
                )
                return
            outcome = outcome.finally_
        else:
            self._pressure.answered(len(self._at_work))
        ended = await asyncio.to_thread(
            self._queue.end,
            claim,
            outcome.state,
            outcome.result,
            reason=outcome.reason,
            keep_payload=outcome.keep_payload,
            then=outcome.then,
        )
        if ended:
            self._on_end(claim, outcome)

    async def _somebody(self, stop: asyncio.Event) -> None:
        """Waits until somebody answers: the failures of an outage are not held against what waits."""
        self._look_first = False
        if self._problem is None:
            return
        deadline, look_s = time.monotonic() + self._patience_s, _FIRST_LOOK_S
        while (problem := await self._problem()) and not stop.is_set():
            if time.monotonic() > deadline:
                raise Gone(problem)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), look_s)
            look_s = min(look_s * 2, _LONGEST_LOOK_S)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / _RENEWALS_PER_LEASE)
            claims = dict(self._at_work)
            lost = await asyncio.to_thread(self._queue.renew, list(claims.values()), self._lease_s)
            for task, claim in claims.items():
                if claim in lost:
                    task.cancel()
            await asyncio.to_thread(self._queue.take_back)

    async def _leave(self) -> None:
        left = dict(self._at_work)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for claim in left.values():
            # Of one that has ended the claim is lost, and nothing happens.
            await asyncio.to_thread(self._queue.give_back, claim, after_s=0.0, reason="", counts=False)
