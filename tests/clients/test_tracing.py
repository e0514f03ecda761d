"""The client's own span around each call, where the application traces; nothing where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import medmesh
from medmesh import tracing
from tests.clients.fake_mesh import error_info

PACKAGE = Path(medmesh.__file__).parents[1]


@pytest.fixture
def spans(monkeypatch):
    """What the application's tracer exports. Not set globally: that can be done once a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing.trace, "get_tracer", provider.get_tracer)
    return exporter.get_finished_spans


def test_a_call_is_a_client_span_and_the_mesh_is_told_of_it(mesh, client, spans):
    client.diagnose(note="CANARY coughs.")
    [span] = spans()
    assert span.name == "medmesh.orchestrator.v1.DiagnosticService/Diagnose"
    assert span.kind is trace.SpanKind.CLIENT
    sent = mesh.last.metadata["traceparent"].split("-")
    assert sent[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert span.attributes["rpc.method"] == "medmesh.orchestrator.v1.DiagnosticService/Diagnose"
    assert span.attributes["rpc.system.name"] == "grpc"
    assert span.attributes["server.port"] == int(mesh.target.rsplit(":", 1)[1])
    assert span.attributes["rpc.response.status_code"] == "OK"
    assert "CANARY" not in span.to_json()


def test_a_failure_marks_the_span_without_its_text(mesh, client, spans):
    mesh.fail("ListModels", "UNAVAILABLE", "CANARY is not here.", error_info("UPSTREAM_UNAVAILABLE"))
    with pytest.raises(medmesh.Unavailable):
        client.models()
    [span] = spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "UPSTREAM_UNAVAILABLE"
    assert span.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert "CANARY" not in span.to_json()


async def test_a_stream_is_one_span_until_its_end(mesh, async_client, spans):
    async for _ in async_client.diagnose_stream(note="Cough."):
        assert not spans()
    [span] = spans()
    assert span.attributes["rpc.response.status_code"] == "OK"


def test_a_stream_that_is_left_early_ends_its_span(mesh, client, spans):
    for _ in (events := client.diagnose_stream(note="Cough.")):
        break
    events.close()
    [span] = spans()
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"
    assert span.attributes["error.type"] == "CANCELLED"


def test_without_a_tracer_nothing_is_sent(mesh, client):
    client.models()
    assert not {"traceparent", "tracestate", "baggage"} & set(mesh.last.metadata)


def test_without_the_package_the_client_works_as_well(mesh):
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from medmesh import Client, tracing\n"
        "assert not tracing.TRACED\n"
        f"with Client({mesh.target!r}) as client: client.models()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "traceparent" not in mesh.last.metadata
