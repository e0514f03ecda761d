"""A caller of large bodies waits behind himself: others are neither refused nor late for his sake."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.gateway.settings import GatewaySettings
from tests.gateway.conftest import connection_to, door

RATE = 1_000_000
LARGE = 500_000
"""Bytes: half a second each."""
ONE, ANOTHER = "127.0.0.2", "127.0.0.3"
TENANTS = "".join(
    f"[identities.{name}]\nallow = ['*']\ntoken_sha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n"
    for name in ("ward", "clinic")
)


def post(address: str, size_bytes: int, source: str = ONE, token: str = "", *, chunked: bool = False) -> int:
    """The status of an image of so many bytes."""
    headers = {"content-type": "application/dicom"} | ({"authorization": f"Bearer {token}"} if token else {})
    body = iter([bytes(size_bytes)]) if chunked else bytes(size_bytes)
    connection = http.client.HTTPConnection(address, timeout=30, source_address=(source, 0))
    try:
        connection.request("POST", "/image", body, headers, encode_chunked=chunked)
        return connection.getresponse().status
    finally:
        connection.close()


def spent_s(address: str, count: int, *who: str, chunked: bool = False) -> float:
    """How long so many large bodies take, two at a time."""
    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(post, address, LARGE, *who, chunked=chunked) for _ in range(count)]
        assert {one.result() for one in asked} == {200}
    return time.monotonic() - began


@pytest.fixture
def throttled(mesh, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(TENANTS)
    settings = GatewaySettings(bytes_per_second_beside_others=RATE, auth_policy=policy)
    with door(settings, connection_to(mesh)) as address:
        yield address


@pytest.fixture
def tight(mesh):
    """Holds a million bytes at most."""
    with door(GatewaySettings(maximum_held_bytes=1_000_000), connection_to(mesh)) as address:
        yield address


@pytest.mark.parametrize("chunked", [False, True])
def test_beside_another_tenant_bodies_are_read_at_a_rate(throttled, chunked):
    """Both behind one proxy, by whose address they are not told apart."""
    alone_s = spent_s(throttled, 6, ONE, "ward", chunked=chunked)
    assert post(throttled, 10, ONE, "clinic") == 200
    began = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        large = thread.submit(spent_s, throttled, 6, ONE, "ward", chunked=chunked)
        waited_s = []
        while not large.done():
            asked = time.monotonic()
            assert post(throttled, 10, ONE, "clinic") == 200
            waited_s.append(time.monotonic() - asked)
            time.sleep(0.02)
        assert large.result() > max(1.5, 2 * alone_s)
    assert max(waited_s) < (time.monotonic() - began) / 4


def test_a_body_that_is_refused_by_its_size_takes_no_turn(mesh):
    settings = GatewaySettings(bytes_per_second_beside_others=1000, maximum_request_bytes=1024)
    with door(settings, connection_to(mesh)) as address:
        assert post(address, 10, ANOTHER) == 200
        assert [post(address, 2000) for _ in range(5)] == [413] * 5
        began = time.monotonic()
        assert post(address, 10) == 200
        assert time.monotonic() - began < 1.0


def test_a_turn_that_does_not_come_is_told(mesh):
    settings = GatewaySettings(
        bytes_per_second_beside_others=1024, default_deadline_s=1.0, maximum_deadline_s=1.0
    )
    with door(settings, connection_to(mesh)) as address:
        assert post(address, 10, ANOTHER) == 200
        assert post(address, 20_000) == 200
        assert post(address, 10) == 504
        assert post(address, 10, ANOTHER) == 200


def test_who_holds_much_leaves_room_for_others(mesh, tight):
    mesh.hold("AnalyzeImage")
    holding = threading.Thread(target=post, args=(tight, 700_000))
    holding.start()
    while not mesh.seen:
        time.sleep(0.01)
    assert post(tight, 200_000) == 429
    threading.Timer(0.2, mesh.release, ["AnalyzeImage"]).start()
    assert post(tight, 200_000, ANOTHER) == 200
    holding.join()
    assert post(tight, 200_000) == 200
