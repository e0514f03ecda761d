"""Bounds that a run must keep, such as `p99_ms < 500` or `short notes: error_share < 0.01`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clients.loadtest.statistics import Figures, Summary

_FORM = re.compile(
    r"^\s*(?:(?P<traffic>[^:<>]+?)\s*:\s*)?(?P<metric>[a-z0-9_.]+)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[0-9.e+-]+)\s*$",
    re.IGNORECASE,
)
_PERCENTILE = re.compile(r"^(?P<first>first_event_)?p(?P<percent>\d{1,2}(?:\.\d+)?)_ms$")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PLAIN: Mapping[str, Callable[[Figures], float]] = {
    "mean_ms": lambda figures: figures.latency.mean_ms,
    "max_ms": lambda figures: figures.latency.max_ms,
    "ok_per_s": lambda figures: figures.per_second,
    "count": lambda figures: figures.count,
    "error_share": lambda figures: figures.error_share,
}
METRICS = ("p50_ms … p99.9_ms", "first_event_p50_ms …", *_PLAIN)
"""What a threshold may be about."""


@dataclass(frozen=True)
class Threshold:
    """One bound on one figure of a run."""

    metric: str
    sign: str
    bound: float
    traffic: str = ""
    """The traffic that it is about; empty: all of it."""

    def __str__(self) -> str:
        of = f"{self.traffic}: " if self.traffic else ""
        return f"{of}{self.metric} {self.sign} {self.bound:g}"

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Reads one. ValueError: it has another form, or is about something else."""
        found = _FORM.match(text)
        try:
            bound = float(found["bound"]) if found else 0.0
        except ValueError:
            found = None
        if not found:
            raise ValueError(
                f"a threshold looks like `p99_ms < 500` or `my traffic: ok_per_s > 10`, not `{text}`"
            )
        metric = found["metric"].lower()
        if metric not in _PLAIN and not _PERCENTILE.match(metric):
            raise ValueError(f"no threshold is about {metric}; there are {', '.join(METRICS)}")
        return cls(metric, found["sign"], bound, found["traffic"] or "")

    def value(self, summary: Summary) -> float | None:
        """The figure that it is about; None where nothing was measured of it."""
        figures = summary.by_traffic.get(self.traffic) if self.traffic else summary.total
        if figures is None or not figures.count:
            return None
        plain = _PLAIN.get(self.metric)
        if plain and not self.metric.endswith("_ms"):
            return plain(figures)
        percentile = _PERCENTILE.match(self.metric)
        latency = figures.first_event if percentile and percentile["first"] else figures.latency
        if latency is None or not latency.count:
            return None
        return (
            plain(figures)
            if plain
            else latency.percentile_ms(float(percentile["percent"]) if percentile else 50)
        )

    def kept(self, summary: Summary) -> bool:
        """Whether the run keeps it; one without any figure to it does not."""
        value = self.value(summary)
        return value is not None and _SIGNS[self.sign](value, self.bound)
