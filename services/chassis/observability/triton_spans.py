"""Triton's own spans, from OTLP: its queue, its reading of the inputs, its computing, as parts of the call
that asked it.

Of their attributes the registered ones are taken alone; their events are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from services.chassis.observability.attributes import Name

SERVICE = "triton"
_RESOURCE = Resource({"service.name": SERVICE, "service.namespace": "medmesh"})
_SCOPE = InstrumentationScope("triton")
_NAMES = {"triton.model_name": Name.MODEL, "triton.model_version": Name.MODEL_VERSION}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def spans_of(body: bytes) -> list[ReadableSpan]:
    """The spans of an export. Raises DecodeError."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
        for span in _read(one)
    ]


def _read(span: trace_pb2.Span) -> Iterator[ReadableSpan]:
    if len(span.trace_id) != 16 or len(span.span_id) != 8:
        return
    trace_id = int.from_bytes(span.trace_id)
    parent = None
    if len(span.parent_span_id) == 8:
        parent = SpanContext(
            trace_id, int.from_bytes(span.parent_span_id), is_remote=True, trace_flags=_SAMPLED
        )
    attributes: dict[str, str | int] = {}
    for one in span.attributes:
        if one.key in _NAMES:
            value = one.value
            attributes[_NAMES[one.key]] = value.string_value or str(value.int_value)
    yield ReadableSpan(
        name=_name(span.name),
        context=SpanContext(trace_id, int.from_bytes(span.span_id), is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=_RESOURCE,
        attributes=attributes,
        kind=SpanKind.INTERNAL if span.kind != trace_pb2.Span.SPAN_KIND_SERVER else SpanKind.SERVER,
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=_SCOPE,
    )


def _name(name: str) -> str:
    return name if name.isascii() and len(name) <= 128 else "span"
