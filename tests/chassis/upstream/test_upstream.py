"""Calling another service: typed errors over a hop, ids and deadlines passed on, one retry, the breaker."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc
import pytest

from services.chassis import errors
from services.chassis.errors import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    ModelUnavailable,
    Overloaded,
    Reason,
    Unauthenticated,
    UpstreamUnavailable,
)
from services.chassis.rpc import request, status
from services.chassis.rpc.request import Request
from services.chassis.settings import ServiceSettings
from services.chassis.upstream.breaker import Breaker
from services.chassis.upstream.call import Upstream
from tests.chassis.conftest import PREFIX, Handlers, Text

TYPED = [
    InvalidInput(Reason.INPUT_TOO_LARGE, "note", "is too long"),
    *(k() for k in status._CLASSES.values()),
]


def unary(upstream):
    return upstream.channel.unary_unary(PREFIX + "Unary", Text.SerializeToString, Text.FromString)


@pytest.fixture
def under_way():
    """A request in progress, on whose behalf the upstream is called."""
    current = Request(
        request_id="0e7e-0000-0001",
        method="/x/Y",
        deadline=time.monotonic() + 50,
        identity="ward-7",
        identity_kind="token",
        priority=request.Priority.URGENT,
    )
    token = request.current.set(current)
    yield current
    request.current.reset(token)


@pytest.mark.parametrize("error", TYPED, ids=lambda e: e.reason)
async def test_a_typed_error_keeps_class_reason_and_field_over_the_hop(serve, error):
    async def fail(parts, message, context):
        error.metadata = {"model": "doubler"}
        raise error

    async with (
        serve(Handlers(unary=fail)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        with pytest.raises(type(error)) as caught:
            await upstream.call(unary(upstream), Text(note="short"), safe=False)
    assert caught.value.reason == error.reason
    if isinstance(error, InvalidInput):
        assert (caught.value.field, caught.value.description) == ("note", "is too long")
    else:
        assert caught.value.metadata == {"upstream": "sample", "model": "doubler"}
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)


async def test_an_internal_error_of_the_upstream_stays_internal(serve):
    async def fail(parts, message, context):
        raise ValueError

    async with (
        serve(Handlers(unary=fail)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        with pytest.raises(MedmeshError) as caught:
            await upstream.call(unary(upstream), Text(note="short"))
    assert caught.value.reason is Reason.INTERNAL


async def test_id_principal_and_deadline_travel_along(serve, under_way):
    seen = []

    async def look(parts, message, context):
        seen.append((dict(context.invocation_metadata()), request.remaining_s()))
        return message

    async with (
        serve(Handlers(unary=look)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        await upstream.call(unary(upstream), Text(note="short"))
        await upstream.call(unary(upstream), Text(note="short"), timeout_s=20)
    metadata, left_s = seen[0]
    assert metadata["x-request-id"] == "0e7e-0000-0001"
    assert metadata["x-medmesh-priority"] == "urgent"
    assert metadata["x-medmesh-on-behalf-of"] == "ward-7"
    assert 25 < left_s <= 50 - 0.1
    assert 10 < seen[1][1] <= 20 - 0.1


async def test_a_request_whose_time_is_over_asks_nobody(serve, under_way):
    under_way.deadline = time.monotonic() - 1
    async with Upstream("sample", "127.0.0.1:1", ServiceSettings()) as upstream:
        with pytest.raises(DeadlineExceeded):
            await upstream.call(unary(upstream), Text(note="short"))


async def test_a_dead_upstream_is_retried_once_and_then_not_asked_for_a_while(unused_address):
    async with Upstream("imaging", unused_address, ServiceSettings()) as upstream:
        method = Counting(unary(upstream))
        with pytest.raises(UpstreamUnavailable) as caught:
            await upstream.call(method, Text(note="short"), timeout_s=5)
        assert method.count == 2
        assert caught.value.metadata == {"upstream": "imaging"}
        with pytest.raises(UpstreamUnavailable):
            await upstream.call(method, Text(note="short"), timeout_s=5, safe=False)
        assert method.count == 3
        for _ in range(5):
            with pytest.raises(UpstreamUnavailable):
                await upstream.call(method, Text(note="short"), timeout_s=5)
        assert method.count == 5, "the breaker opened after five failures"
        assert "does not answer" in await upstream.problem()


async def test_an_upstream_that_is_down_costs_at_most_a_tenth_more_calls(unused_address):
    async with Upstream("imaging", unused_address, ServiceSettings()) as upstream:
        upstream.breaker = Breaker(failure_count=10**6)  # the budget alone has to hold
        method = Counting(unary(upstream))
        for _ in range(200):
            with pytest.raises(UpstreamUnavailable):
                await upstream.call(method, Text(note="short"), timeout_s=5)
    assert method.count / 200 <= 1.10


async def test_the_retry_budget_runs_dry_and_fills_with_answers():
    async with Upstream("imaging", "127.0.0.1:1", ServiceSettings()) as upstream:
        assert [upstream._may_retry() for _ in range(11)] == [True] * 10 + [False]
        upstream._retry_tokens += 10
        assert upstream._may_retry()


@pytest.fixture
async def hanging_address():
    """A server that takes every call and never answers, as a process that was stopped."""

    async def hang(request, context):
        await asyncio.sleep(60)

    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(hang)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("medmesh.language.v1.LanguageService", {"Unary": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_an_upstream_that_hangs_is_not_asked_for_a_while(hanging_address, monkeypatch):
    monkeypatch.setattr("services.chassis.upstream.call._HANG_S", 0.05)
    async with Upstream("imaging", hanging_address, ServiceSettings()) as upstream:
        method = Counting(unary(upstream))
        for _ in range(15):
            with pytest.raises((DeadlineExceeded, UpstreamUnavailable)):
                await upstream.call(method, Text(note="short"), timeout_s=0.1, safe=False)
        assert method.count == 5


async def test_callers_in_a_hurry_do_not_shut_an_upstream_out(hanging_address):
    async with Upstream("imaging", hanging_address, ServiceSettings()) as upstream:
        method = Counting(unary(upstream))
        for _ in range(8):
            with pytest.raises(DeadlineExceeded):
                await upstream.call(method, Text(note="short"), timeout_s=0.02, safe=False)
        assert method.count == 8


async def test_a_fault_on_this_side_does_not_keep_an_upstream_shut_out(serve, tmp_path):
    """As a token file that cannot be read, during the breaker's one trial call; it is told as what it is."""

    async def echo(parts, message, context):
        return message

    token = tmp_path / "token"
    async with (
        serve(Handlers(unary=echo)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings(token_file=token)) as upstream,
    ):
        upstream.breaker = Breaker(failure_count=1, open_s=0.0)
        upstream.breaker.record(alive=False)
        with pytest.raises(Unauthenticated):
            await upstream.call(unary(upstream), Text(note="short"))
        token.write_text("secret")
        assert (await upstream.call(unary(upstream), Text(note="x"))).note == "x"


