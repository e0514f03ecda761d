"""What was measured: HDR histograms of each traffic, over the whole run and over windows of time, and the
figures that sum them up.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    import numpy as np

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
LONGEST_US = 3_600_000_000
"""What takes longer counts as an hour."""
DIGITS = 3
"""Digits of a latency that are kept over a whole run; two over a window."""
MAXIMUM_WINDOWS = 120


class Sample(NamedTuple):
    """One request. Times are in seconds on the run's own clock, which starts with its first stage."""

    traffic: int
    """Index in the profile."""
    stage: int
    due: float
    """When it was meant to be sent. In the closed loop: when it was sent."""
    sent: float
    """When it was sent."""
    first: float | None
    """When the first event of a stream was there; None: none came, or the call has no events."""
    ended: float
    """When its answer, or its error, was there."""
    reason: str = ""
    """Why it failed: the mesh's reason, `PARTIAL`, or a reason of the harness. Empty: it did not."""


class Latency:
    """Latencies in an HDR histogram. Reads its counts by numpy: hdrh walks them in Python, value by value."""

    def __init__(self, digits: int = DIGITS) -> None:
        self._digits = digits
        self._histogram: Any = HdrHistogram(1, LONGEST_US, digits)

    def record(self, seconds: float) -> None:
        """Adds one."""
        self._histogram.record_value(min(LONGEST_US, max(1, round(1e6 * seconds))))

    @classmethod
    def of(cls, several: Iterable[Latency], digits: int = DIGITS) -> Latency:
        """All of them together; they have the same digits."""
        whole = cls(digits)
        for one in several:
            whole._histogram.add(one._histogram)  # noqa: SLF001 - of the same class
        return whole

    @classmethod
    def decoded(cls, text: str) -> Latency:
        """The histogram that `encoded` gave."""
        latency = cls()
        latency._histogram = HdrHistogram.decode(text)
        return latency

    def encoded(self) -> str:
        """The counts in the form that HdrHistogram's tools exchange (V2, compressed, base64)."""
        text: bytes = self._histogram.encode()
        return text.decode("ascii")

    @property
    def count(self) -> int:
        """How many there are."""
        count: int = self._histogram.get_total_count()
        return count

    @property
    def max_ms(self) -> float:
        """The longest, in milliseconds; 0 where there is none."""
        return float(self._histogram.get_max_value()) / 1e3 if self.count else 0.0

    @property
    def mean_ms(self) -> float:
        """The mean, in milliseconds; 0 where there is none."""
        if not self.count:
            return 0.0
        counts = self._counts()
        (used,) = counts.nonzero()
        values = [self._histogram.get_value_from_index(int(index)) for index in used]
        return float(counts[used] @ values) / self.count / 1e3

    def percentile_ms(self, percent: float) -> float:
        """The nearest-rank percentile in milliseconds, to the histogram's digits; 0 where there is none."""
        return self.percentiles_ms([percent])[0]

    def percentiles_ms(self, percents: Sequence[float]) -> list[float]:
        """Several of them."""
        if not self.count:
            return [0.0] * len(percents)
        running = self._counts().cumsum()
        ranks = [max(1, math.ceil(percent / 100 * self.count - 1e-9)) for percent in percents]
        histogram = self._histogram
        found = []
        for index in running.searchsorted(ranks):
            value = histogram.get_value_from_index(int(index))
            found.append(min(histogram.get_highest_equivalent_value(value), histogram.get_max_value()) / 1e3)
        return found

    def _counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        import numpy as np  # here: no other command needs it, and it takes a while

        return np.ctypeslib.as_array(self._histogram.counts).astype(np.int64)


@dataclass
class Window:
    """A stretch of the run. Latencies are of what was due in it; answers and errors came in it."""

    due: int = 0
    succeeded: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latency: dict[int, Latency] = field(default_factory=dict)
    """By traffic."""
    outstanding: int = 0
    """Requests under way, the most that were seen."""


@dataclass(frozen=True)
class Figures:
    """Figures of some requests."""

    count: int
    succeeded: int
    per_second: float
    """Requests that succeeded, per second of the measured time."""
    latency: Latency
    """Of those that succeeded, from when they were due."""
    first_event: Latency | None
    """Of streams that succeeded: until their first event."""
    errors: Mapping[str, Latency]
    """By reason: until the error was there."""

    @property
    def error_share(self) -> float:
        """Share of the requests that failed."""
        return 1 - self.succeeded / self.count if self.count else 0.0


