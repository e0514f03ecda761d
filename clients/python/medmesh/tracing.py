"""A span of the client's own around each call, where the application traces with OpenTelemetry.

Nothing has to be installed or set: without `opentelemetry-api`, or without a tracer provider, no span is made
and nothing is sent. With both, each call is a CLIENT span, and its `traceparent` makes the spans of the mesh
its children. Spans hold names and codes by OpenTelemetry's conventions, nothing of the request or the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from medmesh import targets
from medmesh.errors import MedmeshError
from medmesh.rpcs import Rpc

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    TRACED = True
except ImportError:  # the application's choice
    TRACED = False

Metadata = tuple[tuple[str, str], ...]


@contextmanager
def client_span(rpc: Rpc, target: str) -> Iterator[Metadata]:
    """Traces the block as one call, and gives the metadata that carries the trace: empty where none is."""
    if not TRACED:
        yield ()
        return
    host, port = targets.server(target)
    attributes: dict[str, str | int] = {
        "rpc.system.name": "grpc",
        "rpc.method": rpc.name,
        "server.address": host,
    }
    if port is not None:
        attributes["server.port"] = port
    span = trace.get_tracer("medmesh").start_span(rpc.name, kind=trace.SpanKind.CLIENT, attributes=attributes)
    carrier: dict[str, str] = {}
    # Not the application's own propagators: baggage is for its services, not for whoever runs the mesh.
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    code = grpc.StatusCode.OK
    try:
        yield tuple(carrier.items())
    except MedmeshError as error:
        code = error.status
        span.set_attribute("error.type", error.reason or code.name)
        span.set_status(trace.StatusCode.ERROR)
        raise
    except BaseException:  # given up by the caller, who stopped listening or was cancelled
        code = grpc.StatusCode.CANCELLED
        span.set_attribute("error.type", code.name)
        raise
    finally:
        span.set_attribute("rpc.response.status_code", code.name)
        span.end()