async def test_an_error_that_the_upstream_itself_gives_is_not_retried(serve):
    count = []

    async def fail(parts, message, context):
        count.append(1)
        raise ModelUnavailable

    async with (
        serve(Handlers(unary=fail)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        for _ in range(7):
            with pytest.raises(ModelUnavailable):
                await upstream.call(unary(upstream), Text(note="short"))
        assert len(count) == 7, "an upstream that answers keeps the breaker closed"


async def test_a_slow_upstream_is_a_deadline_and_a_full_one_is_overload(serve):
    async def fail(parts, message, context):
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "from a proxy between us")

    async with (
        serve(Handlers(unary=fail)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        with pytest.raises(Overloaded):
            await upstream.call(unary(upstream), Text(note="short"))


async def test_problem_tells_whether_the_upstream_serves(serve):
    async with (
        serve(Handlers(unary=None)) as sample,
        Upstream("sample", sample.running.address, ServiceSettings()) as upstream,
    ):
        assert await upstream.problem() == ""
        sample.inference.stop("doubler")
        await sample.parts.health.refresh()
        assert await upstream.problem() == "sample is not serving"


def test_an_open_breaker_lets_one_call_try_after_its_pause():
    breaker = Breaker(failure_count=2, open_s=0.0)
    for _ in range(2):
        assert breaker.admit()
        breaker.record(alive=False)
    assert [breaker.admit(), breaker.admit()] == [True, False]
    breaker.release()
    assert breaker.admit(), "a caller who left frees the trial"
    breaker.record(alive=True)
    assert [breaker.admit(), breaker.admit()] == [True, True]


def test_every_reason_has_a_way_back():
    without_class = {r for r in Reason if r not in status._CLASSES}
    inputs = {r for r in Reason if errors.PUBLIC[r].status == "INVALID_ARGUMENT"}
    assert without_class == inputs | {Reason.INTERNAL}


@pytest.fixture
async def unused_address():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.stop(None)
    return f"127.0.0.1:{port}"


class Counting:
    """Counts the calls of a multicallable."""

    def __init__(self, method):
        self._method = method
        self.count = 0

    def __call__(self, *args, **kwargs):
        self.count += 1
        return self._method(*args, **kwargs)


async def test_a_host_that_takes_the_connection_and_says_nothing_does_not_hold_the_call(monkeypatch):
    monkeypatch.setattr("services.chassis.upstream.call._CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Upstream("silent", address, ServiceSettings()) as upstream:
            started = time.monotonic()
            with pytest.raises(UpstreamUnavailable, match="no connection within"):
                await upstream.call(unary(upstream), Text(note="x"), timeout_s=60)
            assert time.monotonic() - started < 30  # half of the deadline is still there for the others
