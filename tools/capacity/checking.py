"""The simulation beside a measured run on this machine: what requests that come at random times see."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tools.bench import imaging, orchestrator
from tools.bench.meshes import Meshes
from tools.bench.sampling import Sample, open_loop
from tools.bench.sides import Rpc, watched
from tools.capacity.queues import poisson, simulated

LEVELS = (0.3, 0.5, 0.7, 0.85)
"""Shares of the highest rate that are tried."""
_SECONDS = 25.0
"""Of each level: some hundred requests of the slower kind at the lowest."""
_QUANTILES = range(1, 100, 2)
SEED = 1
_SIDES: Mapping[str, Rpc] = {"image": imaging.mesh("small"), "case": orchestrator.DIAGNOSE}


def measured(say: Callable[[str], object]) -> dict[str, Any]:
    """Of each kind of request: alone, and at each level as measured and as predicted from that alone."""
    with contextlib.ExitStack() as resources:
        meshes = Meshes(resources, say)
        meshes.start(side.mesh for side in _SIDES.values())
        return {kind: asyncio.run(_of_kind(side, meshes, say)) for kind, side in _SIDES.items()}


async def _of_kind(side: Rpc, meshes: Meshes, say: Callable[[str], object]) -> dict[str, Any]:
    chance, cores = np.random.default_rng(SEED), os.cpu_count() or 1
    levels = []
    async with side.opened(meshes) as closed, side.asked(meshes) as ask:
        alone = await closed(1, _SECONDS)
        full = await closed(8, _SECONDS)
        # A core's time for a request, with what the client and the machine's other work take of it meanwhile.
        work_s = cores / full.per_second
        own_s = sum(full.cpu_ms_each.values()) / 1e3
        alone_s = np.percentile(alone.latencies_ms, _QUANTILES) / 1e3
        for level in LEVELS:
            rate = level * full.per_second
            arrivals = poisson(rate, round(rate * _SECONDS), chance)
            found = await watched(partial(open_loop, ask, [*arrivals]), meshes[side.mesh].processes)
            expected = simulated(rate, alone_s, work_s, cores, chance)
            levels.append(
                {
                    "rate_per_s": rate,
                    "utilisation": [_utilisation(found, cores), rate * own_s / cores],
                    "p50_ms": [found.p50_ms, expected.p50_s * 1e3],
                    "p99_ms": [found.percentile_ms(99), expected.p99_s * 1e3],
                }
            )
            say(f"  {levels[-1]}")
    return {"work_ms": work_s * 1e3, "alone_ms": [*alone_s * 1e3], "levels": levels}


def _utilisation(sample: Sample, cores: int) -> float:
    return sum(sample.cpu_ms.values()) / (sample.seconds * 1e3 * cores)
