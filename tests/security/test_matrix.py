"""Every method of every service, asked by each kind of caller who may not: none is admitted, all are audited.

The servers are real and speak mutual TLS with what `medmesh certificates` makes. Who has no certificate of
its authority ends in the handshake: no service hears of him, so no audit line can name him.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool

from medmesh.common.v1 import catalog_pb2, trace_pb2
from services.chassis.observability import audit
from services.chassis.rpc.assertions import KEY, Caller, Signer
from services.chassis.rpc.server import running_server
from services.chassis.rpc.service import Service
from services.local import topology
from tests.fakes import FakeInference

TOPOLOGY = topology.load()
MODULES = [f"services.{name}" for name in TOPOLOGY.services] + [
    f"clients.{door.name}" for door in TOPOLOGY.doors.values() if door.grpc
]
EVERYWHERE = (
    catalog_pb2.DESCRIPTOR.services_by_name["ModelCatalogService"],
    trace_pb2.DESCRIPTOR.services_by_name["TraceService"],
)
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED


def methods(service: Service) -> list[str]:
    return [
        f"/{one.full_name}/{method.name}"
        for one in dict.fromkeys((*service.descriptors, *EVERYWHERE))
        for method in one.methods
    ] + [REFLECTION]


def channel(address: str, mesh: Path, identity: Path | None) -> grpc.aio.Channel:
    """To a server of `mesh`, with the certificate in `identity`."""
    own = [(identity / name).read_bytes() for name in ("tls.key", "tls.crt")] if identity else [None, None]
    return grpc.aio.secure_channel(
        address, grpc.ssl_channel_credentials((mesh / "authority.crt").read_bytes(), *own)
    )


async def code_of(
    open_channel: grpc.aio.Channel, method: str, metadata=(), *, at_once: bool = False
) -> grpc.StatusCode:
    """How the call ends; its one message is empty. On the wire every method is as if both sides streamed.

    Who is refused is so before his message is read, so it is only sent `at_once` where he is not: grpc.aio
    now and then says INTERNAL of one that it was just sending when the call ended. What streams is read out
    first.
    """
    try:
        streams = descriptor_pool.Default().FindMethodByName(method[1:].replace("/", ".")).client_streaming
    except KeyError:
        streams = True  # reflection, which is in no pool here

    async def one():
        if not at_once:
            await asyncio.sleep(0.1 if streams else 20)
        yield b""

    call = open_channel.stream_stream(method)(one(), metadata=metadata, timeout=20)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("module", MODULES)
async def test_nobody_is_admitted_who_may_not_and_all_who_reach_the_service_are_audited(
    module, mesh, others, expired, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # folders of receipts and jobs
    service = importlib.import_module(f"{module}.__main__").SERVICE
    (tmp_path / "models").mkdir()
    settings = service.settings(
        listen="127.0.0.1:0",
        identity_folder=mesh / service.name,
        audit_folder=tmp_path / "audit",
        model_repository=(tmp_path / "models",),
    )
    asserted = Signer.read(mesh / "orchestrator" / "assertion.key")
    forged = Signer.read(others / "orchestrator" / "assertion.key")
    clerk = Caller("clerk", "token", (), "another")
    client = Caller("client", "certificate", (), "client")
    bearer = (("authorization", "Bearer clerk"),)

    def for_caller(signer: Signer, whom: Caller, target: str = service.name):
        return lambda method: ((KEY, signer.sign(whom, target, method)),)

    def nothing(method: str):
        return ()

    # who -> certificate, metadata, and how the service answers; None: the handshake ends it
    callers = {
        "none": (None, nothing, None),
        "wrong CA": (others / "client", nothing, None),
        "expired": (expired / "client", nothing, None),
        "wrong name": (mesh / "gateway", nothing, UNAUTHENTICATED),
        "wrong token": (mesh / "client", lambda _: (("authorization", "Bearer nobodys"),), UNAUTHENTICATED),
        "wrong role": (mesh / "gateway", lambda _: bearer, DENIED),
        "other tenant": (mesh / "orchestrator", for_caller(asserted, clerk), DENIED),
        "lent by one who may not": (mesh / "dicom_node", for_caller(asserted, client), DENIED),
        "lent with another part's key": (mesh / "jobs", for_caller(asserted, client), UNAUTHENTICATED),
        "not lent": (mesh / "jobs", nothing, DENIED),
        "forged": (mesh / "orchestrator", for_caller(forged, client), UNAUTHENTICATED),
        "for another service": (
            mesh / "orchestrator",
            for_caller(asserted, client, "elsewhere"),
            UNAUTHENTICATED,
        ),
    }
    refused: Counter[tuple[str, str]] = Counter()
    async with running_server(service, settings, inference=FakeInference({})) as running:
        address = running.address.replace("127.0.0.1", "localhost")
        async with channel(address, mesh, mesh / "client") as opened:  # who may is admitted
            answers = {method: await code_of(opened, method, at_once=True) for method in methods(service)}
        asked = [method for method, code in answers.items() if code is not grpc.StatusCode.UNIMPLEMENTED]
        assert len(asked) > 5
        assert not {UNAUTHENTICATED, DENIED} & {*answers.values()}
        for who, (identity, metadata, code) in callers.items():
            async with channel(address, mesh, identity) as opened:
                for method in asked if code else asked[:2]:
                    found = await code_of(opened, method, metadata(method))
                    assert found is (code or grpc.StatusCode.UNAVAILABLE), (who, method)
                    if code:
                        refused[method, code.name] += 1
    lines = list(audit.records(tmp_path / "audit" / f"calls-{service.name}.jsonl"))
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:  # refusals that come in numbers share lines
        found[line["method"], line["status"]] += line.get(audit.COUNT, 1)
    assert {
        key: count for key, count in found.items() if key[1] in {UNAUTHENTICATED.name, DENIED.name}
    } == refused
