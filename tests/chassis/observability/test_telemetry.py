"""Spans join the caller's trace and hold registered names alone; metrics and logs go with them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from medmesh.common.v1 import trace_pb2, trace_pb2_grpc
from services.chassis.observability import attributes as registered
from services.chassis.observability import otlp, telemetry
from services.chassis.observability.attributes import Name
from services.chassis.observability.kept_traces import MAX_SPANS, KeptTraces
from services.chassis.settings import ServiceSettings, SettingsError
from tests.chassis.conftest import DOUBLING, PREFIX, Handlers, Text, refusal_of
from tests.otlp import Receiver, attributes, points
from tools.bootstrap import ROOT

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),)
UNSAMPLED = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-00"),)
UNARY = PREFIX[1:] + "Unary"


async def infer(parts, message, context):
    with telemetry.span("sample.prepare", {Name.REQUEST_SIZE: len(message.note)}):
        pass
    await parts.catalog.only(DOUBLING).infer({"x": np.ones((1, 1), np.float32)})
    return Text(note=str(telemetry.outgoing_metadata()))


async def fail(parts, message, context):
    raise ValueError("Mrs Example")


@pytest.fixture
def receiver(monkeypatch):
    for key in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(key, raising=False)
    receiver = Receiver()
    yield receiver
    receiver.close()


async def kept(sample, trace_id=TRACE):
    stub = trace_pb2_grpc.TraceServiceStub(sample.channel)
    return list((await stub.GetTrace(trace_pb2.GetTraceRequest(trace_id=trace_id))).spans)


async def test_without_an_endpoint_the_trace_is_passed_on_and_logged_all_the_same(serve, log_lines):
    async with serve(Handlers(unary=infer)) as sample:
        answer = await sample.call("Unary")(Text(note="short"), metadata=UNSAMPLED)
        assert TRACE in answer.note
        assert (await sample.call("Unary")(Text(note="short"))).note == "{}"
    first, second = log_lines("request")
    assert first["trace_id"] == TRACE
    assert "trace_id" not in second


def test_outside_of_a_request_nobody_is_asked_to_begin_a_trace():
    assert telemetry.outgoing_metadata()["traceparent"].endswith("-00")
    assert telemetry.metadata_of_sampled() == {}


async def test_spans_metrics_and_logs_go_out_with_one_trace_id(serve, receiver, log_lines, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=ward-7")
    async with serve(Handlers(unary=infer, upload=fail), otlp_endpoint=receiver.endpoint) as sample:
        await sample.call("Unary")(Text(note="Mrs Example"), metadata=SAMPLED)
        await refusal_of(sample.call("Upload")(_nothing()))
        logging.getLogger("medmesh.test").warning("outside")
    (resource, inner), (_, rpc), (_, failed) = list(receiver.spans())
    assert (inner.name, rpc.name) == ("sample.prepare", UNARY)
    assert rpc.trace_id.hex() == TRACE
    assert inner.parent_span_id == rpc.span_id
    assert rpc.kind == rpc.SPAN_KIND_SERVER
    assert attributes(rpc.attributes)["rpc.response.status_code"] == "OK"
    assert attributes(failed.attributes)["error.type"] == "INTERNAL"
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert b"Mrs Example" not in receiver.content()
    who = attributes(resource.attributes)
    assert who["deployment.environment.name"] == "ward-7"
    assert who["service.instance.id"]
    assert who["service.version"]

    durations = [metric for _, metric in receiver.metrics() if metric.name == "rpc.server.call.duration"][-1]
    assert durations.unit == "s"
    by_method = {attributes(one.attributes)["rpc.method"]: one for one in points(durations)}
    assert by_method[UNARY].count == 1
    assert by_method[UNARY].exemplars[0].trace_id.hex() == TRACE
    request = next(one for one in receiver.logs() if one.trace_id.hex() == TRACE)
    assert attributes(request.body.kvlist_value.values)["method"] == PREFIX + "Unary"


async def test_every_name_is_registered_and_every_value_is_of_its_kind(serve, receiver):
    async with serve(Handlers(unary=infer, upload=fail), otlp_endpoint=receiver.endpoint) as sample:
        await sample.call("Unary")(Text(note="x"), metadata=SAMPLED)
        await refusal_of(sample.call("Upload")(_nothing()))
    found = [attributes(span.attributes) for _, span in receiver.spans()]
    found += [attributes(one.attributes) for _, metric in receiver.metrics() for one in points(metric)]
    assert {name for one in found for name in one} >= {Name.RPC_METHOD, Name.MODEL_VERSION, Name.REQUEST_ID}
    assert not [
        told for one in found for name, value in one.items() if (told := registered.problem(name, value))
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("medmesh.note", "x"),
        ("gen_ai.input.messages", "x"),
        (Name.MODEL, "Mrs Example has a cough"),
        (Name.REQUEST_SIZE, "7"),
        (Name.REQUEST_ID, "example-smith"),
    ],
)
def test_text_and_names_that_are_not_registered_are_told(name, value):
    assert registered.problem(name, value)


def test_no_registered_name_is_made_for_content_or_for_people():
    forbidden = ("message", "prompt.", "query", "user", "client.", "peer", "exception", "text", "url", "file")
    assert [name for name in Name if any(word in name for word in forbidden)] == []


async def test_health_checks_and_questions_for_traces_are_not_traced(serve, receiver):
    async with serve(Handlers(unary=infer), otlp_endpoint=receiver.endpoint) as sample:
        await health_pb2_grpc.HealthStub(sample.channel).Check(
            health_pb2.HealthCheckRequest(), metadata=SAMPLED
        )
        await kept(sample)
    assert list(receiver.spans()) == []


async def test_a_sampled_trace_is_handed_back_to_its_caller_without_a_collector(serve):
    async with serve(Handlers(unary=infer)) as sample:
        await sample.call("Unary")(Text(note="Mrs Example"), metadata=SAMPLED)
        rpc, inner = await kept(sample)
        assert (rpc.name, inner.name) == (UNARY, "sample.prepare")
        assert inner.parent_span_id == rpc.span_id
        assert rpc.parent_span_id == "00f067aa0ba902b7"
        assert rpc.service == "medmesh-sample"
        assert rpc.duration.ToNanoseconds() > inner.duration.ToNanoseconds() >= 0
        assert "Example" not in str(rpc) + str(inner)


async def test_what_is_not_sampled_is_not_kept(serve):
    async with serve(Handlers(unary=infer)) as sample:
        await sample.call("Unary")(Text(note="x"), metadata=UNSAMPLED)
        assert await kept(sample) == []


async def test_nobody_is_handed_the_trace_of_another(serve, tmp_path):
    policy = tmp_path / "policy.toml"
    sha256 = {"one": "a" * 64, "other": "b" * 64}
    import hashlib

    for name in sha256:
        sha256[name] = hashlib.sha256(f"secret-of-{name}".encode()).hexdigest()
    policy.write_text(
        "\n".join(
            f'[identities.{name}]\ntoken_sha256 = "{digest}"\nallow = ["/medmesh.*"]'
            for name, digest in sha256.items()
        )
    )

    def as_(name):
        return (("authorization", f"Bearer secret-of-{name}"),)

    async with serve(Handlers(unary=infer), auth_policy=policy) as sample:
        await sample.call("Unary")(Text(note="x"), metadata=SAMPLED + as_("one"))
        stub = trace_pb2_grpc.TraceServiceStub(sample.channel)
        request = trace_pb2.GetTraceRequest(trace_id=TRACE)
        assert len((await stub.GetTrace(request, metadata=as_("one"))).spans) == 2
        assert (await stub.GetTrace(request, metadata=as_("other"))) == trace_pb2.GetTraceResponse()


async def test_kept_spans_are_bounded(serve):
    async def many(parts, message, context):
        for _ in range(MAX_SPANS):
            with telemetry.span("sample.step"):
                pass
        return Text()

    async with serve(Handlers(unary=many), kept_trace_count=1) as sample:
        await sample.call("Unary")(Text(note="x"), metadata=SAMPLED)
        stub = trace_pb2_grpc.TraceServiceStub(sample.channel)
        answer = await stub.GetTrace(trace_pb2.GetTraceRequest(trace_id=TRACE))
        assert (len(answer.spans), answer.dropped_span_count) == (MAX_SPANS, 1)
        other = "1" * 32
        await sample.call("Unary")(Text(), metadata=(("traceparent", f"00-{other}-00f067aa0ba902b7-01"),))
        assert await kept(sample) == []


async def test_metrics_are_scraped_with_exemplars(serve, log_lines):
    async with serve(Handlers(unary=infer), metrics_listen="127.0.0.1:0") as sample:
        address = log_lines("metrics can be scraped")[0]["address"]
        await sample.call("Unary")(Text(note="Mrs Example"), metadata=SAMPLED)
        await sample.call("Unary")(Text(note="Mrs Example"))
        text = _get(f"http://{address}/metrics", accept="application/openmetrics-text; version=1.0.0")
        assert "rpc_server_call_duration_seconds_bucket" in _get(f"http://{address}/metrics")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(f"http://{address}/")
    families = {one.name: one for one in text_string_to_metric_families(text)}
    samples = families["rpc_server_call_duration_seconds"].samples
    assert [one.value for one in samples if one.name.endswith("_count")] == [2.0]
    exemplars = [one.exemplar for one in samples if one.exemplar]
    assert [one.labels["trace_id"] for one in exemplars] == [TRACE]
    assert {one.labels["rpc_method"] for one in samples} == {UNARY}
    [model] = families["medmesh_model_info"].samples
    assert model.labels["medmesh_model_name"] == "doubler"
    assert families["medmesh_server_active_requests"].samples[0].value == 0
    assert "Mrs Example" not in text


async def test_what_the_cluster_scales_by_is_what_is_scraped(serve, log_lines):
    """The chart's pods' metrics, and the rules that bring them from Prometheus to the autoscaler."""
    targets = re.search(r"targets: \{(.*)\}", (ROOT / "deploy/helm/medmesh/values.yaml").read_text())
    rules = (ROOT / "deploy/observability/prometheus-adapter.yml").read_text()
    scaled_by = set(re.findall(r"(\w+): \"", targets[1]))
    brought = re.findall(r"seriesQuery: (\w+)\{", rules)
    assert scaled_by == set(brought)
    assert len(brought) == len(scaled_by) == 2
    async with serve(Handlers(unary=infer), metrics_listen="127.0.0.1:0"):
        address = log_lines("metrics can be scraped")[0]["address"]
        text = _get(f"http://{address}/metrics", accept="application/openmetrics-text; version=1.0.0")
    exposed = {one.name: one.type for one in text_string_to_metric_families(text)}
    assert {exposed.get(name) for name in scaled_by} == {"gauge"}  # a counter would need rate()


def test_all_values_are_there_when_metrics_are_read_each_under_its_own_trace_alone():
    reader = InMemoryMetricReader()
    telemetry_of_service = telemetry.Telemetry("sample", metric_readers=(reader,))
    labels = {Name.RPC_METHOD: UNARY}
    record = telemetry_of_service.instruments.server_duration.record

    async def traced():
        telemetry_of_service.begin(UNARY, dict(SAMPLED))
        record(0.2, labels)

    for number in range(100):
        record(0.001, labels)
        if number == 50:
            asyncio.run(traced())
        labels = dict(labels)  # whoever measures may use its attributes again
    labels[Name.RPC_METHOD] = "another"
    record(0.001, labels)
    labels.clear()
    [metric] = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    own, other = sorted(metric.data.data_points, key=lambda point: -point.count)
    assert (own.count, own.max, other.count) == (101, 0.2, 1)
    assert [f"{one.trace_id:032x}" for one in own.exemplars] == [TRACE]
    telemetry_of_service.close()


def test_what_several_parts_tell_under_one_name_is_all_there():
    reader = InMemoryMetricReader()
    telemetry_of_service = telemetry.Telemetry("sample", metric_readers=(reader,))
    for upstream, is_open in (("imaging", 0), ("language", 1)):
        telemetry_of_service.instruments.observe(
            "medmesh.upstream.breaker.open", "1", "", lambda of=(is_open, {Name.UPSTREAM: upstream}): [of]
        )
    [metric] = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    found = {point.attributes[str(Name.UPSTREAM)]: point.value for point in metric.data.data_points}
    assert found == {"imaging": 0, "language": 1}
    telemetry_of_service.close()


async def test_spans_of_triton_are_taken_over_the_door(serve, log_lines):
    """Triton's own form: a child of the call that asked it, and an attribute that is not registered."""
    async with serve(Handlers(unary=infer), metrics_listen="127.0.0.1:0") as sample:
        address = log_lines("metrics can be scraped")[0]["address"]
        await sample.call("Unary")(Text(note="x"), metadata=SAMPLED)
        rpc, _ = await kept(sample)
        model = _span("doubler", "b" * 16, rpc.span_id, 1_000_000_000)
        model["attributes"] = [
            {"key": "triton.model_name", "value": {"stringValue": "doubler"}},
            {"key": "triton.request_id", "value": {"stringValue": "Mrs Example"}},
        ]
        model["events"] = [{"name": "QUEUE_START", "timeUnixNano": "1000000000"}]
        spans = [_span("compute", "a" * 16, "b" * 16, 1_250_000_000), model]
        export = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        _post(f"http://{address}/v1/traces", json.dumps(export).encode())
        for wrong in (b"no OTLP at all", b"[1]", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}'):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                _post(f"http://{address}/v1/traces", wrong)
        taken, _ = [one for one in await kept(sample) if one.service == "triton"]
        assert taken.parent_span_id == rpc.span_id
        assert dict(taken.attributes) == {"medmesh.model.name": "doubler", "medmesh.queue.duration": "0.25"}


