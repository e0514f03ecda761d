"""The two loops: open (arrivals at a rate, not waiting for answers) and closed (so many users, each waiting
for the answer).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clients.loadtest.measurements import Measurements, Sample
from clients.loadtest.profile import Call, Profile
from medmesh import AsyncClient, MedmeshError
from medmesh.orchestrator.v1.orchestrator_pb2 import COMPLETENESS_PARTIAL, Diagnosis

MAX_OUTSTANDING = 10_000
"""Requests under way at which the open loop sends no more: they would measure this machine's memory."""


@dataclass(frozen=True)
class Bounds:
    """When a run ends: at the first of these."""

    duration_s: float
    """Measured time after the warm-up, in seconds."""
    warm_up_s: float = 0.0
    """Time before the measured one, in seconds; its requests are sent and do not count."""
    count: int | None = None
    """Measured requests."""


@dataclass
class Run:
    """One load test as it goes on; the progress display reads it."""

    client: AsyncClient
    calls: Mapping[str, Call]
    profile: Profile
    bounds: Bounds
    seed: int
    measurements: Measurements = field(init=False)
    outstanding: int = 0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.measurements = Measurements(self.bounds.warm_up_s)

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return asyncio.get_running_loop().time() - self.started

    async def open_loop(self, rate: float) -> Measurements:
        """Poisson arrivals, `rate` a second on average; returns when all that was sent has ended."""
        random_ = random.Random(self.seed)
        self.started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as requests:
            for due in self._arrivals(rate, random_):
                call = self.profile.draw(random_)
                await asyncio.sleep(due - self.now)
                if self.outstanding >= MAX_OUTSTANDING:
                    now = self.now
                    self.measurements.samples.append(
                        Sample(call, due, now, now, "NOT_SENT_TOO_MANY_OUTSTANDING")
                    )
                else:
                    requests.create_task(self._ask(call, due))
        return self.measurements

    async def closed_loop(self, users: int) -> Measurements:
        """`users` users, each asking again as soon as the answer is there."""
        self.started = asyncio.get_running_loop().time()
        turns = self._turns()
        async with asyncio.TaskGroup() as group:
            for user in range(users):
                group.create_task(self._user(random.Random(f"{self.seed} {user}"), turns))
        return self.measurements

    def _arrivals(self, rate: float, random_: random.Random) -> Iterator[float]:
        """When the requests are due: exponential gaps, up to the bounds."""
        due, counted = 0.0, 0
        while True:
            due += random_.expovariate(rate)
            counted += due >= self.bounds.warm_up_s
            if due >= self.bounds.warm_up_s + self.bounds.duration_s:
                return
            if self.bounds.count is not None and counted > self.bounds.count:
                return
            yield due

    def _turns(self) -> Iterator[float]:
        """When each request of the closed loop is sent: now, up to the bounds. All users take from the
        same.
        """
        counted = 0
        while (now := self.now) < self.bounds.warm_up_s + self.bounds.duration_s:
            counted += now >= self.bounds.warm_up_s
            if self.bounds.count is not None and counted > self.bounds.count:
                return
            yield now

    async def _user(self, random_: random.Random, turns: Iterator[float]) -> None:
        for due in turns:
            await self._ask(self.profile.draw(random_), due)

    async def _ask(self, call: str, due: float) -> None:
        sent = self.now
        self.outstanding += 1
        try:
            reason = _reason(await self.calls[call](self.client))
        except MedmeshError as error:
            reason = error.reason or type(error).__name__
        finally:
            self.outstanding -= 1
        self.measurements.samples.append(Sample(call, due, sent, self.now, reason))


def _reason(answer: object) -> str:
    """A PARTIAL diagnosis is an answer, yet not the one that was asked for: it counts as an error of its
    own.
    """
    partial = isinstance(answer, Diagnosis) and answer.completeness == COMPLETENESS_PARTIAL
    return "PARTIAL" if partial else ""
