"""Every failure of a call is one typed error that says what to do, with gRPC's own error as its cause."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

import medmesh
from medmesh import AsyncClient, Client
from medmesh.common.v1.reasons_pb2 import ErrorReason
from medmesh.errors import BY_STATUS
from services.chassis import errors as served
from tests.clients.fake_mesh import error_info

BY_NAME = {status.name: error for status, error in BY_STATUS.items()} | {"INTERNAL": medmesh.InternalError}


@pytest.mark.parametrize("reason", list(served.Reason))
def test_every_reason_of_the_services_has_its_class(mesh, client, reason):
    public = served.PUBLIC[reason]
    mesh.fail("ListModels", public.status, public.sentence, error_info(reason.value, model="m"))
    with pytest.raises(medmesh.MedmeshError) as caught:
        client.models(request_id="request-1")
    error = caught.value
    assert type(error) is BY_NAME[public.status]
    assert error.reason == reason.value
    assert error.reason_code == ErrorReason.Value(f"ERROR_REASON_{reason.value}") != 0
    assert error.status.name == public.status
    assert error.metadata == {"model": "m"}
    assert error.request_id == "request-1"
    assert str(error) == public.sentence
    assert error.retryable is public.retryable
    assert isinstance(error.__cause__, grpc.RpcError)


def test_invalid_input_names_each_field(mesh, client):
    violations = [
        BadRequest.FieldViolation(field="case.note", description="must be text"),
        BadRequest.FieldViolation(field="case.images[0].sources[0].content", description="is empty"),
    ]
    info = error_info("INPUT_MALFORMED")
    mesh.fail(
        "Diagnose",
        "INVALID_ARGUMENT",
        "An input cannot be read.",
        info,
        BadRequest(field_violations=violations),
    )
    with pytest.raises(medmesh.InvalidInput) as caught:
        client.diagnose(note="x")
    assert caught.value.field == "case.note"
    assert [v.field for v in caught.value.violations] == ["case.note", "case.images[0].sources[0].content"]
    assert str(caught.value) == "case.note: must be text; case.images[0].sources[0].content: is empty"


def test_overloaded_says_when_to_come_back(mesh, client):
    retry = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    mesh.fail("Diagnose", "RESOURCE_EXHAUSTED", "Too many requests wait.", error_info("OVERLOADED"), retry)
    with pytest.raises(medmesh.Overloaded) as caught:
        client.diagnose(note="x")
    assert caught.value.retry_after_s == 1.5


def test_nothing_there_is_unavailable_and_names_the_address():
    with (
        Client("127.0.0.1:1") as client,
        pytest.raises(medmesh.Unavailable, match=r"nothing answers at 127\.0\.0\.1:1"),
    ):
        client.models(timeout_s=5)


async def test_async_client_raises_the_same_errors(mesh, async_client):
    mesh.fail("GetModelCard", "NOT_FOUND", "No model has this name.", error_info("MODEL_UNKNOWN"))
    with pytest.raises(medmesh.NotFound) as caught:
        await async_client.model_card("x")
    assert caught.value.reason == "MODEL_UNKNOWN"
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
    async with AsyncClient("127.0.0.1:1") as nowhere:
        with pytest.raises(medmesh.Unavailable):
            await nowhere.models(timeout_s=5)


def test_deadline_that_passes_is_deadline_exceeded(mesh, client):
    mesh.hold("ListModels")
    with pytest.raises(medmesh.DeadlineExceeded, match=r"did not answer within 0\.1 s"):
        client.models(timeout_s=0.1)
    mesh.release("ListModels")


def test_stream_raises_typed_errors(mesh, client):
    mesh.fail("DiagnoseStream", "UNAVAILABLE", "Nothing answers.", error_info("UPSTREAM_UNAVAILABLE"))
    with pytest.raises(medmesh.Unavailable):
        list(client.diagnose_stream(note="x"))


async def test_async_stream_raises_typed_errors(mesh, async_client):
    mesh.fail("DiagnoseStream", "UNAVAILABLE", "Nothing answers.", error_info("UPSTREAM_UNAVAILABLE"))
    with pytest.raises(medmesh.Unavailable):
        _ = [event async for event in async_client.diagnose_stream(note="x")]


def test_status_without_details_is_still_typed(mesh, client):
    mesh.fail("ListModels", "PERMISSION_DENIED", "This identity may not call this method.")
    with pytest.raises(medmesh.PermissionDenied):
        client.models()


def test_a_reason_of_a_newer_mesh_is_kept_as_text(mesh, client):
    mesh.fail("ListModels", "INTERNAL", "Failed.", error_info("SOMETHING_NEW"))
    with pytest.raises(medmesh.InternalError) as caught:
        client.models()
    assert caught.value.reason == "SOMETHING_NEW"
    assert caught.value.reason_code == 0


def test_unknown_status_is_internal(mesh, client):
    mesh.fail("ListModels", "DATA_LOSS", "Lost.")
    with pytest.raises(medmesh.InternalError):
        client.models()
