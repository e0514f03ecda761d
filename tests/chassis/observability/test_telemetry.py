"""Spans join the caller's trace, hold ids and sizes only, and travel on to upstreams and Triton."""

from __future__ import annotations

import numpy as np
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.chassis.observability import telemetry
from services.chassis.observability.telemetry import Telemetry
from tests.chassis.conftest import DOUBLING, PREFIX, Handlers, Text, refusal_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def infer(parts, message, context):
    with telemetry.span("sample.prepare", size_bytes=len(message.note)):
        pass
    await parts.catalog.only(DOUBLING).infer({"x": np.ones((1, 1), np.float32)})
    return Text(note=str(telemetry.outgoing_metadata()))


async def test_without_an_endpoint_the_trace_is_passed_on_and_logged_all_the_same(serve, log_lines):
    async with serve(Handlers(unary=infer)) as sample:
        answer = await sample.call("Unary")(Text(note="short"), metadata=(("traceparent", TRACEPARENT),))
        assert TRACE in answer.note
        assert (await sample.call("Unary")(Text(note="short"))).note == "{}"
    first, second = log_lines("request")
    assert first["trace_id"] == TRACE
    assert "trace_id" not in second


async def test_each_rpc_is_a_span_in_the_callers_trace_without_content(serve, monkeypatch):
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    made = Telemetry("sample", span_exporter=exporter, metric_reader=reader)
    monkeypatch.setattr("services.chassis.rpc.server.Telemetry", lambda *_: made)

    async def fail(parts, message, context):
        raise ValueError("Mrs Example")

    async with serve(Handlers(unary=infer, upload=fail)) as sample:
        await sample.call("Unary")(Text(note="Mrs Example"), metadata=(("traceparent", TRACEPARENT),))
        await refusal_of(sample.call("Upload")(_nothing()))
        points = {
            tuple(sorted(point.attributes.items())): point.value
            for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
            if metric.name == "medmesh.requests"
            for point in metric.data.data_points
        }
    inner, rpc, failed = exporter.get_finished_spans()
    assert (inner.name, rpc.name) == ("sample.prepare", PREFIX[1:] + "Unary")
    assert f"{rpc.context.trace_id:032x}" == TRACE
    assert inner.parent.span_id == rpc.context.span_id
    assert rpc.attributes["rpc.grpc.status_code"] == "OK"
    assert failed.attributes["rpc.grpc.status_code"] == "INTERNAL"
    assert "Mrs Example" not in "".join(span.to_json() for span in (inner, rpc, failed))
    assert points == {
        (("method", PREFIX + "Unary"), ("status", "OK")): 1,
        (("method", PREFIX + "Upload"), ("status", "INTERNAL")): 1,
    }


async def _nothing():
    return
    yield
