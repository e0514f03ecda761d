"""Which calls the client repeats by itself, and that a repeated diagnosis is one for the mesh."""

from __future__ import annotations

import uuid

import pytest
from google.rpc import code_pb2, status_pb2

from medmesh import AsyncClient, Client, Unavailable
from tests.clients.fake_mesh import error_info

BROKEN = status_pb2.Status(code=code_pb2.UNAVAILABLE, message="Socket closed")


def fails_first(failures: int = 1):
    """Answers after so many broken connections."""
    left = [BROKEN] * failures
    return lambda _: left.pop() if left else None


def methods(mesh) -> list[str]:
    return [seen.method for seen in mesh.seen]


def test_a_call_that_the_connection_failed_is_made_again_with_the_same_id(mesh, client):
    mesh.answers["ListModels"] = fails_first()
    client.models()
    assert methods(mesh) == ["ListModels"] * 2
    assert len({seen.metadata["x-request-id"] for seen in mesh.seen}) == 1


async def test_the_async_client_does_the_same(mesh, async_client):
    mesh.answers["ListModels"] = fails_first()
    await async_client.models()
    assert methods(mesh) == ["ListModels"] * 2


def test_a_repeated_diagnosis_carries_the_key_of_the_first(mesh, client):
    mesh.answers["Diagnose"] = fails_first()
    client.diagnose(note="Cough.")
    first, second = mesh.seen
    assert first.request == second.request
    assert str(uuid.UUID(first.request.request_id)) == first.request.request_id
    assert first.metadata["x-request-id"] == first.request.request_id


def test_the_callers_own_key_is_sent(mesh, client):
    key = str(uuid.uuid4())
    client.diagnose(note="Cough.", request_id=key)
    assert mesh.last.request.request_id == key
    list(client.diagnose_stream(note="Cough.", request_id=key))
    assert mesh.last.request.request_id == key
    assert mesh.last.metadata["x-request-id"] == key


def test_with_one_attempt_nothing_is_repeated_and_a_diagnosis_has_no_key(mesh, addresses):
    mesh.answers["Diagnose"] = mesh.answers["ListModels"] = fails_first(failures=2)
    with Client(**addresses, attempts=1) as client:
        for call in (client.models, lambda: client.diagnose(note="Cough.")):
            with pytest.raises(Unavailable):
                call()
    assert methods(mesh) == ["ListModels", "Diagnose"]
    assert not mesh.last.request.HasField("request_id")


def test_what_a_service_refuses_is_not_asked_again(mesh, client):
    mesh.fail("ListModels", "UNAVAILABLE", "Nothing answers.", error_info("UPSTREAM_UNAVAILABLE"))
    with pytest.raises(Unavailable):
        client.models()
    assert methods(mesh) == ["ListModels"]


def test_attempts_share_one_deadline(mesh, client):
    mesh.answers["ListModels"] = fails_first()
    client.models(timeout_s=5)  # above that gRPC rounds up what it sends
    first, second = mesh.seen
    assert second.remaining_s < first.remaining_s


def test_a_call_ends_when_the_time_is_too_short_for_another_attempt(mesh, client):
    mesh.answers["ListModels"] = fails_first(failures=5)
    with pytest.raises(Unavailable):
        client.models(timeout_s=0.15)
    assert methods(mesh) == ["ListModels"]


async def test_a_stream_is_asked_once(mesh, addresses):
    mesh.fail("DiagnoseStream", "UNAVAILABLE")
    async with AsyncClient(**addresses) as client:
        with pytest.raises(Unavailable):
            _ = [event async for event in client.diagnose_stream(note="Cough.")]
    assert methods(mesh) == ["DiagnoseStream"]
