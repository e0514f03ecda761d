"""Traces and metrics with OpenTelemetry, by its own names (`attributes`, `instruments`).

Off, an rpc costs a look at its `traceparent`. A span is made where the caller's trace is sampled, or where
this service samples traces of its own to send them somewhere; what is made within it follows. Nothing but an
rpc begins a trace: no health check, no probe, no work in the background.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, SpanContext, SpanKind, TraceFlags, Tracer

from services.chassis.errors import MedmeshError
from services.chassis.observability.attributes import Attributes, Name, Value
from services.chassis.observability.instruments import Instruments
from services.chassis.observability.kept_traces import KeptTraces
from services.chassis.observability.observed import Observed

SCOPE = "medmesh"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SERVER_ERRORS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Statuses that are a fault of the server, by the conventions; the others are its caller's."""


class Telemetry:
    """The tracer and the instruments of one service. Not global: two services in one process stay apart."""

    def __init__(
        self,
        service: str,
        *,
        resource: Resource | None = None,
        kept: KeptTraces | None = None,
        span_processors: tuple[SpanProcessor, ...] = (),
        metric_readers: tuple[MetricReader, ...] = (),
        meter: Meter | None = None,
        begins_traces: bool = True,
    ) -> None:
        """Without processors and `kept` there are no spans, without readers or a `meter` no metrics.

        `begins_traces`: whether a call without a sampled trace may begin one, as OTEL_TRACES_SAMPLER says.
        """
        self.kept = kept or KeptTraces(0)
        processors = (*span_processors, kept) if kept else span_processors
        self.resource = resource or Resource({"service.name": f"medmesh-{service}"})
        self._begins_traces = begins_traces and bool(span_processors)
        self._tracer: Tracer = NoOpTracer()
        self._traces: TracerProvider | None = None
        self._metrics: MeterProvider | None = None
        self._processors = processors
        meter = meter or NoOpMeter(service)
        if processors:
            # None: the sampler of OTEL_TRACES_SAMPLER, by default all but what the caller does not sample.
            sampler = None if self._begins_traces else ParentBased(ALWAYS_OFF)
            self._traces = TracerProvider(sampler, self.resource, shutdown_on_exit=False)
            for processor in processors:
                self._traces.add_span_processor(processor)
            self._tracer = self._traces.get_tracer(SCOPE)
        if metric_readers:
            self._metrics = MeterProvider(metric_readers, resource=self.resource, shutdown_on_exit=False)
            meter = self._metrics.get_meter(SCOPE)
        self.instruments = Instruments(meter)

    def close(self) -> None:
        """Sends what is left and stops the exporters. Blocks for a few seconds at most."""
        for provider in (self._traces, self._metrics):
            if provider is not None:
                provider.shutdown()

    def take(self, observed: Observed) -> None:
        """Takes what another process observed of the current request as this service's own."""
        for ended in observed.spans:
            span = ended.of(self.resource, InstrumentationScope(SCOPE))
            for processor in self._processors:
                processor.on_end(span)
        for name, value, attributes in observed.values:
            self.instruments.take(name, value, attributes)

    def begin(
        self,
        method: str,
        metadata: Mapping[str, str],
        *,
        traced: bool = True,
        kind: SpanKind = SpanKind.SERVER,
    ) -> Span:
        """Begins the span of an rpc (of a step of one where `kind` is INTERNAL), a child of the caller's
        where it sent a `traceparent`, and makes it and this telemetry those of the task that runs; whoever
        begins it ends it.

        Nothing has to be put back: each rpc is a task of its own, and its context ends with it.
        """
        _current.set(self)
        parent = _sent(metadata)
        if not traced:
            return trace.INVALID_SPAN
        if parent.trace_flags.sampled or self._begins_traces:
            span = self._tracer.start_span(
                method,
                trace.set_span_in_context(NonRecordingSpan(parent), Context()),
                kind,
                {Name.RPC_SYSTEM: "grpc", Name.RPC_METHOD: method} if kind is SpanKind.SERVER else None,
            )
        else:
            span = NonRecordingSpan(parent)
        contexts.attach(trace.set_span_in_context(span))
        return span


def _sent(metadata: Mapping[str, str]) -> SpanContext:
    """The caller's span. Without `tracestate`, which takes whatever a caller writes and would go into every
    span.
    """
    found = _TRACEPARENT.fullmatch(metadata.get("traceparent", ""))
    if found is None:
        return trace.INVALID_SPAN_CONTEXT
    trace_id, span_id, flags = (int(digits, 16) for digits in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))


OFF = Telemetry("off")
"""Records nothing."""
_current: ContextVar[Telemetry] = ContextVar("medmesh_telemetry", default=OFF)


def instruments() -> Instruments:
    """What the service counts and measures that answers the current rpc; outside of one nothing is
    recorded.
    """
    return _current.get().instruments


class span:  # noqa: N801 - used as a function: `with span("image.decode"):`
    """A span of the current request; a step within it where no `kind` is given. It is not made where the
    request's own is not recorded. An error that leaves the block marks it, by its reason alone.
    """

    __slots__ = ("_attributes", "_kind", "_name", "_span", "_token")

    def __init__(
        self, name: str, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL
    ) -> None:
        self._name = name
        self._attributes = attributes
        self._kind = kind
        self._span: Span = trace.INVALID_SPAN
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._span = begin_step(self._name, self._attributes, self._kind)
        if self._span.is_recording():
            self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        if error is not None and not isinstance(error, GeneratorExit):
            self._span.set_attribute(Name.ERROR_TYPE, self._error_type(error))
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()
        contexts.detach(self._token)

    def set(self, name: Name, value: Value) -> None:
        """Sets an attribute."""
        self._span.set_attribute(name, value)

    def _error_type(self, error: BaseException) -> str:
        return error_type(error)


def begin_step(name: str, attributes: Attributes | None, kind: SpanKind) -> Span:
    """Begins a span of the current request without making it the current one; whoever begins it ends it."""
    if not trace.get_current_span().is_recording():
        return trace.INVALID_SPAN
    tracer = _current.get()._tracer  # noqa: SLF001 - of this module
    return tracer.start_span(name, kind=kind, attributes=attributes)  # type: ignore[arg-type]  # a Name is a str


def error_type(error: BaseException) -> str:
    """`error.type` of an exception: its reason, else its class. Its text may quote patient
    data.
    """
    if isinstance(error, MedmeshError):
        return str(error.reason)
    return type(error).__name__


def is_fault_of_server(status: str) -> bool:
    """Whether a status, by its name, is the server's fault rather than its caller's."""
    return status in _SERVER_ERRORS


def trace_id() -> str:
    """The current trace's id in hexadecimal; empty when there is none."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def outgoing_metadata() -> dict[str, str]:
    """W3C `traceparent` of the current span, for calls made on the request's behalf. Outside of a request:
    one that is not sampled, so that nobody begins a trace for work in the background.
    """
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        in_background = _current.get() is OFF
        return (
            {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"} if in_background else {}
        )
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}


def metadata_of_sampled() -> dict[str, str]:
    """The same for Triton, which traces every call that has a `traceparent`, whatever it says: nothing where
    the request is not traced.
    """
    return outgoing_metadata() if trace.get_current_span().is_recording() else {}
