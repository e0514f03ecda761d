"""Uploads over a real server: resumed after a break, bound to the caller, handed on to another service."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from medmesh.common.v1 import upload_pb2 as pb
from medmesh.common.v1.upload_pb2_grpc import UploadServiceStub
from services.chassis.errors import InvalidInput, UploadUnknown
from services.chassis.rpc import request as requests
from services.chassis.rpc.server import running_server
from services.chassis.rpc.service import Service
from services.chassis.uploads import forwarding
from services.chassis.uploads.forwarding import Forwarder
from services.chassis.uploads.servicer import DESCRIPTOR, caller, serve_uploads
from services.chassis.uploads.settings import UploadSettings
from services.chassis.uploads.store import Uploads
from services.chassis.upstream.call import Upstream
from tests.fakes import FakeInference, write_model_repository

POLICY = """
[identities.ward]
token_sha256 = "{}"
allow = ["*"]

[identities.other]
token_sha256 = "{}"
allow = ["*"]
"""
WARD, OTHER = (("authorization", "Bearer ward"),), (("authorization", "Bearer other"),)


@asynccontextmanager
async def service(tmp_path, *, policy=True, **limits):
    """The stub of a running service that takes uploads, and its store."""
    stores = []

    async def register(parts, server):
        stores.append(await serve_uploads(parts.settings, server, parts.resources))

    file = tmp_path / "policy.toml"
    file.write_text(POLICY.format(*(hashlib.sha256(name).hexdigest() for name in (b"ward", b"other"))))
    settings = UploadSettings(
        model_repository=(write_model_repository(tmp_path, []),),
        upload_folder=tmp_path,
        auth_policy=file if policy else None,
        **limits,
    )
    sample = Service(name="sample", settings=UploadSettings, descriptors=(DESCRIPTOR,), register=register)
    async with (
        running_server(sample, settings, inference=FakeInference({})) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield UploadServiceStub(channel), stores[0], running.address


def reason(error):
    """Of a refused call."""
    status = Status.FromString(dict(error.value.trailing_metadata())["grpc-status-details-bin"])
    info = ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return error.value.code(), info.reason


async def eventually(holds):
    """Waits until `holds()`; the test fails when it does not within ten seconds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come about")


def chunks(upload_id, data, offset=0, size=1000):
    for start in range(offset, len(data), size):
        yield pb.WriteUploadRequest(upload_id=upload_id, offset_bytes=start, chunk=data[start : start + size])


async def test_an_upload_that_broke_goes_on_where_it_ended(tmp_path):
    data = bytes(range(256)) * 20
    async with service(tmp_path) as (stub, store, _):
        upload = (await stub.StartUpload(pb.StartUploadRequest(size_bytes=len(data)), metadata=WARD)).upload
        assert (upload.size_bytes, upload.committed_bytes) == (len(data), 0)
        assert upload.expire_time.seconds > 0
        arrived = asyncio.Event()

        async def breaking():
            for message in list(chunks(upload.upload_id, data))[:3]:
                yield message
            arrived.set()
            await asyncio.sleep(60)

        call = stub.WriteUpload(breaking(), metadata=WARD)
        waiting = asyncio.ensure_future(call.code())
        await arrived.wait()
        await eventually(lambda: store.query("ward", upload.upload_id).committed_bytes == 3000)
        call.cancel()
        await waiting
        query = pb.QueryUploadRequest(upload_id=upload.upload_id)
        assert (await stub.QueryUpload(query, metadata=WARD)).upload.committed_bytes == 3000
        answer = await stub.WriteUpload(chunks(upload.upload_id, data, 3000), metadata=WARD)
        assert answer.upload.committed_bytes == len(data)
        with store.content("ward", upload.upload_id) as held:
            assert held == data
        await stub.CancelUpload(pb.CancelUploadRequest(upload_id=upload.upload_id), metadata=WARD)
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await stub.QueryUpload(query, metadata=WARD)
        assert reason(gone) == (grpc.StatusCode.NOT_FOUND, "UPLOAD_UNKNOWN")


