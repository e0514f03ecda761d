"""Clients that speak Connect and gRPC-Web reach every kind of call, and read the mesh's typed errors."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess

import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from google.rpc import error_details_pb2

from clients.gateway.server import _listener, running_gateway
from clients.gateway.settings import GatewaySettings
from medmesh.common.v1.upload_pb2 import WriteUploadRequest, WriteUploadResponse
from medmesh.language.v1.language_pb2 import AnalyzeNoteRequest, AnalyzeNoteResponse
from medmesh.orchestrator.v1.orchestrator_pb2 import (
    DiagnoseResponse,
    DiagnoseStreamRequest,
    DiagnoseStreamResponse,
)
from services.chassis.settings import SettingsError
from tests.clients.fake_mesh import error_info, stored_diagnosis
from tests.gateway.conftest import connection_to


def method(service: str, name: str, takes: type, gives: type, kind: StreamType) -> MethodInfo:
    return MethodInfo(
        name=name,
        service_name=service,
        input=takes,
        output=gives,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


NOTE = method(
    "medmesh.language.v1.LanguageService",
    "AnalyzeNote",
    AnalyzeNoteRequest,
    AnalyzeNoteResponse,
    StreamType.UNARY,
)
STREAM = method(
    "medmesh.orchestrator.v1.DiagnosticService",
    "DiagnoseStream",
    DiagnoseStreamRequest,
    DiagnoseStreamResponse,
    StreamType.SERVER_STREAM,
)
UPLOAD = method(
    "medmesh.common.v1.UploadService",
    "WriteUpload",
    WriteUploadRequest,
    WriteUploadResponse,
    StreamType.CLIENT_STREAM,
)
BINARY, AS_JSON = google_protobuf_codecs()


@pytest.fixture(params=["connect", "connect-json", "grpc-web"])
def client(request, small):
    kind = ProtocolType.GRPC_WEB if request.param == "grpc-web" else ProtocolType.CONNECT
    codec = AS_JSON if request.param == "connect-json" else BINARY
    return ConnectClient(f"http://{small.address}", codec=codec, protocol=kind, send_compression=None)


async def test_a_call_gets_its_answer(client, behind):
    request = AnalyzeNoteRequest(note="No cough.", models=["a"])
    answer = await client.execute_unary(request=request, method=NOTE, headers={"authorization": "Bearer t"})
    assert answer == AnalyzeNoteResponse()
    assert behind.last.request == request
    assert behind.last.metadata["authorization"] == "Bearer t"


async def test_a_stream_gets_all_its_answers(client, behind):
    behind.answers["DiagnoseStream"] = DiagnoseResponse(diagnosis=stored_diagnosis())
    found = [
        answer
        async for answer in client.execute_server_stream(request=DiagnoseStreamRequest(), method=STREAM)
    ]
    assert found[-1].diagnosis == stored_diagnosis()
    assert [answer.WhichOneof("event") for answer in found[-3:]] == ["branch", "branch", "diagnosis"]


async def test_a_stream_of_requests_arrives_whole(client, behind):
    async def parts():
        for chunk in (b"\0\1", b"\2"):
            yield WriteUploadRequest(chunk=chunk)

    await client.execute_client_stream(request=parts(), method=UPLOAD)
    assert [message.chunk for message in behind.last.request] == [b"\0\1", b"\2"]


async def test_an_error_keeps_its_code_and_its_details(client, behind):
    behind.fail("AnalyzeNote", "RESOURCE_EXHAUSTED", "Too many requests wait.", error_info("OVERLOADED"))
    behind.fail("DiagnoseStream", "INVALID_ARGUMENT", "No.", error_info("INPUT_MISSING"))
    with pytest.raises(ConnectError) as unary:
        await client.execute_unary(request=AnalyzeNoteRequest(), method=NOTE)
    with pytest.raises(ConnectError) as stream:
        _ = [a async for a in client.execute_server_stream(request=DiagnoseStreamRequest(), method=STREAM)]
    assert [unary.value.code, stream.value.code] == [Code.RESOURCE_EXHAUSTED, Code.INVALID_ARGUMENT]
    for error, reason in ((unary, "OVERLOADED"), (stream, "INPUT_MISSING")):
        (detail,) = error.value.details
        assert detail.type_name == "google.rpc.ErrorInfo"
        assert error_details_pb2.ErrorInfo.FromString(detail.message_bytes).reason == reason


async def test_the_clients_deadline_is_the_calls(client, behind):
    await client.execute_unary(request=AnalyzeNoteRequest(), method=NOTE, timeout_ms=4000)
    assert 2 < behind.last.remaining_s <= 5


@pytest.fixture
def certificate(tmp_path):
    """A certificate of its own making, and its key."""
    made, key = tmp_path / "door.pem", tmp_path / "door.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


async def test_it_serves_tls_and_says_which_file_is_wrong(certificate, mesh):
    certificate, key = certificate
    settings = GatewaySettings(listen="127.0.0.1:0", tls_certificate=certificate, tls_key=key)
    async with running_gateway(settings, connection_to(mesh)) as address:
        host, _, port = address.rpartition(":")
        trusted = ssl.create_default_context(cafile=certificate)
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=trusted, server_hostname="localhost"
        )
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
    wrong = GatewaySettings(listen="127.0.0.1:0", tls_certificate=key, tls_key=key)
    with pytest.raises(SettingsError, match="MEDMESH_TLS_CERTIFICATE"):
        async with running_gateway(wrong, connection_to(mesh)):
            pass


def test_what_is_answered_on_a_kept_connection_does_not_wait_for_the_caller():
    """Headers and body are two packets: the second must not wait until the first is acknowledged."""
    with (
        _listener("127.0.0.1:0") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
