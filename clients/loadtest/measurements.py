"""What was measured: one sample a request, and the figures that sum them up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Sample:
    """One request. Times are in seconds on the run's own clock, which starts at its first request."""

    call: str
    due: float
    """When it was meant to be sent. In the closed loop: when it was sent."""
    sent: float
    """When it was sent."""
    ended: float
    """When its answer, or its error, was there."""
    reason: str = ""
    """Why it failed: the mesh's reason, `PARTIAL`, or a reason of the harness. Empty: it did not."""

    @property
    def latency(self) -> float:
        """Seconds from when it was due to its end."""
        return self.ended - self.due


@dataclass
class Measurements:
    """All samples of a run."""

    warm_up: float
    """Requests that were due before this time, in seconds, do not count."""
    samples: list[Sample] = field(default_factory=list)

    def counted(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [sample for sample in self.samples if sample.due >= self.warm_up]


@dataclass(frozen=True)
class Figures:
    """Figures of some requests. Latencies are those of the requests that succeeded, in milliseconds."""

    count: int
    succeeded: int
    per_second: float
    """Requests that succeeded, per second of the measured time."""
    percentile_ms: dict[int, float]
    max_ms: float
    errors: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """What a run comes to."""

    duration_s: float
    """Measured time: from the end of the warm-up to the last end of a request."""
    total: Figures
    by_call: dict[str, Figures]
    send_lag_p99_ms: float
    """How late the harness itself sent, 99th percentile: beyond a few milliseconds it is the bottleneck."""


def summarise(measurements: Measurements) -> Summary:
    """The figures of a run; all zero where nothing was counted."""
    samples = measurements.counted()
    duration = max((sample.ended for sample in samples), default=measurements.warm_up) - measurements.warm_up
    names = sorted({sample.call for sample in samples})
    lags = [1000 * (sample.sent - sample.due) for sample in samples]
    return Summary(
        duration_s=duration,
        total=_figures(samples, duration),
        by_call={name: _figures([s for s in samples if s.call == name], duration) for name in names},
        send_lag_p99_ms=percentile(sorted(lags), 99),
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile of ascending values: a value that was measured, never one between. 0 for
    none.
    """
    if not ordered:
        return 0.0
    rank = max(1, math.ceil(percent / 100 * len(ordered)))
    return ordered[rank - 1]


def _figures(samples: list[Sample], duration: float) -> Figures:
    good = sorted(1000 * sample.latency for sample in samples if not sample.reason)
    return Figures(
        count=len(samples),
        succeeded=len(good),
        per_second=len(good) / duration if duration > 0 else 0.0,
        percentile_ms={percent: percentile(good, percent) for percent in PERCENTILES},
        max_ms=good[-1] if good else 0.0,
        errors=dict(Counter(sample.reason for sample in samples if sample.reason).most_common()),
    )
