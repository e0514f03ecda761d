"""Runs a profile: starts the load processes, collects what they measured, and watches the servers."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from clients.loadtest.generator import Share
from clients.loadtest.profile import Profile
from clients.loadtest.server_side import Server
from clients.loadtest.statistics import Sample, Statistics
from clients.loadtest.worker import Order
from medmesh.connection import Connection

_LEAD_S = 0.3
"""Between the word and the first stage, so that all processes begin together."""
_LINE_LIMIT = 64 * 1024 * 1024
BUSY_WORTH_TELLING = 0.85
SEND_LAG_WORTH_TELLING_MS = 20.0


class LoadError(RuntimeError):
    """A load process failed; the message is for whoever runs the load test."""


@dataclass
class Run:
    """One run of a profile, as it goes on and when it is over."""

    profile: Profile
    connection: Connection
    processes: int = 1
    connections: int = 1
    count: int | None = None
    seed: int = 1
    metrics: Mapping[str, str] = field(default_factory=dict)
    """By address of metrics in Prometheus' form: whose they are."""
    statistics: Statistics = field(init=False)
    server: Server = field(init=False)
    started_at: float = 0.0
    """When it began, in seconds since 1970."""
    now: float = 0.0
    """Seconds since its first stage began."""
    outstanding: int = 0
    busy: list[float] = field(default_factory=list)
    """Share of a core that each load process uses, the highest over two seconds."""
    as_given: list[str] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self) -> None:
        profile = self.profile
        self.statistics = Statistics(
            [one.name for one in profile.traffic],
            [stage.duration_s for stage in profile.stages],
            profile.warm_up_s,
        )
        self.server = Server(self.metrics, self.connection, sorted(profile.servers()))
        self.busy = [0.0] * self.processes
        self._waiting = [0] * self.processes

    @property
    def bottleneck(self) -> str:
        """In what way the harness itself was the bottleneck; empty where it was not."""
        lag_ms = self.statistics.summary().send_lag_p99_ms
        more = "use more --processes, or a machine of its own"
        if max(self.busy) > BUSY_WORTH_TELLING:
            return f"A load process used {100 * max(self.busy):.0f} % of a core: {more}."
        if lag_ms > SEND_LAG_WORTH_TELLING_MS:
            return f"The harness itself sent late (p99 {lag_ms:.0f} ms): {more}, or lower the rate."
        return ""

    async def go(self, on_tick: Callable[[Run], None] = lambda _: None) -> None:
        """Runs it. Ctrl-C (a cancelled task) ends it early, with what was measured until then.

        LoadError: a load process failed.
        """
        workers: list[asyncio.subprocess.Process] = []
        watched: asyncio.Task[None] | None = None
        try:
            for index in range(self.processes):
                workers += [await self._start(Share(index, self.processes))]
            for worker in workers:
                self.as_given = (await _said(worker))["as_given"]
            self.started_at = time.time() + _LEAD_S
            begin = time.monotonic() + _LEAD_S
            for worker in workers:
                assert worker.stdin  # noqa: S101 - it was asked for
                worker.stdin.write(f"{begin}\n".encode())
            watched = asyncio.create_task(self.server.watch(begin))
            ticking = asyncio.create_task(self._tick(begin, on_tick))
            try:
                async with asyncio.TaskGroup() as group:
                    for index, worker in enumerate(workers):
                        group.create_task(self._collect(index, worker))
            except* LoadError as errors:
                raise errors.exceptions[0] from None
            finally:
                ticking.cancel()
        except asyncio.CancelledError:
            self.interrupted = True
        finally:
            if watched is not None:
                watched.cancel()
                with suppress(asyncio.CancelledError):
                    await watched
            for worker in workers:
                assert worker.stdin  # noqa: S101 - it was asked for
                worker.stdin.close()
            for worker in workers:
                await _ended(worker)

    async def _start(self, share: Share) -> asyncio.subprocess.Process:
        count = None if self.count is None else share.count(self.count)
        order = Order(self.profile, self.connection, self.connections, share, count, self.seed)
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "clients.loadtest.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            env=os.environ,
            start_new_session=True,  # Ctrl-C is for this process, which then ends them
        )
        assert worker.stdin  # noqa: S101 - it was asked for
        packed = pickle.dumps(order)
        worker.stdin.write(f"{len(packed)}\n".encode() + packed)
        return worker

    async def _collect(self, index: int, worker: asyncio.subprocess.Process) -> None:
        recent: list[float] = []
        while True:
            said = await _said(worker)
            if "done" in said:
                if said["failure"]:
                    raise LoadError(f"a load process failed: {said['failure']}")
                return
            for sample in said["samples"]:
                self.statistics.add(Sample(*sample))
            self._waiting[index] = said["outstanding"]
            recent = [*recent[-7:], said["busy"]]
            if len(recent) == 8:
                self.busy[index] = max(self.busy[index], sum(recent) / 8)
            self.outstanding = sum(self._waiting)
            self.statistics.under_way(max(0.0, said["at"]), self.outstanding)

    async def _tick(self, begin: float, on_tick: Callable[[Run], None]) -> None:
        while True:
            self.now = time.monotonic() - begin
            on_tick(self)
            await asyncio.sleep(0.5)


async def _said(worker: asyncio.subprocess.Process) -> dict[str, Any]:
    assert worker.stdout  # noqa: S101 - it was asked for
    line = await worker.stdout.readline()
    if not line:
        raise LoadError("a load process ended before it was done")
    said: dict[str, Any] = json.loads(line)
    if "failed" in said:
        raise LoadError(str(said["failed"]))
    return said


async def _ended(worker: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(5):
            assert worker.stdout  # noqa: S101 - it was asked for
            while await worker.stdout.read(1 << 16):  # what it still says must not hold it
                pass
            await worker.wait()
    except TimeoutError:
        worker.kill()
        await worker.wait()