@dataclass(frozen=True)
class Summary:
    """What a run comes to."""

    duration_s: float
    """Measured time: from the end of the warm-up to the last end of a request."""
    total: Figures
    by_traffic: Mapping[str, Figures]
    by_stage: Mapping[int, Figures]
    """Of the requests that were due in each stage that counts, by its index; a second is one of the stage."""
    send_lag_p99_ms: float
    """How late the harness itself sent, 99th percentile: beyond a few milliseconds it is the bottleneck."""


class Tally:
    """Counts some of the requests."""

    def __init__(self) -> None:
        self.count = 0
        self._latency = Latency()
        self._first: Latency | None = None
        self._errors: defaultdict[str, Latency] = defaultdict(Latency)

    def add(self, sample: Sample) -> None:
        """Counts one."""
        self.count += 1
        latency = sample.ended - sample.due
        if sample.reason:
            self._errors[sample.reason].record(latency)
            return
        self._latency.record(latency)
        if sample.first is not None:
            self._first = self._first or Latency()
            self._first.record(sample.first - sample.due)

    @staticmethod
    def figures(several: Sequence[Tally], duration_s: float) -> Figures:
        """The figures of several tallies together."""
        latency = Latency.of(one._latency for one in several)  # noqa: SLF001 - of the same class
        first = [one._first for one in several if one._first]  # noqa: SLF001 - as above
        errors: defaultdict[str, list[Latency]] = defaultdict(list)
        for one in several:
            for reason, told in one._errors.items():  # noqa: SLF001 - as above
                errors[reason].append(told)
        joined = {reason: Latency.of(told) for reason, told in errors.items()}
        return Figures(
            count=sum(one.count for one in several),
            succeeded=latency.count,
            per_second=latency.count / duration_s if duration_s > 0 else 0.0,
            latency=latency,
            first_event=Latency.of(first) if first else None,
            errors=dict(sorted(joined.items(), key=lambda item: -item[1].count)),
        )


class Statistics:
    """Takes samples as they come and sums them up at any time."""

    def __init__(self, traffic: Sequence[str], stages_s: Sequence[float], warm_up_s: float) -> None:
        """`stages_s`: the stages' lengths in seconds; what is due before `warm_up_s` does not count."""
        self._traffic = traffic
        self._stages_s = stages_s
        self._warm_up_s = warm_up_s
        self.width_s = max(1.0, float(math.ceil(sum(stages_s) / MAXIMUM_WINDOWS)))
        """Length of a window, in seconds."""
        self.windows: defaultdict[int, Window] = defaultdict(Window)
        """By their number, from the beginning of the run, its warm-up included."""
        self._last_end = warm_up_s
        self._by_traffic = [Tally() for _ in traffic]
        self._by_stage: defaultdict[int, Tally] = defaultdict(Tally)
        self._lag = Latency()

    def add(self, sample: Sample) -> None:
        """Counts a request that has ended."""
        due, ended = self._window(sample.due), self._window(sample.ended)
        due.due += 1
        if sample.reason:
            ended.errors[sample.reason] += 1
        else:
            ended.succeeded += 1
            due.latency.setdefault(sample.traffic, Latency(2)).record(sample.ended - sample.due)
        if sample.due >= self._warm_up_s:
            self._last_end = max(self._last_end, sample.ended)
            self._lag.record(sample.sent - sample.due)
            self._by_traffic[sample.traffic].add(sample)
            self._by_stage[sample.stage].add(sample)

    def under_way(self, at: float, count: int) -> None:
        """Notes how many requests are under way."""
        window = self._window(at)
        window.outstanding = max(window.outstanding, count)

    def _window(self, at: float) -> Window:
        return self.windows[int(at // self.width_s)]

    def summary(self) -> Summary:
        """The figures so far; all zero where nothing was counted."""
        duration = self._last_end - self._warm_up_s
        return Summary(
            duration_s=duration,
            total=Tally.figures(self._by_traffic, duration),
            by_traffic={
                name: Tally.figures([tally], duration)
                for name, tally in zip(self._traffic, self._by_traffic, strict=True)
                if tally.count
            },
            by_stage={
                index: Tally.figures([tally], self._stages_s[index])
                for index, tally in sorted(self._by_stage.items())
            },
            send_lag_p99_ms=self._lag.percentile_ms(99),
        )
