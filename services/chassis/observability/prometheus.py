"""A service's metrics as Prometheus reads them, with exemplars where it takes OpenMetrics.

The names are those that OpenTelemetry's compatibility rules make: `rpc.server.call.duration` in `s` is
`rpc_server_call_duration_seconds`. (`opentelemetry-exporter-prometheus` leaves exemplars out, and has one
registry a process.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

Bucket = tuple[str, float] | tuple[str, float, Exemplar]
_UNITS = {"s": "seconds", "By": "bytes"}


class Scrape(Collector):
    """What a scrape is answered with: the metrics now, the process's own, and `target_info` with who is
    asked.
    """

    def __init__(self, resource: Resource) -> None:
        self.reader = _Reader()
        """To be read by the service's MeterProvider."""
        self._target = {_plain(key): str(value) for key, value in resource.attributes.items()}
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Family]:
        """Every metric. May be called from any thread."""
        info = GaugeMetricFamily("target_info", "Who is asked.", labels=list(self._target))
        info.add_metric(list(self._target.values()), 1)
        yield info
        yield from self._process.collect()
        data = self.reader.read()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from map(family, scope.metrics)


class _Reader(MetricReader):
    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._data: MetricsData | None = None

    def read(self) -> MetricsData | None:
        with self._lock:
            self.collect()
            data, self._data = self._data, None
            return data

    def _receive_metrics(self, metrics_data: MetricsData, *_: Any, **__: Any) -> None:
        self._data = metrics_data

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing is sent, so nothing is left."""


def name_of(metric: Metric) -> str:
    """Name of a metric in Prometheus, without the suffix that its kind adds."""
    name, unit = _plain(metric.name), _UNITS.get(metric.unit or "", "")
    return f"{name}_{unit}" if unit and not name.endswith(f"_{unit}") else name


def family(metric: Metric) -> Family:
    """A metric with its points."""
    points = metric.data.data_points
    labels = sorted({str(key) for point in points for key in point.attributes or ()})
    arguments = (name_of(metric), metric.description or "", None, [_plain(label) for label in labels])
    if isinstance(metric.data, Histogram):
        histogram = HistogramMetricFamily(arguments[0], arguments[1], labels=arguments[3])
        for point in points:
            if isinstance(point, HistogramDataPoint):
                histogram.add_metric(_values(point.attributes, labels), _buckets(point), point.sum)
        return histogram
    is_counter = isinstance(metric.data, Sum) and metric.data.is_monotonic
    kind = CounterMetricFamily if is_counter else GaugeMetricFamily
    numbers = kind(arguments[0], arguments[1], labels=arguments[3])
    for point in points:
        if isinstance(point, NumberDataPoint):
            numbers.add_metric(_values(point.attributes, labels), point.value)
    return numbers


def _values(attributes: Mapping[str, Any] | None, labels: list[str]) -> list[str]:
    found = attributes or {}
    return [
        str(found[label]).lower() if isinstance(found.get(label), bool) else str(found.get(label, ""))
        for label in labels
    ]


def _buckets(point: HistogramDataPoint) -> list[Bucket]:
    """Cumulative counts by upper bound, each with the last exemplar that fell into it."""
    bounds = [*map(float, point.explicit_bounds), float("inf")]
    counts = accumulate(point.bucket_counts)
    found: list[Bucket] = []
    below = float("-inf")
    for bound, count in zip(bounds, counts, strict=True):
        within = [one for one in point.exemplars if below < one.value <= bound]
        label, exemplar = "+Inf" if bound == float("inf") else f"{bound:g}", _exemplar(within)
        found.append((label, count, exemplar) if exemplar else (label, count))
        below = bound
    return found


def _exemplar(within: list[SdkExemplar]) -> Exemplar | None:
    traced = [one for one in within if one.trace_id]
    if not traced:
        return None
    last = max(traced, key=lambda one: one.time_unix_nano)
    labels = {"trace_id": f"{last.trace_id:032x}", "span_id": f"{last.span_id:016x}"}
    return Exemplar(labels, last.value, last.time_unix_nano / 1e9)


def _plain(name: str) -> str:
    """Dots and the like as underscores."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
