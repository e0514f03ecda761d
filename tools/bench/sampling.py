"""One stretch of a closed loop, and what each process spent in it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_TICK_MS = 1000.0 / os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20

Processes = Mapping[str, Sequence[int]]
"""Process ids by what they are called in the tables."""


@dataclass(frozen=True)
class Sample:
    """What one stretch gave."""

    seconds: float
    latencies_ms: Sequence[float]
    """One for each answer."""
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    """Processor time (user and system) of each kind of process within the stretch."""
    rss_mb: Mapping[str, float] = field(default_factory=dict)
    """Resident memory of each kind of process at its end."""
    pss_mb: Mapping[str, float] = field(default_factory=dict)
    """The same, with pages that processes share counted once: divided among them."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Of the latencies."""
        return float(np.percentile(self.latencies_ms, percent))

    @property
    def p50_ms(self) -> float:
        """Median latency."""
        return self.percentile_ms(50)

    @property
    def cpu_ms_each(self) -> dict[str, float]:
        """Processor time an answer, by kind of process."""
        return {name: ms / max(1, len(self.latencies_ms)) for name, ms in self.cpu_ms.items()}


async def closed_loop(ask: Callable[[int], Awaitable[None]], callers: int, seconds: float) -> Sample:
    """`callers` callers, each asking again once its answer is there; `ask` is given a number that counts up.

    What was sent within the stretch counts, also when it is answered after it, and so does the time that it
    took.
    """
    latencies: list[float] = []
    numbers = iter(range(1 << 60))
    began = time.perf_counter()
    until = began + seconds

    async def caller() -> None:
        while (sent := time.perf_counter()) < until:
            await ask(next(numbers))
            latencies.append((time.perf_counter() - sent) * 1e3)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Sample(time.perf_counter() - began, latencies)


async def open_loop(ask: Callable[[int], Awaitable[None]], arrivals_s: Sequence[float]) -> Sample:
    """Asks at these times from now on, whatever the answers do; a latency counts from when it was due."""
    latencies: list[float] = []
    began = time.perf_counter()

    async def caller(number: int, due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        await ask(number)
        latencies.append((time.perf_counter() - due) * 1e3)

    async with asyncio.TaskGroup() as group:
        for number, arrival_s in enumerate(arrivals_s):
            group.create_task(caller(number, began + arrival_s))
    return Sample(time.perf_counter() - began, latencies)


def cpu_ms(processes: Processes) -> dict[str, float]:
    """Processor time since their start, with that of children that have ended."""
    return {name: sum(_cpu_ms(pid) for pid in pids) for name, pids in processes.items()}


def rss_mb(processes: Processes) -> dict[str, float]:
    """Resident memory now."""
    return {name: sum(_rss_mb(pid) for pid in pids) for name, pids in processes.items()}


def pss_mb(processes: Processes) -> dict[str, float]:
    """Proportional resident memory now."""
    return {name: sum(_pss_mb(pid) for pid in pids) for name, pids in processes.items()}


def children(pid: int) -> list[int]:
    """The processes below one, whatever their depth."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields:
            parents[int(stat.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _cpu_ms(pid: int) -> float:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return sum(int(ticks) for ticks in fields[11:15]) * _TICK_MS if fields else 0.0


def _rss_mb(pid: int) -> float:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return int(fields[21]) * _PAGE_MB if fields else 0.0


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _fields(stat: Path) -> list[str]:
    """What stands behind the name, from the state on (proc(5)); empty: it has ended."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
