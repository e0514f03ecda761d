"""Addresses, deadlines, tokens and request ids: what a call carries beside its content."""

from __future__ import annotations

import pytest

from medmesh import Client, Tls
from medmesh.connection import DEFAULT_TIMEOUT_S, Connection, is_loopback, resolve

NOTHING = {
    "imaging": None,
    "language": None,
    "recommendation": None,
    "token": None,
    "tls": None,
    "timeout_s": None,
}


def resolved(url=None, environment=None, **given) -> Connection:
    return resolve(url, **(NOTHING | given), environment=environment or {})


def test_defaults_are_this_machine_at_the_usual_ports():
    assert resolved().targets == {
        "orchestrator": "127.0.0.1:50060",
        "imaging": "127.0.0.1:50061",
        "language": "127.0.0.1:50062",
        "recommendation": "127.0.0.1:50063",
        "jobs": "127.0.0.1:50064",
    }


def test_services_are_expected_beside_the_orchestrator():
    assert resolved("mesh.example:7000").targets["language"] == "mesh.example:50062"
    assert resolved("[::1]:7000").targets["language"] == "[::1]:50062"


def test_arguments_go_before_the_environment_and_that_before_the_defaults():
    environment = {"MEDMESH_URL": "a:1", "MEDMESH_IMAGING_URL": "b:2", "MEDMESH_TIMEOUT_S": "7"}
    connection = resolved(imaging="c:3", environment=environment)
    assert connection.targets["orchestrator"] == "a:1"
    assert connection.targets["imaging"] == "c:3"
    assert connection.timeout_s == 7
    assert resolved(timeout_s=2, environment=environment).timeout_s == 2


@pytest.mark.parametrize(
    "address", ["host", "host:", ":50060", "host:port", "host:70000", "http://host:50060"]
)
def test_an_address_that_is_none_is_refused_at_once(address):
    with pytest.raises(ValueError, match="address of orchestrator must be host:port"):
        resolved(address)


def test_a_timeout_that_is_none_is_refused_by_its_name():
    with pytest.raises(ValueError, match="MEDMESH_TIMEOUT_S"):
        resolved(environment={"MEDMESH_TIMEOUT_S": "soon"})
    with pytest.raises(ValueError, match="timeout_s"):
        resolved(timeout_s=0)


def test_token_is_never_sent_in_clear_beyond_this_machine():
    with pytest.raises(ValueError, match="in clear"):
        resolved("mesh.example:50060", token="s3cret")
    assert resolved("mesh.example:50060", token="s3cret", tls=True).token == "s3cret"
    assert resolved("localhost:50060", token="s3cret").token == "s3cret"


def test_token_shows_in_no_repr():
    assert "s3cret" not in repr(resolved(token="s3cret"))


def test_tls_comes_from_the_environment_unless_switched_off():
    environment = {
        "MEDMESH_CLIENT_CA": "ca.pem",
        "MEDMESH_CLIENT_CERTIFICATE": "c.pem",
        "MEDMESH_CLIENT_KEY": "k.pem",
    }
    assert resolved(environment=environment).tls == Tls("ca.pem", "c.pem", "k.pem")
    assert resolved(tls=False, environment=environment).tls is None
    assert resolved(tls=True).tls == Tls()


def test_certificate_without_key_is_refused():
    with pytest.raises(ValueError, match="certificate"):
        Tls(certificate="c.pem").credentials()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("10.0.0.1:1", False),
        ("localhost.evil:1", False),
    ],
)
def test_loopback_is_recognised(target, expected):
    assert is_loopback(target) is expected


def test_every_call_has_a_deadline(mesh, client):
    client.models()
    assert mesh.last.remaining_s == pytest.approx(DEFAULT_TIMEOUT_S, rel=0.2)
    client.models(timeout_s=3)
    assert mesh.last.remaining_s == pytest.approx(3, rel=0.2)  # gRPC rounds what it sends up


def test_call_carries_the_callers_request_id_or_a_fresh_one(mesh, client):
    client.models(request_id="order-66-a")
    assert mesh.last.metadata["x-request-id"] == "order-66-a"
    client.models()
    first = mesh.last.metadata["x-request-id"]
    client.models()
    assert first != mesh.last.metadata["x-request-id"]
    assert 8 <= len(first) <= 64


def test_call_carries_the_token(mesh, addresses):
    with Client(**addresses, token="s3cret") as client:
        client.models()
    assert mesh.last.metadata["authorization"] == "Bearer s3cret"


async def test_async_calls_carry_the_same(mesh, async_client):
    await async_client.models(timeout_s=3, request_id="order-66-a")
    assert mesh.last.metadata["x-request-id"] == "order-66-a"
    assert mesh.last.remaining_s == pytest.approx(3, rel=0.2)  # gRPC rounds what it sends up
