"""Whatever a caller sends, he gets a problem that says what to do, and the door goes on serving."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.gateway.conftest import BOUNDARY, FORM, JSON, form

NOTE = "/medmesh.language.v1.LanguageService/AnalyzeNote"
IMAGE = "/medmesh.imaging.v1.ImagingService/AnalyzeImage"
UPLOAD = "/medmesh.common.v1.UploadService/WriteUpload"
CONNECT = {"connect-protocol-version": "1"}
DEEP = b'{"case":' * 20_000


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "reason", "field"),
    [
        # JSON
        (NOTE, JSON, b"{", 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b"\xff\xfe\x00", 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, DEEP[:60_000], 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b"[]", 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b"null", 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b'"CANARY"', 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b'{"CANARY": 1}', 400, "INPUT_MALFORMED", "request"),
        (NOTE, JSON, b'{"note": {"CANARY": 1}}', 400, "INPUT_MALFORMED", "note"),
        (NOTE, JSON, b'{"note": "\\ud800"}', 400, "INPUT_MALFORMED", "note"),
        (NOTE, JSON, b'{"models": "CANARY"}', 400, "INPUT_MALFORMED", "models"),
        (NOTE, JSON, b'{"models": [1]}', 400, "INPUT_MALFORMED", "models[0]"),
        (IMAGE, JSON, b'{"sources": [{"content": "CANARY*"}]}', 400, "INPUT_MALFORMED", "sources[0].content"),
        (IMAGE, JSON, b'{"options": {"models": "CANARY"}}', 400, "INPUT_MALFORMED", "options.models"),
        (UPLOAD, JSON, b"{}", 400, "INPUT_MALFORMED", "request"),
        (UPLOAD, JSON, b'[{}, {"chunk": 5}]', 400, "INPUT_MALFORMED", "request[1].chunk"),
        # forms
        ("/note", {"content-type": "multipart/form-data"}, b"x", 400, "INPUT_MALFORMED", "request"),
        ("/note", FORM, b"CANARY", 400, "INPUT_MALFORMED", "request"),
        ("/note", FORM, form(("note", "x"))[:-60], 400, "INPUT_MALFORMED", "request"),
        ("/note", FORM, form(("CANARY", "x")), 400, "INPUT_MALFORMED", "request"),
        ("/note", FORM, form(("note", "x"), ("note", "y")), 400, "INPUT_MALFORMED", "note"),
        ("/note", FORM, form(("note", b"\xff\xfe")), 400, "INPUT_MALFORMED", "note"),
        ("/diagnose", FORM, form(("overlay", "CANARY")), 400, "INPUT_MALFORMED", "overlay"),
        ("/diagnose", FORM, form(("max_treatments", "CANARY")), 400, "INPUT_MALFORMED", "max_treatments"),
        ("/diagnose", {"content-type": "text/csv"}, b"CANARY", 400, "INPUT_UNSUPPORTED", "content-type"),
        ("/diagnose", {}, b"CANARY", 400, "INPUT_UNSUPPORTED", "content-type"),
        # sizes
        (NOTE, JSON, b" " * 70_000, 413, "INPUT_TOO_LARGE", "request"),
        (NOTE, JSON | {"content-length": "99999999999"}, b"{}", 413, "INPUT_TOO_LARGE", "request"),
        ("/image", {"content-type": "image/png"}, b" " * 70_000, 413, "INPUT_TOO_LARGE", "request"),
        # HTTP alone
        (NOTE, {"content-type": "text/csv"}, b"CANARY", 415, None, None),
        (NOTE, {}, b"CANARY", 415, None, None),
        ("/CANARY", JSON, b"{}", 404, None, None),
        ("/", JSON, b"{}", 405, None, None),
    ],
)  # fmt: skip
def test_bad_input_gets_a_problem_that_quotes_nothing(
    small, written, path, headers, body, status, reason, field
):
    answer = small.post(path, body, headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json.get("reason") == reason
    if field:
        assert field in {violation["field"] for violation in answer.json["violations"]}
        assert answer.json["violations"][0]["description"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert "CANARY" not in answer.body.decode() + written.getvalue()
    assert small.post(NOTE, {"note": "x"}).status == 200


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("application/json", b'{"note": 5}', "note"),
        ("application/proto", b"\xff\xff CANARY", "request"),
    ],
)
def test_a_connect_client_gets_the_same_in_its_own_form(small, written, kind, body, field):
    answer = small.post(NOTE, body, CONNECT | {"content-type": kind})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json["code"] == "invalid_argument"
    assert field in answer.json["message"]
    assert [detail["type"] for detail in answer.json["details"]][:2] == [
        "google.rpc.ErrorInfo",
        "google.rpc.RequestInfo",
    ]
    assert "CANARY" not in answer.body.decode() + written.getvalue()


def test_a_body_without_a_length_is_held_to_the_limit_too(small):
    def pieces():
        for _ in range(70):
            yield b" " * 1024

    for headers in (JSON, JSON | CONNECT):
        answer = small.ask("POST", NOTE, pieces(), headers)
        assert answer.status == (400 if headers is not JSON else 413)  # Connect's own form of it
        assert "is larger than 65536 bytes" in answer.body.decode()


def test_no_call_takes_its_message_from_an_address(small):
    for query in ("", "?encoding=json&message=%7B%7D&connect=v1"):
        answer = small.ask("GET", NOTE + query)
        assert (answer.status, "POST" in answer.json["detail"]) == (405, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"CANARY\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: " + b"CANARY" * 20_000 + b"\r\n\r\n",
        b"POST /note HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_door_stays(small, written, raw):
    host, _, port = small.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(raw)
        answer = connection.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert b"CANARY" not in answer
    assert "CANARY" not in written.getvalue()
    assert small.post(NOTE, {"note": "x"}).status == 200


def test_nothing_of_the_patient_is_logged_or_answered(small, behind, written):
    """Names in every place that a caller can write to; the mesh fails with a text that quotes them."""
    behind.fail("Diagnose", "UNKNOWN", "CANARY of the mesh")
    answer = small.ask(
        "POST",
        "/diagnose?patient=CANARY",
        form(("image", b"CANARY"), ("note", "CANARY"), ("patient", b'"CANARY"')),
        FORM | dict.fromkeys(("user-agent", "x-request-id", "referer", "x-canary"), "CANARY"),
    )
    assert answer.status >= 400
    assert small.ask("CANARY", "/diagnose").status == 405
    assert "CANARY" not in json.dumps(answer.headers)
    deadline = time.monotonic() + 5
    while written.getvalue().count('"/diagnose"') < 2:  # the answer is there before its line in the log
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["method"] for line in lines if line.get("route") == "/diagnose"] == ["POST", "other"]
    assert "CANARY" not in written.getvalue()
    assert BOUNDARY not in written.getvalue()
