"""Traces and metrics with OpenTelemetry, off unless an endpoint is set. Attributes: ids, sizes and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.chassis.settings import is_loopback

_PROPAGATOR = TraceContextTextMapPropagator()
_tracer: ContextVar[Tracer] = ContextVar("medmesh_tracer")
_NO_TRACER = NoOpTracer()

Attribute = str | bool | int | float


class Telemetry:
    """The tracer and meter of one service. Not global: two services in one process stay apart."""

    def __init__(
        self,
        service: str,
        endpoint: str = "",
        *,
        span_exporter: SpanExporter | None = None,
        metric_reader: MetricReader | None = None,
    ) -> None:
        self.tracer: Tracer = _NO_TRACER
        self.meter: Meter = NoOpMeter(service)
        self._providers: list[TracerProvider | MeterProvider] = []
        if endpoint:
            # Imported here: the exporters pull in an HTTP client, which nobody else needs.
            import requests
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            base = endpoint.rstrip("/")
            session = requests.Session()
            # A proxy of the environment is for what lies beyond this machine.
            session.trust_env = not is_loopback(urlsplit(base).hostname or "")
            span_exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", session=session)
            metric_reader = PeriodicExportingMetricReader(
                OTLPMetricExporter(endpoint=f"{base}/v1/metrics", session=session)
            )
        resource = Resource({"service.name": f"medmesh-{service}", "service.namespace": "medmesh"})
        if span_exporter is not None:
            traces = TracerProvider(resource=resource, shutdown_on_exit=False)
            traces.add_span_processor(BatchSpanProcessor(span_exporter))
            self._providers.append(traces)
            self.tracer = traces.get_tracer("medmesh")
        if metric_reader is not None:
            metrics = MeterProvider([metric_reader], resource=resource, shutdown_on_exit=False)
            self._providers.append(metrics)
            self.meter = metrics.get_meter("medmesh")
        self.requests = self.meter.create_counter(
            "medmesh.requests", description="Requests by method and status."
        )
        self.duration = self.meter.create_histogram(
            "medmesh.request.duration", unit="ms", description="Time to answer by method and status."
        )

    def close(self) -> None:
        """Sends what is left and stops the exporters. Blocks for a few seconds at most."""
        for provider in self._providers:
            provider.shutdown()

    @contextmanager
    def server_span(self, method: str, metadata: Mapping[str, str]) -> Iterator[trace.Span]:
        """The span of one rpc, a child of the caller's when it sent a `traceparent`."""
        # Without `tracestate`, which takes whatever a caller writes and would go into every span.
        carrier = {key: value for key, value in metadata.items() if key == "traceparent"}
        parent = _PROPAGATOR.extract(carrier, context=Context())
        token = _tracer.set(self.tracer)
        try:
            with self.tracer.start_as_current_span(
                method.lstrip("/"),
                context=parent,
                kind=SpanKind.SERVER,
                attributes={"rpc.system": "grpc", "rpc.method": method.lstrip("/")},
                # An exception's text may hold patient data: the interceptor sets status and reason instead.
                record_exception=False,
                set_status_on_exception=False,
            ) as current:
                yield current
        finally:
            _tracer.reset(token)


@contextmanager
def span(name: str, **attributes: Attribute) -> Iterator[trace.Span]:
    """A span of the current request, such as `imaging.decode`; attributes are ids, sizes, names only."""
    with _tracer.get(_NO_TRACER).start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        yield current


def trace_id() -> str:
    """The current trace's id in hexadecimal; empty when there is none."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def outgoing_metadata() -> dict[str, Any]:
    """W3C `traceparent` and `tracestate` of the current span, for calls made on the request's behalf."""
    carrier: dict[str, Any] = {}
    _PROPAGATOR.inject(carrier)
    return carrier