def test_spans_beyond_the_request_in_progress_belong_to_nobody():
    assert KeptTraces(4).of(int(TRACE, 16), "anybody").spans == []


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "nowhere", "127.0.0.1:x"])
def test_metrics_are_open_beyond_this_machine_on_purpose_only(listen):
    with pytest.raises(SettingsError, match="MEDMESH_METRICS_LISTEN"):
        ServiceSettings(metrics_listen=listen)
    assert ServiceSettings(metrics_listen="0.0.0.0:9464", metrics_open=True)


def test_the_standard_variables_say_where_a_signal_goes():
    assert otlp.address("traces", "http://c:4318/") == "http://c:4318/v1/traces"
    assert otlp.address("traces", "") == ""
    assert (
        otlp.address("logs", "", {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://l/v1/logs"})
        == "http://l/v1/logs"
    )
    assert otlp.address("metrics", "http://c:4318", {"OTEL_METRICS_EXPORTER": "none"}) == ""
    assert otlp.address("traces", "http://c:4318", {"OTEL_SDK_DISABLED": "true"}) == ""
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        otlp.address("traces", "http://c:4317", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


@pytest.mark.parametrize(("ratio", "count"), [("0.0", 0), ("1.0", 1)])
async def test_the_standard_sampler_decides_what_begins_here(serve, receiver, monkeypatch, ratio, count):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    async with serve(Handlers(upload=fail), otlp_endpoint=receiver.endpoint) as sample:
        await refusal_of(sample.call("Upload")(_nothing()))
    assert len(list(receiver.spans())) == count


OFF = """
import sys, threading
from services.chassis.observability import setup, telemetry
from services.chassis.settings import ServiceSettings

with setup.running("sample", ServiceSettings(kept_trace_count=int(sys.argv[1]))) as (running, door):
    recorded = []
    for traceparent in sys.argv[2:]:
        span = running.begin("sample.Service/Unary", {"traceparent": traceparent})
        with telemetry.span("sample.step"):
            recorded.append(span.is_recording())
        running.instruments.server_duration.record(0.1, {})
    print(recorded, bool(door), [one.name for one in threading.enumerate()])
    print([name for name in sys.modules if "opentelemetry.exporter" in name or "prometheus_client" in name])
"""


@pytest.mark.parametrize(("kept_count", "sampled_is_recorded"), [(0, False), (32, True)])
def test_without_an_endpoint_nothing_is_started_or_loaded_and_no_span_is_recorded(
    kept_count, sampled_is_recorded
):
    """But for a call whose caller asks for its trace, where traces are kept."""
    traceparents = ["", dict(UNSAMPLED)["traceparent"], dict(SAMPLED)["traceparent"]]
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("OTEL_", "MEDMESH_"))}
    told = subprocess.run(
        [sys.executable, "-c", OFF, str(kept_count), *traceparents],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == f"[False, False, {sampled_is_recorded}] False ['MainThread']\n[]\n"


def _span(name, span_id, parent, start_ns):
    times = {"startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(2_000_000_000)}
    return {"name": name, "traceId": TRACE, "spanId": span_id, "parentSpanId": parent, "kind": 2, **times}


def _get(url: str, accept: str = "*/*") -> str:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
        return answer.read().decode()


def _post(url: str, body: bytes) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, data=body), timeout=5).close()


async def _nothing():
    return
    yield
