"""`medmesh.common.v1.TraceService`: the kept spans of the caller's own traces, with those of the services
that were called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from medmesh.common.v1 import trace_pb2 as pb
from medmesh.common.v1 import trace_pb2_grpc
from services.chassis.errors import MedmeshError
from services.chassis.observability.attributes import Name
from services.chassis.observability.kept_traces import KeptTraces
from services.chassis.rpc import request as requests
from services.chassis.upstream.call import Upstream

_KINDS = {
    SpanKind.INTERNAL: pb.Span.KIND_INTERNAL,
    SpanKind.SERVER: pb.Span.KIND_SERVER,
    SpanKind.CLIENT: pb.Span.KIND_CLIENT,
}
_TIMEOUT_S = 5.0
Ask = Callable[[pb.GetTraceRequest], Awaitable[pb.GetTraceResponse]]


class TraceServicer(trace_pb2_grpc.TraceServiceServicer):
    """Answers from what is kept here, and asks the services that were called on the caller's behalf."""

    def __init__(self, kept: KeptTraces) -> None:
        self._kept = kept
        self._others: dict[str, Ask] = {}

    def ask_too(self, upstreams: Iterable[Upstream]) -> None:
        """Answers for these services as well."""
        for upstream in upstreams:
            self._others[upstream.name] = _asking(upstream)

    async def GetTrace(self, request: pb.GetTraceRequest, context: Any) -> pb.GetTraceResponse:
        current = requests.current.get()
        kept = self._kept.of(int(request.trace_id, 16), current.caller if current else "")
        response = pb.GetTraceResponse(dropped_span_count=kept.dropped_count)
        if not kept.spans:  # not the caller's: of the others' spans nothing is told either
            return response
        response.spans.extend(map(_message, kept.spans))
        answers = await asyncio.gather(
            *(ask(request) for ask in self._others.values()), return_exceptions=True
        )
        for name, answer in zip(self._others, answers, strict=True):
            if isinstance(answer, pb.GetTraceResponse):
                response.spans.extend(answer.spans)
                response.dropped_span_count += answer.dropped_span_count
            elif isinstance(answer, MedmeshError):
                response.unreachable_services.append(name)
            else:
                raise answer
        response.spans.sort(key=lambda span: (span.start_time.seconds, span.start_time.nanos))
        return response


def add_traces(kept: KeptTraces, server: grpc.aio.Server) -> TraceServicer:
    """Adds the service to a server."""
    servicer = TraceServicer(kept)
    trace_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    return servicer


def _asking(upstream: Upstream) -> Ask:
    stub = trace_pb2_grpc.TraceServiceStub(upstream.channel)

    async def ask(request: pb.GetTraceRequest) -> pb.GetTraceResponse:
        answer: pb.GetTraceResponse = await upstream.call(stub.GetTrace, request, timeout_s=_TIMEOUT_S)
        return answer

    return ask


def _message(span: ReadableSpan) -> pb.Span:
    attributes = dict(span.attributes or {})
    message = pb.Span(
        span_id=f"{span.context.span_id:016x}" if span.context else "",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent else "",
        service=str(span.resource.attributes.get("service.name", "")),
        name=span.name,
        kind=_KINDS.get(span.kind, pb.Span.KIND_UNSPECIFIED),
        error_type=str(attributes.pop(Name.ERROR_TYPE, "")),
        attributes={str(key): str(value) for key, value in attributes.items()},
    )
    start, end = span.start_time or 0, span.end_time or 0
    message.start_time.FromNanoseconds(start)
    message.duration.FromNanoseconds(max(end - start, 0))
    return message
