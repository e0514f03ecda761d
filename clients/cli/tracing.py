"""The trace of one call of a command: the client's own span, and what the mesh keeps, without a collector."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from medmesh import Client
from medmesh.common.v1 import trace_pb2 as pb

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

_PATIENCE_S = 0.6
"""How long Triton's spans are waited for: it sends them five times a second, and not every Triton does."""
_PAUSE_S = 0.1
_SERVICE = "client"
T = TypeVar("T")


def traced(client: Client, call: Callable[[], T]) -> tuple[T, pb.GetTraceResponse]:
    """Makes one call of the mesh, and returns its answer and its trace; raises what the call raises."""
    exporter = _recorded()
    exporter.clear()
    answer = call()
    [root] = [span for span in exporter.get_finished_spans() if span.parent is None]
    assert root.context is not None  # noqa: S101 - a span that was recorded has one
    trace_id = f"{root.context.trace_id:032x}"
    until = time.monotonic() + _PATIENCE_S
    while not (is_whole(trace := client.trace(trace_id)) or time.monotonic() > until):
        time.sleep(_PAUSE_S)
    trace.spans.insert(0, _message(root))
    return answer, trace


def is_whole(trace: pb.GetTraceResponse) -> bool:
    """Whether each call of Triton has spans of Triton's in it."""
    parents = {span.parent_span_id for span in trace.spans}
    asked = (span for span in trace.spans if span.name.startswith("inference.GRPCInferenceService/"))
    return all(span.span_id in parents for span in asked)


@cache
def _recorded() -> InMemorySpanExporter:
    """Turns tracing on in this process, once; the spans also go where OTEL_EXPORTER_OTLP_ENDPOINT says."""
    import os

    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    from services.chassis.observability import otlp

    exporter = InMemorySpanExporter()
    provider = TracerProvider(ALWAYS_ON, otlp.resource(_SERVICE))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if sender := otlp.span_exporter(os.environ.get(otlp.ENDPOINT, "")):
        provider.add_span_processor(SimpleSpanProcessor(sender))
    trace.set_tracer_provider(provider)
    return exporter


def _message(span: ReadableSpan) -> pb.Span:
    attributes = dict(span.attributes or {})
    message = pb.Span(
        span_id=f"{span.context.span_id:016x}" if span.context else "",
        service=f"medmesh-{_SERVICE}",
        name=span.name,
        kind=pb.Span.KIND_CLIENT,
        error_type=str(attributes.pop("error.type", "")),
        attributes={key: str(value) for key, value in attributes.items()},
    )
    start = span.start_time or 0
    message.start_time.FromNanoseconds(start)
    message.duration.FromNanoseconds((span.end_time or start) - start)
    return message
