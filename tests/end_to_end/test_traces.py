"""One diagnosis is one tree of spans, from the client's call to Triton's computing, all of it registered."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from medmesh import tracing
from services.chassis.observability import attributes as registered
from services.local.mesh_settings import TOPOLOGY
from tests.end_to_end.conftest import ROOT, SAMPLES, client_of, until
from tests.end_to_end.test_bad_input import CANARY, assert_clean, bundle, condition, dicom
from tests.otlp import attributes, points

pytestmark = pytest.mark.live

OBSERVABILITY = ROOT / "deploy" / "observability"
ATTEMPTS, PATIENCE_S = 15, 3.0
OF_TLS = {"medmesh_tls_certificate_remaining_seconds", "medmesh_tls_certificate"}
"""Not exported where no certificate is configured, as here."""
MODELS = {"chest_xray", "clinical_ner", "report_writer"}


@pytest.fixture(scope="module")
def diagnosed(mesh, collector):
    """The client's own span of one diagnosis, and the spans of it that the mesh exported.

    Triton 24.10 leaves out the spans of some requests (docs/triton.md): then another one is made.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    case = {
        "image": SAMPLES / "chest_xray.dcm",
        "note": (SAMPLES / "note.txt").read_text(encoding="utf-8"),
        "patient": SAMPLES / "patient.json",
    }
    with pytest.MonkeyPatch.context() as patched, client_of(mesh) as client:
        patched.setattr(tracing.trace, "get_tracer", provider.get_tracer)
        for _ in range(ATTEMPTS):
            exporter.clear()
            client.diagnose(**case, draft_report=True)
            [root] = exporter.get_finished_spans()
            until_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < until_s:
                spans = _of(collector, root)
                if _is_whole(root, spans):
                    return root, spans
                time.sleep(0.1)
    pytest.fail("no trace arrived whole")


def test_the_call_edges_between_the_services_are_those_of_the_topology(diagnosed):
    root, spans = diagnosed
    owner = {span.span_id: _service(who) for who, span in spans} | {_id(root): "client"}
    parents = {span.parent_span_id for _, span in spans}
    assert parents <= owner.keys(), "one connected tree"
    edges = {
        (owner[span.parent_span_id], owner[span.span_id])
        for _, span in spans
        if owner[span.parent_span_id] != owner[span.span_id]
    }
    expected = {(name, callee) for name, service in TOPOLOGY.services.items() for callee in service.calls}
    expected |= {(name, "triton") for name, service in TOPOLOGY.services.items() if service.triton}
    assert edges == expected | {("client", "orchestrator")}


def test_both_ends_of_a_call_are_spans_and_triton_tells_its_computing(diagnosed):
    _, spans = diagnosed
    by_id = {span.span_id: span for _, span in spans}
    for who, span in spans:
        if span.kind == span.SPAN_KIND_SERVER and span.parent_span_id in by_id and _service(who) != "triton":
            assert by_id[span.parent_span_id].kind == span.SPAN_KIND_CLIENT
            assert by_id[span.parent_span_id].name == span.name
    computing = [span for _, span in spans if span.name == "compute"]
    models = {by_id[span.parent_span_id].name for span in computing}
    assert models >= MODELS
    [text] = [span for _, span in spans if span.name == "text_completion report_writer"][:1]
    assert attributes(text.attributes)["gen_ai.usage.output_tokens"] > 0


def test_what_is_exported_is_registered_and_health_checks_are_not_in_it(diagnosed, collector):
    found = [attributes(span.attributes) for _, span in collector.spans()]
    until(lambda: any(metric.name == "rpc.server.call.duration" for _, metric in collector.metrics()), 90.0)
    found += [attributes(one.attributes) for _, metric in collector.metrics() for one in points(metric)]
    told = {registered.problem(name, _plain(value)) for one in found for name, value in one.items()}
    assert told - {""} == set()
    assert not [span.name for _, span in collector.spans() if "Health" in span.name]


def test_no_text_of_a_request_or_its_answer_reaches_the_collector(client, collector):
    """In spans, metrics and log lines, of a call that every service and the writer of reports worked on."""
    request_id = "ca9a1790-0000-4000-8000-000000000002"
    sentence = "Bibasilar crackles since Tuesday."
    answer = client.diagnose(
        image=dicom(),
        note=f"{CANARY} has pneumonia. {sentence}",
        patient=bundle(condition("Patient/1")),
        draft_report=True,
        request_id=request_id,
    )
    written = [one.text for one in answer.report.draft.sentences]
    assert written
    arrived = time.time_ns()
    until(lambda: any(_request_id(span) == request_id for _, span in collector.spans()))
    until(lambda: any(request_id.encode() in line.SerializeToString() for line in collector.logs()))
    until(lambda: _services_with_values_after(collector, arrived) >= TOPOLOGY.services.keys())
    content = collector.content()
    assert_clean(content, "what the collector received")
    assert [text for text in [sentence, *written] if text.encode() in content] == []


def _request_id(span) -> object:
    return attributes(span.attributes).get("medmesh.request.id")


def _services_with_values_after(collector, time_ns) -> set[str]:
    return {
        _service(resource)
        for resource, metric in collector.metrics()
        if any(point.time_unix_nano > time_ns for point in points(metric))
    }


def test_every_metric_that_a_dashboard_or_an_alert_names_is_exported(diagnosed, mesh):
    text = ""
    for address in mesh.metrics_addresses.values():
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/metrics", timeout=10) as answer:
            text += answer.read().decode()
    exported = set(re.findall(r"^([a-z_]\w*)[{ ]", text, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', text))
    form = re.compile(r"\b((?:rpc|medmesh|gen_ai|nv|process)_[a-z_]+)\b(?=[{\[\s)])")
    files = [*OBSERVABILITY.rglob("dashboards/*.json"), OBSERVABILITY / "alerts.yml"]
    named = {name: file.name for file in files for name in form.findall(file.read_text())}
    assert len(named.keys() & exported) > 20
    assert {name: file for name, file in named.items() if name not in exported | labels | OF_TLS} == {}


def _of(collector, root):
    trace_id = root.context.trace_id.to_bytes(16)
    return [(who, span) for who, span in collector.spans() if span.trace_id == trace_id]


def _is_whole(root, spans) -> bool:
    """Whether every span's parent is there, and Triton's span for each service and each of MODELS:
    processes send in turn, and Triton leaves out the spans of some requests.
    """
    by_id = {span.span_id: (_service(who), span.name) for who, span in spans}
    parents = {span.parent_span_id for _, span in spans}
    if not _id(root) in parents <= by_id.keys() | {_id(root)}:
        return False
    computed = {by_id[span.parent_span_id][1] for _, span in spans if span.name == "compute"}
    callers = {by_id[span.parent_span_id][0] for who, span in spans if _service(who) == "triton"}
    return computed >= MODELS and callers >= {name for name, one in TOPOLOGY.services.items() if one.triton}


def _service(resource) -> str:
    return attributes(resource.attributes)["service.name"].removeprefix("medmesh-")


def _id(span) -> bytes:
    return span.context.span_id.to_bytes(8)


def _plain(value):
    return [one.string_value for one in value.values] if hasattr(value, "values") else value


def test_the_command_draws_one_call_without_a_collector(mesh, variables):
    command = [sys.executable, "-m", "clients.cli.main", "diagnose", "--note", "samples/note.txt", "--trace"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    drawn = done.stdout[done.stdout.index("\nTrace") :]
    for step in ("→ Diagnose", "orchestrator Diagnose", "language AnalyzeNote", "clinical_ner (Triton)"):
        assert step in drawn