async def test_an_upload_of_another_identity_is_not_found(tmp_path):
    async with service(tmp_path) as (stub, _, _):
        upload = (await stub.StartUpload(pb.StartUploadRequest(size_bytes=4), metadata=WARD)).upload
        for call in (
            stub.QueryUpload(pb.QueryUploadRequest(upload_id=upload.upload_id), metadata=OTHER),
            stub.WriteUpload(chunks(upload.upload_id, b"data"), metadata=OTHER),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert reason(refused) == (grpc.StatusCode.NOT_FOUND, "UPLOAD_UNKNOWN")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], "INPUT_MISSING"),
        ([{"offset_bytes": 3, "chunk": b"x"}], "INPUT_INCONSISTENT"),
        ([{"chunk": b"0123456789"}], "INPUT_TOO_LARGE"),
        ([{"chunk": b"0"}, {"upload_id": "another", "offset_bytes": 1, "chunk": b"1"}], "INPUT_INCONSISTENT"),
    ],
)
async def test_chunks_that_do_not_fit_are_refused(tmp_path, messages, expected):
    async with service(tmp_path) as (stub, _, _):
        upload = (await stub.StartUpload(pb.StartUploadRequest(size_bytes=4), metadata=WARD)).upload
        sent = [pb.WriteUploadRequest(**{"upload_id": upload.upload_id} | fields) for fields in messages]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.WriteUpload(iter(sent), metadata=WARD)
        assert reason(refused) == (grpc.StatusCode.INVALID_ARGUMENT, expected)


async def test_one_upload_too_many_is_told_when_to_come_again(tmp_path):
    async with service(tmp_path, maximum_upload_count=1) as (stub, _, _):
        await stub.StartUpload(pb.StartUploadRequest(size_bytes=4), metadata=WARD)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.StartUpload(pb.StartUploadRequest(size_bytes=4), metadata=OTHER)
        assert reason(refused) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


async def test_what_expires_is_deleted_though_nobody_asks(tmp_path):
    async with service(tmp_path, policy=False, upload_expiry_s=1.0) as (stub, store, _):
        await stub.StartUpload(pb.StartUploadRequest(size_bytes=4))
        await eventually(lambda: not store._held)


@pytest.fixture
def own_uploads(tmp_path):
    uploads = Uploads(UploadSettings(upload_folder=tmp_path))
    yield uploads
    uploads.close()


async def test_an_upload_is_handed_on_and_deleted_there(tmp_path, own_uploads, monkeypatch):
    monkeypatch.setattr(forwarding, "MAXIMUM_CALL_BYTES", 2500)
    monkeypatch.setattr(forwarding, "CHUNK_BYTES", 1000)
    data = bytes(range(256)) * 30
    one = own_uploads.start(caller(), len(data)).upload_id
    async with (
        service(tmp_path, policy=False) as (_, theirs, address),
        Upstream("sample", address, UploadSettings()) as upstream,
    ):
        forwarder = Forwarder(own_uploads, upstream)
        own_uploads.write(caller(), one, 0, data[:5000])
        with pytest.raises(InvalidInput, match="parts are still missing"):
            async with forwarder.forwarded(one, 5.0):
                pass
        own_uploads.write(caller(), one, 5000, data[5000:])
        async with forwarder.forwarded(one, 5.0) as handed_on:
            assert handed_on != one
            with theirs.content("anonymous", handed_on) as held:
                assert held == data
        assert not theirs._held
        with pytest.raises(UploadUnknown):
            async with forwarder.forwarded("unknown", 5.0):
                pass
    assert own_uploads.query(caller(), one).committed_bytes == len(data)


@pytest.mark.parametrize(("kind", "owner"), [("token", "ward"), ("certificate", "ward"), ("jwt", "jwt:ward")])
def test_a_providers_user_is_not_the_policys_identity_of_his_name(kind, owner):
    token = requests.current.set(requests.Request("id", "method", 0.0, identity="ward", identity_kind=kind))
    assert caller() == owner
    requests.current.reset(token)
