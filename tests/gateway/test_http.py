"""What the door gives for files, for JSON and for streams, and what it passes on to the mesh."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import threading
import time
from types import SimpleNamespace

import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from jsonschema import Draft202012Validator

from clients.gateway import api_page, json_form, routes
from clients.gateway.failures import Failure
from clients.gateway.mesh import Caller, Mesh, connection
from clients.gateway.settings import GatewaySettings
from medmesh.connection import Connection, Tls
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseResponse
from services.local import credentials
from tests.clients.fake_mesh import SERVICES, error_info, stored_diagnosis
from tests.gateway.conftest import SERVERS, HttpCaller, connection_to, door

ANALYZE_NOTE = "/medmesh.language.v1.LanguageService/AnalyzeNote"
DIAGNOSE = "/medmesh.orchestrator.v1.DiagnosticService/Diagnose"
DIAGNOSE_STREAM = "/medmesh.orchestrator.v1.DiagnosticService/DiagnoseStream"
LIST_MODELS = "/medmesh.common.v1.ModelCatalogService/ListModels"
WRITE_UPLOAD = "/medmesh.common.v1.UploadService/WriteUpload"
DEIDENTIFY_IMAGE = "/medmesh.imaging.v1.ImagingService/DeidentifyImage"
EVENTS = {"accept": "text/event-stream"}


def events(body: bytes) -> list[tuple[str, dict]]:
    """Name and data of each event."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_a_form_of_files_gets_the_diagnosis(small, behind):
    behind.answers["Diagnose"] = DiagnoseResponse(diagnosis=stored_diagnosis())
    answer = small.form(
        "/diagnose",
        ("image", b"first"),
        ("image", b"second"),
        ("note", "No cough. Kein Husten: übel."),
        ("patient", b'{"resourceType": "Bundle"}'),
        ("body_part", "chest"),
        ("models", "a,b"),
        ("overlay", "true"),
        ("max_treatments", "3"),
        ("draft_report", "1"),
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert ParseDict(answer.json, DiagnoseResponse()).diagnosis == stored_diagnosis()
    case = behind.last.request.case
    assert [[source.content for source in image.sources] for image in case.images] == [
        [b"first"],
        [b"second"],
    ]
    assert {(i.options.body_part, *i.options.models, i.options.include_overlay) for i in case.images} == {
        ("CHEST", "a", "b", True)
    }
    assert case.note == "No cough. Kein Husten: übel."
    assert case.patient.fhir_bundle == b'{"resourceType": "Bundle"}'
    assert (case.max_treatment_count, case.HasField("draft_report")) == (3, True)


@pytest.mark.parametrize(
    ("kind", "path", "method", "part"),
    [
        ("application/dicom", "/diagnose", "Diagnose", lambda r: r.case.images[0].sources[0].content),
        ("image/png", "/image", "AnalyzeImage", lambda r: r.sources[0].content),
        ("text/plain; charset=utf-8", "/note", "AnalyzeNote", lambda r: r.note.encode()),
        ("text/plain", "/diagnose", "Diagnose", lambda r: r.case.note.encode()),
        ("application/fhir+json", "/diagnose", "Diagnose", lambda r: r.case.patient.fhir_bundle),
    ],
)
def test_a_plain_body_is_what_its_type_says(small, behind, kind, path, method, part):
    assert small.post(path, b"content", {"content-type": kind}).status == 200
    assert (behind.last.method, part(behind.last.request)) == (method, b"content")


def test_a_stream_comes_as_events_that_end(small, behind):
    behind.answers["DiagnoseStream"] = DiagnoseResponse(diagnosis=stored_diagnosis())
    for answer in (
        small.form("/diagnose", ("note", "cough"), headers=EVENTS),
        small.post(DIAGNOSE_STREAM, {"case": {"note": "cough"}}, EVENTS),
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        names, data = zip(*events(answer.body), strict=True)
        count = len(stored_diagnosis().branches)
        assert names[-count - 2 :] == (*["branch"] * count, "diagnosis", "end")
        assert ParseDict(data[-2]["diagnosis"], type(stored_diagnosis())()) == stored_diagnosis()


def test_without_events_a_stream_is_an_array(small, behind):
    behind.answers["DiagnoseStream"] = DiagnoseResponse(diagnosis=stored_diagnosis())
    found = small.post(DIAGNOSE_STREAM, {"case": {"note": "cough"}}).json
    assert [next(iter(item)) for item in found][-2:] == ["branch", "diagnosis"]


def test_a_call_that_takes_a_stream_takes_an_array(small, behind):
    answer = small.post("/imaging" + WRITE_UPLOAD, [{"chunk": "AAEC"}, {"chunk": "Aw=="}])
    assert answer.status == 200
    assert [message.chunk for message in behind.last.request] == [b"\0\1\2", b"\3"]
    behind.answers["DeidentifyImage"] = []
    assert small.post(DEIDENTIFY_IMAGE, [{"chunk": "AAEC"}]).json == []


def test_every_call_of_every_service_has_its_path_and_its_description():
    document = json.loads(api_page.DOCUMENT.read_text(encoding="utf-8"))
    expected = {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
    table = routes.rpcs(SERVERS)
    assert expected <= set(table)
    described = {path for path in document["paths"] if "Service/" in path and "{" not in path}
    assert described == {path for path in table if path.count("/") == 2}
    assert f"/recommendation{LIST_MODELS}" in table
    assert "/{server}" + LIST_MODELS in document["paths"]


def test_each_page_is_described_and_there(small):
    document = json.loads(api_page.DOCUMENT.read_text(encoding="utf-8"))
    pages = [path for path in document["paths"] if "Service/" not in path]
    assert "/diagnose" in pages
    for path in pages:
        method = next(iter(document["paths"][path])).upper()
        assert small.ask(method, path).status not in {404, 405}, path


def test_an_answer_is_what_its_schema_says():
    document = json.loads(api_page.DOCUMENT.read_text(encoding="utf-8"))
    schema = {**document, "$ref": "#/components/schemas/medmesh.orchestrator.v1.DiagnoseResponse"}
    Draft202012Validator.check_schema(document["components"]["schemas"])
    answer = json.loads(json_form.written(DiagnoseResponse(diagnosis=stored_diagnosis())))
    validator = Draft202012Validator(schema)
    assert not list(validator.iter_errors(answer))
    answer["diagnosis"]["completeness"] = "HALF"
    assert list(validator.iter_errors(answer))


def test_the_page_asks_nobody_for_anything(small):
    answer = small.ask("GET", "/")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    text = answer.body.decode()
    assert "POST /diagnose" in text
    assert not re.search(r"<script|<img|<link|src=|@import|url\(", text)


def test_token_id_and_trace_reach_the_mesh_and_the_doors_own_token_does_not(mesh, monkeypatch):
    monkeypatch.setenv("MEDMESH_TOKEN", "the-doors-own")
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL"):
        monkeypatch.setenv(f"MEDMESH_{name}", mesh.target)
    settings = GatewaySettings()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with door(settings, connection()) as address:
        caller = HttpCaller(address)
        given = {"authorization": "Bearer mine", "x-request-id": "0123abcd-0123", "traceparent": trace}
        answer = caller.post(ANALYZE_NOTE, {"note": "x"}, given)
        assert answer.headers["x-request-id"] == "0123abcd-0123"
        assert {key: mesh.last.metadata.get(key) for key in given} == given
        caller.post(ANALYZE_NOTE, {"note": "x"}, {"x-request-id": "Meier, Anna"})
        assert "authorization" not in mesh.last.metadata
        assert mesh.last.metadata["x-request-id"] != "Meier, Anna"


def test_beyond_loopback_a_door_opens_a_trusting_mesh_to_callers_of_its_own_policy_alone(mesh, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"[identities.ward]\nallow = ['{ANALYZE_NOTE}']\n"
        f"token_sha256 = '{hashlib.sha256(b'ours').hexdigest()}'\n"
    )
    settings = GatewaySettings(listen="0.0.0.0:0", insecure=True, auth_policy=policy)
    with door(settings, connection_to(mesh)) as address:
        caller = HttpCaller(f"127.0.0.1:{address.rpartition(':')[2]}")
        for given in ({}, {"authorization": "Bearer anybodys"}):
            for path in (ANALYZE_NOTE, DIAGNOSE, LIST_MODELS):
                assert caller.post(path, {}, given).status == 401
            assert (
                caller.ask("POST", "/note", b"cough", {"content-type": "text/plain", **given}).status == 401
            )
        ours = {"authorization": "Bearer ours"}
        assert caller.post(DIAGNOSE, {}, ours).status == 403
        assert mesh.seen == []
        caller.post(ANALYZE_NOTE, {"note": "x"}, ours)
    assert [one.method for one in mesh.seen] == ["AnalyzeNote"]


async def test_where_the_door_presents_a_certificate_nobody_gets_in_without_a_token(tmp_path):
    credentials.make(tmp_path)
    own = tmp_path / "gateway"
    to = Connection(
        dict.fromkeys(SERVERS, "127.0.0.1:1"), tls=Tls(own / "ca.crt", own / "tls.crt", own / "tls.key")
    )
    settings = GatewaySettings()
    async with Mesh(to, settings) as mesh:
        with pytest.raises(Failure) as refused:
            await mesh.answer(routes.rpcs(SERVERS)[ANALYZE_NOTE], b"", Caller.of({}, settings))
    assert (refused.value.http_status, refused.value.headers) == (401, {"www-authenticate": "Bearer"})


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ({}, 20, 31),
        ({"connect-timeout-ms": "5000"}, 3, 6),
        ({"prefer": "respond-async, wait=7"}, 5, 8),
        ({"connect-timeout-ms": "99999999"}, 100, 121),
        ({"connect-timeout-ms": "soon"}, 20, 31),
    ],
)
def test_the_callers_deadline_is_the_calls(small, behind, header, low, high):
    small.post(ANALYZE_NOTE, {"note": "x"}, header)
    assert low < behind.last.remaining_s <= high


def test_a_deadline_that_passes_is_told_as_such(small, behind):
    behind.hold("AnalyzeNote")
    answer = small.post(ANALYZE_NOTE, {"note": "x"}, {"connect-timeout-ms": "50"})
    behind.release("AnalyzeNote")
    assert (answer.status, answer.json["reason"]) == (504, "DEADLINE_EXCEEDED")


def test_what_the_mesh_refuses_comes_as_a_problem_with_the_same_reason(small, behind):
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="note", description="is empty", reason="INPUT_MISSING"
    )
    behind.fail(
        "AnalyzeNote",
        "INVALID_ARGUMENT",
        "A required input is missing.",
        error_info("INPUT_MISSING", hint="h"),
        error_details_pb2.BadRequest(field_violations=[violation]),
    )
    answer = small.post(ANALYZE_NOTE, {"note": ""}, {"x-request-id": "00000001-0001"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:medmesh:error:INPUT_MISSING",
        "title": "Bad Request",
        "status": 400,
        "detail": "A required input is missing.",
        "request_id": "00000001-0001",
        "reason": "INPUT_MISSING",
        "metadata": {"hint": "h"},
        "violations": [{"field": "note", "description": "is empty", "reason": "INPUT_MISSING"}],
    }


@pytest.mark.parametrize(
    ("code", "reason", "status", "retry_after"),
    [
        ("RESOURCE_EXHAUSTED", "OVERLOADED", 429, "3"),
        ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", 429, "3"),
        ("UNAVAILABLE", "MODEL_UNAVAILABLE", 503, "3"),
        ("NOT_FOUND", "MODEL_UNKNOWN", 404, None),
        ("PERMISSION_DENIED", "PERMISSION_DENIED", 403, None),
        ("UNAUTHENTICATED", "UNAUTHENTICATED", 401, None),
        ("INTERNAL", "INTERNAL", 500, None),
    ],
)
def test_each_status_of_the_mesh_has_its_own_over_http(small, behind, code, reason, status, retry_after):
    details = [error_info(reason)]
    if retry_after:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(2100)
        details.append(retry)
    behind.fail("AnalyzeNote", code, "A sentence.", *details)
    behind.fail("DiagnoseStream", code, "A sentence.", *details)
    for answer in (
        small.post(ANALYZE_NOTE, {"note": "x"}),
        small.post(DIAGNOSE_STREAM, {"case": {}}, EVENTS),  # it failed at once, so the status can say so
    ):
        assert (answer.status, answer.json["reason"]) == (status, reason)
        assert answer.headers.get("retry-after") == retry_after


def test_a_stream_that_fails_later_ends_with_the_problem(small, behind):
    def branches():
        yield stored_diagnosis().branches[0]
        raise RuntimeError("CANARY")

    none = SimpleNamespace(draft=SimpleNamespace(sentences=()))
    half = SimpleNamespace(diagnosis=SimpleNamespace(report=none, branches=branches()))
    behind.answers["DiagnoseStream"] = lambda _request: half
    names, data = zip(*events(small.post(DIAGNOSE_STREAM, {"case": {}}, EVENTS).body), strict=True)
    assert names == ("branch", "error")
    assert data[-1]["status"] == 503
    assert "CANARY" not in json.dumps(data)


def test_a_mesh_that_is_away_is_told_as_such_and_the_door_stays(mesh):
    to = Connection(dict.fromkeys(SERVERS, "127.0.0.1:1"))
    with door(GatewaySettings(), to) as address:
        caller = HttpCaller(address)
        answer = caller.post(ANALYZE_NOTE, {"note": "x"})
        assert (answer.status, answer.json["reason"]) == (503, "UPSTREAM_UNAVAILABLE")
        assert answer.json["metadata"] == {"upstream": "language"}
        assert "127.0.0.1" not in answer.body.decode()
        assert caller.ask("GET", "/readyz").status == 503
        assert caller.ask("GET", "/healthz").status == 200


def test_beyond_its_places_it_sheds_and_says_when_to_come_back(mesh):
    settings = GatewaySettings(maximum_in_flight_count=2)
    mesh.hold("AnalyzeNote")
    with door(settings, connection_to(mesh)) as address:
        caller = HttpCaller(address)
        waiting = [threading.Thread(target=caller.post, args=(ANALYZE_NOTE, {"note": "x"})) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while len(mesh.seen) < 2:
            time.sleep(0.01)
        shed = [caller.post(ANALYZE_NOTE, {"note": "x"}) for _ in range(20)]
        assert {(a.status, a.json["reason"]) for a in shed} == {(429, "OVERLOADED")}
        # Not all at the same time: those who were refused together would come back together.
        assert {a.headers["retry-after"] for a in shed} == {"2", "3"}
        connect = caller.post(ANALYZE_NOTE, {"note": "x"}, {"connect-protocol-version": "1"})
        assert connect.status == 429
        assert caller.ask("GET", "/healthz").status == 200  # a probe needs no place
        mesh.release("AnalyzeNote")
        for thread in waiting:
            thread.join()
        assert caller.post(ANALYZE_NOTE, {"note": "x"}).status == 200


def test_what_runs_finishes_when_the_door_is_closed(mesh):
    mesh.hold("AnalyzeNote")
    found = []
    with door(GatewaySettings(), connection_to(mesh)) as address:
        caller = HttpCaller(address)
        asking = threading.Thread(target=lambda: found.append(caller.post(ANALYZE_NOTE, {"note": "x"})))
        asking.start()
        while not mesh.seen:
            time.sleep(0.01)
        threading.Timer(0.2, mesh.release, ["AnalyzeNote"]).start()
    asking.join()
    assert [answer.status for answer in found] == [200]


def test_a_caller_that_goes_away_frees_his_place(mesh):
    mesh.hold("AnalyzeNote")
    with door(GatewaySettings(maximum_in_flight_count=1), connection_to(mesh)) as address:
        caller = HttpCaller(address)
        leaving = http.client.HTTPConnection(address, timeout=20)
        leaving.request("POST", ANALYZE_NOTE, b'{"note": "x"}', {"content-type": "application/json"})
        while not mesh.seen:
            time.sleep(0.01)
        leaving.close()
        deadline = time.monotonic() + 5
        while (answer := caller.post(LIST_MODELS, {})).status == 429:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert answer.status == 200
        mesh.release("AnalyzeNote")


def test_pages_of_other_origins_are_refused_unless_they_are_allowed(mesh):
    settings = GatewaySettings(allowed_origins=("https://portal.test",))
    with door(settings, connection_to(mesh)) as address:
        caller = HttpCaller(address)
        ours = {"origin": "https://portal.test"}
        answer = caller.post(ANALYZE_NOTE, {"note": "x"}, ours)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://portal.test")
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        assert caller.ask("OPTIONS", ANALYZE_NOTE, headers=ours | asked).status == 200
        for origin in ("https://evil.test", "null", f"http://evil.test:{address.rpartition(':')[2]}"):
            refused = caller.post(ANALYZE_NOTE, {"note": "x"}, {"origin": origin})
            assert refused.status == 403
            assert "access-control-allow-origin" not in refused.headers
        # A name that resolves to this machine is still another origin.
        rebound = {"origin": "http://evil.test", "host": "evil.test"}
        assert caller.post(ANALYZE_NOTE, {"note": "x"}, rebound).status == 403
        assert caller.post(ANALYZE_NOTE, {"note": "x"}, {"origin": f"http://{address}"}).status == 200
        assert len(mesh.seen) == 2


def test_a_door_that_others_reach_takes_no_reload(small, monkeypatch):
    path = "/medmesh.common.v1.ModelCatalogService/ReloadModels"
    assert small.post(path, {}).status == 200
    monkeypatch.setattr(GatewaySettings, "is_open_to_others", True)
    for place in (path, f"/imaging{path}"):
        assert small.post(place, {}).json["reason"] == "PERMISSION_DENIED"
