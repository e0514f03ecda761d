"""Callers who misbehave beside the others: they stall, leave, send garbage or more than they may."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc, patient_pb2, upload_pb2, upload_pb2_grpc
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.chassis.rpc.transport import DIRECT
from tests.faults.deployment import Deployment
from tests.faults.recording import CANARIES, case

Harass = Callable[[str], Awaitable[object]]
"""Does it once to the server at an address."""
_TIMEOUT_S = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
IN_CI = {"callers leave within milliseconds", "bytes that are no HTTP/2 arrive"}


@contextlib.contextmanager
def beside(mesh: Deployment, harass: Harass) -> Iterator[None]:
    """Does it again and again while the context lasts."""
    ended = threading.Event()

    async def again() -> None:
        while not ended.is_set():
            with contextlib.suppress(grpc.aio.AioRpcError, OSError):
                await harass(mesh.addresses["orchestrator"])
            await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(again()))
    thread.start()
    yield
    ended.set()
    thread.join()


@contextlib.asynccontextmanager
async def _channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [DIRECT, ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield channel


async def _diagnose(address: str, made: pb.DiagnosticCase, **how: Any) -> None:
    async with _channel(address) as channel:
        stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
        await stub.Diagnose(pb.DiagnoseRequest(case=made), **({"timeout": _TIMEOUT_S} | how))


async def _leave(address: str) -> None:
    async with _channel(address) as channel:
        stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
        calls = [stub.Diagnose(pb.DiagnoseRequest(case=case())) for _ in range(10)]
        for number, call in enumerate(calls):
            await asyncio.sleep(0.002 * number)
            call.cancel()


async def _too_late(address: str) -> None:
    await _diagnose(address, case(), timeout=0.02)


async def _stall(address: str) -> None:
    """Uploads that send their first piece and then nothing."""
    async with _channel(address) as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)

        async def upload() -> None:
            started = await stub.StartUpload(
                upload_pb2.StartUploadRequest(size_bytes=10_000), timeout=_TIMEOUT_S
            )

            async def first_piece() -> AsyncIterator[upload_pb2.WriteUploadRequest]:
                yield upload_pb2.WriteUploadRequest(upload_id=started.upload.upload_id, chunk=b"a")
                await asyncio.sleep(_TIMEOUT_S)

            await stub.WriteUpload(first_piece(), timeout=_TIMEOUT_S)

        await asyncio.gather(*(upload() for _ in range(12)), return_exceptions=True)


async def _half_open(address: str) -> None:
    """Connections that greet and then say nothing."""
    host, _, port = address.rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
    for _, writer in opened:
        writer.write(_PREFACE)
    await asyncio.sleep(1.0)
    for _, writer in opened:
        writer.transport.abort()


async def _garbage(address: str) -> None:
    host, _, port = address.rpartition(":")
    for start in (b"", _PREFACE):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(start + os.urandom(4096))
        await asyncio.sleep(0.02)
        writer.transport.abort()


async def _no_protobuf(address: str) -> None:
    async with _channel(address) as channel:
        call = channel.unary_unary("/medmesh.orchestrator.v1.DiagnosticService/Diagnose")
        await call(b"\xff" * 1000 + CANARIES[0].encode(), timeout=_TIMEOUT_S)


async def _unread(address: str) -> None:
    """A stream whose caller takes nothing of it."""
    async with _channel(address) as channel:
        stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
        call = stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=case()), timeout=_TIMEOUT_S)
        await asyncio.sleep(1.0)
        call.cancel()


async def _compressed(address: str) -> None:
    """Zeros that inflate a thousandfold."""
    made = pb.DiagnosticCase(note="\n" * 10_000_000)
    await _diagnose(address, made, compression=grpc.Compression.Gzip)


async def _brackets(address: str) -> None:
    await _diagnose(address, pb.DiagnosticCase(note=f"{CANARIES[0]} " + "(" * 50_000))


async def _nested(address: str) -> None:
    bundle = b'{"resourceType":"Bundle","x":' + b"[" * 100_000
    await _diagnose(address, pb.DiagnosticCase(patient=patient_pb2.PatientInput(fhir_bundle=bundle)))


async def _escapes(address: str) -> None:
    bundle = b'{"resourceType":"Bundle","x":"' + b'\\"' * 24_000
    await _diagnose(address, pb.DiagnosticCase(patient=patient_pb2.PatientInput(fhir_bundle=bundle)))


async def _no_image(address: str) -> None:
    made = case()
    made.images[0].sources[0].content = CANARIES[1].encode() * 10_000
    await _diagnose(address, made)


async def _long_name(address: str) -> None:
    async with _channel(address) as channel:
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
        name = f"{CANARIES[2]}\N{GRINNING FACE}" * 10_000
        await stub.GetModelCard(catalog_pb2.GetModelCardRequest(name=name), timeout=_TIMEOUT_S)


async def _header(address: str) -> None:
    await _diagnose(
        address, case(), metadata=(("x-request-id", CANARIES[0]), ("tracestate", f"{CANARIES[1].lower()}=1"))
    )


HARASSING: dict[str, Harass] = {
    "callers leave within milliseconds": _leave,
    "callers have no time": _too_late,
    "uploads stall": _stall,
    "connections are half open": _half_open,
    "bytes that are no HTTP/2 arrive": _garbage,
    "messages are no protobuf": _no_protobuf,
    "streams are not read": _unread,
    "messages inflate a thousandfold": _compressed,
    "a note is nothing but brackets": _brackets,
    "a record is nested without an end": _nested,
    "a record's string does not end": _escapes,
    "an image is none": _no_image,
    "a name of a model has 200,000 letters": _long_name,
    "headers are inventive": _header,
}
