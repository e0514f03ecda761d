"""Who is slow holds neither a place nor a connection for long, whatever part of a request he is slow with."""

from __future__ import annotations

import socket
import time

import pytest

from clients.gateway.settings import GatewaySettings
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.language.v1 import language_pb2
from tests.clients.fake_mesh import FakeMesh, start
from tests.gateway.conftest import FORM, HttpCaller, connection_to, door, form

NOTE = "/medmesh.language.v1.LanguageService/AnalyzeNote"
STALL_S = 0.5
SOON_S = 6 * STALL_S
"""Within that it is over, also on a busy machine."""
KEPT_S = 5.0
"""So long a connection without a request is kept after an answer."""
LARGE = 24 * 1024 * 1024
"""More than the kernel keeps for a reader."""


@pytest.fixture(scope="module")
def slow():
    mesh = FakeMesh()
    server = start(mesh)
    settings = GatewaySettings(maximum_stall_s=STALL_S, minimum_bytes_per_second=4096)
    with door(settings, connection_to(mesh)) as address:
        yield mesh, HttpCaller(address)
    server.stop(grace=None).wait(5)


@pytest.fixture
def mesh(slow):
    yield slow[0]
    slow[0].answers.clear()


@pytest.fixture
def caller(slow):
    yield slow[1]
    assert slow[1].post(NOTE, {"note": "x"}).status == 200


@pytest.fixture
def connection(caller):
    host, _, port = caller.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as opened:
        yield opened


def head(kind="application/json", length=100_000, path=NOTE, **others):
    lines = {"host": "x", "content-type": kind, "content-length": str(length), **others}
    joined = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{joined}\r\n".encode()


def drip(connection, piece=b"a", pause_s=0.05):
    """Sends piece after piece until the other side has closed; what it said, and after how long it did."""
    began, said = time.monotonic(), b""
    connection.settimeout(pause_s)
    while time.monotonic() - began < 20:
        try:
            connection.sendall(piece)
            while part := connection.recv(65536):
                said += part
            break
        except TimeoutError:
            continue
        except OSError:  # it was reset, since this went on sending
            break
    else:
        pytest.fail("it is still open")
    return said, time.monotonic() - began


def test_a_connection_that_asks_nothing_is_closed(connection):
    began = time.monotonic()
    assert connection.recv(100) == b""
    assert STALL_S * 0.9 < time.monotonic() - began < SOON_S


@pytest.mark.parametrize("first", [b"POST /note HTTP/1.1\r\nhost: x\r\nx-long: ", b"P", b"\r\n"])
def test_headers_that_drip_are_ended(connection, first):
    connection.sendall(first)
    said, elapsed_s = drip(connection)
    assert (b"200" in said, elapsed_s < SOON_S) == (False, True)


def test_headers_that_drip_after_an_answer_are_ended(connection):
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):  # headers and body may come one after the other
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    said, elapsed_s = drip(connection)
    assert (said, elapsed_s < SOON_S) == (b"", True)


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("application/json", {}),
        ("application/json", {"connect_protocol_version": "1"}),
        (FORM["content-type"], {}),
    ],
)
@pytest.mark.parametrize("drips", [True, False])
def test_a_body_that_drips_or_stops_is_ended(mesh, connection, kind, others, drips):
    mesh.seen.clear()
    is_form = kind.startswith("multipart")
    connection.sendall(head(kind, path="/note" if is_form else NOTE, **others))
    if is_form:
        connection.sendall(form(("note", "x")).partition(b"x")[0])
    said, elapsed_s = drip(connection, b" " if drips else b"")
    assert said.startswith(b"HTTP/1.1 504"), said[:200]
    assert (elapsed_s < KEPT_S + SOON_S, mesh.seen) == (True, [])


def test_a_body_that_goes_on_after_it_was_refused_is_ended(connection):
    connection.sendall(head("text/csv"))
    said, elapsed_s = drip(connection)
    assert (said[:12], elapsed_s < SOON_S) == (b"HTTP/1.1 415", True)


def test_a_body_in_pieces_that_keeps_the_pace_is_answered(connection):
    body = b'{"note": "' + b"x" * 20_000 + b'"}'
    connection.sendall(head(length=len(body), connection="close"))
    for start_ in range(0, len(body), 2000):
        connection.sendall(body[start_ : start_ + 2000])
        time.sleep(STALL_S / 4)  # in all far longer than one stall
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_answer_that_is_not_read_is_given_up(mesh, caller):
    mesh.answers["AnalyzeNote"] = large_answer()
    host, _, port = caller.address.rpartition(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        body = b'{"note": "x"}'
        reader.sendall(head(length=len(body)) + body)
        time.sleep(1)  # it is being answered
        time.sleep(SOON_S)
        reader.settimeout(20)
        assert read_whole(reader) < LARGE


def test_an_answer_that_is_read_slowly_and_fast_enough_comes_whole(mesh, caller):
    mesh.answers["AnalyzeNote"] = large_answer()
    host, _, port = caller.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as reader:
        body = b'{"note": "x"}'
        reader.sendall(head(length=len(body), connection="close") + body)
        assert read_whole(reader, pause_s=STALL_S / 10) > LARGE


def read_whole(reader, pause_s=0.0):
    found = 0
    while part := reader.recv(1 << 20):
        found += len(part)
        time.sleep(pause_s)
    return found


def large_answer():
    result = language_pb2.NoteModelResult(notices=[Notice(message="x" * LARGE)])
    return language_pb2.AnalyzeNoteResponse(analysis=language_pb2.NoteAnalysis(results=[result]))
