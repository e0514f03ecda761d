"""What a load needs: cores by simulation, replicas and GPUs by their utilisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tools.capacity.costs import Work, total_ms
from tools.capacity.queues import Times, simulated

BURST = 10.0
"""The busiest minutes ÷ the mean of the day."""
_FULL = 0.7
"""Utilisation up to which cores and processes are planned: what fails or grows has room."""
_SLOWER = 2.0
"""A burst's p99 ÷ that of single requests."""
_GPU_ROWS_PER_S: Mapping[str, float] = {"model chest_xray": 5_508, "model clinical_ner": 15_048}
"""Of one NVIDIA H200 in batches of 32 (docs/gpu.md)."""
_GPU_FULL = 0.5
_SEED = 1
SECONDS_PER_DAY = 86_400

SITES: Mapping[str, float] = {
    "a hospital: 2,000 studies a day": 2_000,
    "a network: 10⁶ a day": 1e6,
    "the world: 10⁹ a year": 1e9 / 365,
}
"""Studies a day."""


@dataclass(frozen=True)
class Plan:
    """What one load needs."""

    mean_per_s: float
    burst_per_s: float
    cores: int
    """With the models on them too."""
    utilisation: float
    """Of these cores in a burst."""
    p99_s: float
    """In a burst, by simulation."""
    replicas: Mapping[str, int]
    """Processes of each service, and instances of each model on a processor; one may fail."""
    cores_beside_gpus: int
    """Without the models that GPUs take."""
    gpus: int


def plan(studies_per_day: float, work: Work, alone_s: Times) -> Plan:
    """For a load with bursts of `BURST` times its mean. `alone_s`: latencies of single requests."""
    mean = studies_per_day / SECONDS_PER_DAY
    burst = BURST * mean
    work_s = total_ms(work) / 1e3
    cores = math.ceil(burst * work_s / _FULL)
    bound_s = _SLOWER * float(np.percentile(alone_s, 99))
    while True:
        seen = simulated(burst, alone_s, work_s, cores, np.random.default_rng(_SEED))
        if seen.p99_s <= bound_s:
            break
        cores += 1
    left_s = sum(ms for process, ms in work.items() if process not in _GPU_ROWS_PER_S) / 1e3
    return Plan(
        mean,
        burst,
        cores,
        seen.utilisation,
        seen.p99_s,
        {process: _replicas(burst * ms / 1e3) for process, ms in work.items()},
        _replicas(burst * left_s),
        math.ceil(sum(burst / rows for rows in _GPU_ROWS_PER_S.values()) / _GPU_FULL),
    )


def _replicas(busy: float) -> int:
    """For what keeps so many of them busy; with one gone the others still carry it."""
    return max(math.ceil(busy / _FULL), math.floor(busy) + 2)


def limits_per_s(work: Work, instances: Mapping[str, int], cores: int) -> dict[str, float]:
    """The highest rate that each part allows, the least first: what breaks first is at its head.

    `instances`: how many processes of each kind run, one where it is not named; each uses one core at most.
    """
    limits = {process: 1e3 * instances.get(process, 1) / ms for process, ms in work.items() if ms > 0}
    limits[f"{cores} cores"] = 1e3 * cores / total_ms(work)
    return dict(sorted(limits.items(), key=lambda item: item[1]))
