"""Triton's own spans, as it posts them (OTLP in JSON): the request, the model's turn with its time in the
queue, the computing. They become parts of the call that asked for them.

Of what stands in them the registered attributes are taken alone; of the events the one from which the queue's
time follows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from services.chassis.observability.attributes import Name, Value, problem

SERVICE = "triton"
_RESOURCE = Resource({"service.name": SERVICE, "service.namespace": "medmesh"})
_SCOPE = InstrumentationScope(SERVICE)
_NAMES = {"triton.model_name": Name.MODEL, "triton.model_version": Name.MODEL_VERSION}
_REQUEST, _COMPUTE, _QUEUE_START = "InferRequest", "compute", "QUEUE_START"
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def spans_of(body: bytes) -> list[ReadableSpan]:
    """The spans of an export. Raises ValueError where it is none."""
    try:
        found = list(_spans(json.loads(body)))
        computing = {
            one["parentSpanId"]: int(one["startTimeUnixNano"]) for one in found if one["name"] == _COMPUTE
        }
        return [_read(one, computing.get(one["spanId"])) for one in found]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no spans in OTLP's JSON") from error


def _spans(export: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in export["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            yield from scope["spans"]


def _read(span: Mapping[str, Any], computing_from: int | None) -> ReadableSpan:
    trace_id, parent_id = int(span["traceId"], 16), span.get("parentSpanId")
    parent = None
    if parent_id:
        parent = SpanContext(trace_id, int(parent_id, 16), is_remote=True, trace_flags=_SAMPLED)
    name = span["name"] if not problem(Name.MODEL, span["name"]) else SERVICE
    return ReadableSpan(
        name=name,
        context=SpanContext(trace_id, int(span["spanId"], 16), is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=_RESOURCE,
        attributes=_attributes(span, computing_from),  # type: ignore[arg-type]  # a Name is a str
        kind=SpanKind.SERVER if name == _REQUEST else SpanKind.INTERNAL,
        start_time=int(span["startTimeUnixNano"]),
        end_time=int(span["endTimeUnixNano"]),
        instrumentation_scope=_SCOPE,
    )


def _attributes(span: Mapping[str, Any], computing_from: int | None) -> dict[Name, Value]:
    found: dict[Name, Value] = {}
    for one in span.get("attributes", ()):
        if one["key"] in _NAMES:
            name, value = _NAMES[one["key"]], str(next(iter(one["value"].values())))
            if not problem(name, value):
                found[name] = value
    for event in span.get("events", ()):
        if event["name"] == _QUEUE_START and computing_from is not None:
            found[Name.QUEUE_TIME] = max(computing_from - int(event["timeUnixNano"]), 0) / 1e9
    return found
