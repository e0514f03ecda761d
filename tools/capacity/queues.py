"""Waiting for one of several servers: what a stream of requests sees, by simulation.

First come, first served; one server works on one request at a time (Kendall's G/G/c). The processor's cores
are such servers, and so are a model's instances.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
"""One a request, in seconds."""


@dataclass(frozen=True)
class Seen:
    """What the requests of one stream see."""

    rate_per_s: float
    utilisation: float
    """Share of the servers' time that is work."""
    p50_s: float
    """Median time from arrival to answer."""
    p99_s: float


def waits(arrivals_s: Times, work_s: Times, server_count: int) -> Times:
    """How long each request waits for a server. `arrivals_s` ascend."""
    free_at = [0.0] * server_count
    waited = np.empty(len(arrivals_s))
    for place, (arrival, work) in enumerate(zip(arrivals_s, work_s, strict=True)):
        begins = max(arrival, free_at[0])
        heapq.heapreplace(free_at, begins + work)
        waited[place] = begins - arrival
    return waited


def poisson(rate_per_s: float, count: int, chance: np.random.Generator) -> Times:
    """When requests of many independent callers arrive."""
    return np.cumsum(chance.exponential(1 / rate_per_s, count))


def simulated(
    rate_per_s: float,
    alone_s: Times,
    work_s: float,
    server_count: int,
    chance: np.random.Generator,
    count: int = 40_000,
) -> Seen:
    """What Poisson arrivals see.

    `alone_s` are latencies of single requests on an idle machine, which are drawn from; `work_s` is a
    server's mean time for a request, which need not be their mean: a request may do two things at once.
    """
    latencies_s = chance.choice(alone_s, count)
    works_s = latencies_s * (work_s / alone_s.mean())
    arrivals_s = poisson(rate_per_s, count, chance)
    answered_s = waits(arrivals_s, works_s, server_count) + latencies_s
    settled = answered_s[count // 10 :]  # the first ones find everything free
    utilisation = rate_per_s * work_s / server_count
    return Seen(rate_per_s, utilisation, float(np.median(settled)), float(np.percentile(settled, 99)))
