"""The rounds: every side of a row in turn, several times, so that what disturbs one disturbs all."""

from __future__ import annotations

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tools.bench.meshes import Meshes
from tools.bench.rows import Row
from tools.bench.sampling import Sample


@dataclass(frozen=True)
class Figures:
    """What one side gave over the rounds: medians."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms_each: Mapping[str, float]
    """Processor time an answer, by kind of process; those below 0.05 ms are left out."""
    rss_mb: Mapping[str, float]
    """The most of the rounds."""


@dataclass(frozen=True)
class Outcome:
    """What a row came to."""

    row: Row
    figure: float
    """Median of the rounds."""
    low: float
    high: float
    """The least and the greatest of the rounds."""
    sides: Mapping[str, Figures]


async def measured(row: Row, meshes: Meshes, rounds: int, say: Callable[[str], object]) -> Outcome:
    """Opens the row's sides and measures them in turn."""
    samples: list[dict[str, Sample]] = []
    async with contextlib.AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(side.opened(meshes)) for name, side in row.sides.items()
        }
        for number in range(rounds):
            samples.append({name: await side(row.callers, row.seconds) for name, side in sides.items()})
            one = samples[-1]
            rates = ", ".join(
                f"{name} {sample.per_second:.1f}/s p50 {sample.p50_ms:.1f} ms" for name, sample in one.items()
            )
            say(f"  round {number + 1}: {row.figure(one):.3f} ({rates})")
    found = [row.figure(one) for one in samples]
    return Outcome(
        row,
        statistics.median(found),
        min(found),
        max(found),
        {name: _figures([one[name] for one in samples]) for name in row.sides},
    )


def _figures(samples: Sequence[Sample]) -> Figures:
    return Figures(
        statistics.median(sample.per_second for sample in samples),
        statistics.median(sample.p50_ms for sample in samples),
        statistics.median(sample.percentile_ms(99) for sample in samples),
        {name: ms for name, ms in _merged(samples, "cpu_ms_each", statistics.median).items() if ms >= 0.05},
        _merged(samples, "rss_mb", max),
    )


def _merged(
    samples: Sequence[Sample], attribute: str, of: Callable[[Sequence[float]], float]
) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        for name, value in getattr(sample, attribute).items():
            values[name].append(value)
    return {name: of(found) for name, found in values.items()}
