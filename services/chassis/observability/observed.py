"""What the second process observes of a call (spans, values of metrics), on its way to the telemetry of the
service, which keeps and sends it as its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, NoOpMeter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status
from opentelemetry.util.types import Attributes

from services.chassis.observability.attributes import Attributes as Registered
from services.chassis.rpc.request import Request, current


@dataclass(frozen=True)
class EndedSpan:
    """A span that has ended, without what ties it to its process."""

    name: str
    context: SpanContext | None
    parent: SpanContext | None
    attributes: dict[str, Any]
    kind: SpanKind
    status: Status
    start_time: int | None
    end_time: int | None

    def of(self, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
        """The span as one of that resource."""
        return ReadableSpan(resource=resource, instrumentation_scope=scope, **vars(self))


@dataclass
class Observed:
    """Spans and values, in the order in which they came."""

    spans: list[EndedSpan] = field(default_factory=list)
    values: list[tuple[str, float, Registered]] = field(default_factory=list)
    """Name of the instrument, value, attributes."""


class Collector(SpanProcessor):
    """Collects what is observed until it is taken; spans for the request that they are part of, since they
    are shown to its caller alone.
    """

    def __init__(self) -> None:
        self.meter = _CollectingMeter(self)
        self._values: list[tuple[str, float, Registered]] = []
        self._spans: dict[int, list[EndedSpan]] = {}
        """By the identity of the request's object."""

    def begin(self, request: Request) -> None:
        """From now on spans of the request are collected."""
        self._spans[id(request)] = []

    def take(self, request: Request) -> Observed:
        """The spans of a request that has ended, and all values that have come since the last time."""
        values, self._values = self._values, []
        return Observed(self._spans.pop(id(request)), values)

    def add(self, instrument: str, value: float, attributes: Attributes) -> None:
        """Collects one value."""
        self._values.append((instrument, value, cast("Registered", dict(attributes or {}))))

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span is collected when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Collects a span, where its request has not ended."""
        spans = self._spans.get(id(current.get()))
        if spans is not None:
            spans.append(
                EndedSpan(
                    span.name,
                    span.context,
                    span.parent,
                    dict(span.attributes or {}),
                    span.kind,
                    span.status,
                    span.start_time,
                    span.end_time,
                )
            )


class _CollectingMeter(NoOpMeter):
    def __init__(self, collector: Collector) -> None:
        super().__init__("medmesh")
        self._collector = collector

    def create_histogram(self, name: str, *_: Any, **__: Any) -> Histogram:
        return _CollectingHistogram(self._collector, name)

    def create_counter(self, name: str, *_: Any, **__: Any) -> Counter:
        return _CollectingCounter(self._collector, name)


class _CollectingHistogram(Histogram):
    def __init__(self, collector: Collector, name: str) -> None:
        self._collector, self._name = collector, name

    def record(self, amount: float, attributes: Attributes = None, *_: Any) -> None:
        self._collector.add(self._name, amount, attributes)


class _CollectingCounter(Counter):
    def __init__(self, collector: Collector, name: str) -> None:
        self._collector, self._name = collector, name

    def add(self, amount: float, attributes: Attributes = None, *_: Any) -> None:
        self._collector.add(self._name, amount, attributes)
