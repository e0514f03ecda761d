"""Refusals in numbers: each caller is told as one that is refused alone, and all are accounted for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial

import grpc
import pytest

from clients.cli.main import app
from services.chassis.observability import audit
from services.chassis.rpc.refusals import TOLD_ONE_BY_ONE
from services.chassis.rpc.request import REQUEST_ID_KEY
from tests.chassis.conftest import PREFIX, Handlers, Text, refusal_of
from tests.chassis.rpc.test_interceptors import TOKEN_SHA256

CALLS = 60
NAMES = [f"{number:032x}" for number in range(CALLS)]


@pytest.fixture
def held():
    """A handler that works until it is told to end: `held.begun`, `held.ends`."""

    class Held:
        begun, ends = asyncio.Event(), asyncio.Event()

        async def __call__(self, parts, message, context):
            self.begun.set()
            await self.ends.wait()
            return message

        async def download(self, parts, message, context):
            yield await self(parts, message, context)

    return Held()


async def _refused(sample, names=NAMES, rpc="Unary"):
    """The refusals of calls that are sent one after the other under these ids."""
    found = []
    for name in names:
        call = sample.call(rpc)(Text(note="short"), timeout=20, metadata=((REQUEST_ID_KEY, name),))
        found.append(await refusal_of(call if rpc == "Unary" else _first(call)))
    return found


async def _first(stream):
    return await anext(aiter(stream))


@pytest.mark.parametrize("rpc", ["Unary", "Download"])
async def test_each_caller_is_told_as_one_that_is_refused_alone(serve, held, rpc):
    handlers = Handlers(unary=held, download=held.download)
    async with serve(handlers, maximum_in_flight_count=1, maximum_queue_count=0) as sample:
        first = asyncio.ensure_future(_awaited(sample.call("Unary")(Text(note="short"), timeout=20)))
        await held.begun.wait()
        refused = await _refused(sample, rpc=rpc)
        held.ends.set()
        await first
    assert {one.info.reason for one in refused} == {"OVERLOADED"}
    assert {one.code for one in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert [one.request_info.request_id for one in refused] == NAMES
    after_s = [one.retry.retry_delay.ToTimedelta().total_seconds() for one in refused]
    assert 1.0 <= min(after_s) <= max(after_s) - 1.0 <= 2.0, "callers come back at different times"


async def test_what_has_no_line_of_its_own_is_counted_in_log_and_audit_log(
    serve, held, log_lines, tmp_path, capsys
):
    folder = tmp_path / "audit"
    async with serve(
        Handlers(unary=held), maximum_in_flight_count=1, maximum_queue_count=0, audit_folder=folder
    ) as sample:
        first = asyncio.ensure_future(_awaited(sample.call("Unary")(Text(note="short"), timeout=20)))
        await held.begun.wait()
        began = time.monotonic()
        await _refused(sample)
        seconds = 1 + int(time.monotonic() - began)
        held.ends.set()
        await first
    path = folder / "calls-sample.jsonl"
    assert not audit.faults(path.read_bytes().splitlines())
    for lines in (log_lines("request") + log_lines("refused"), list(audit.records(path))):
        calls = Counter()
        for line in lines:
            calls[line["reason"]] += line.get("count", 1)
        assert calls == {"OVERLOADED": CALLS, "": 1}
        own = [line for line in lines if line["reason"] and "count" not in line]
        assert len(own) <= TOLD_ONE_BY_ONE * seconds
        together = [line for line in lines if "count" in line]
        assert 1 <= len(together) <= 1 + seconds
        assert {line["method"] for line in together} == {PREFIX + "Unary"}
        assert "request_id" not in together[0]
    app(["usage", str(folder), "--service", "sample", "--csv"], standalone_mode=False)
    assert f"Unary,{CALLS + 1},{CALLS},0," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("token", "reason", "tenant"), [("", "UNAUTHENTICATED", ""), ("token-1", "QUOTA_EXCEEDED", "a")]
)
async def test_so_is_whoever_may_not_call_or_has_used_his_quota(
    serve, held, log_lines, tmp_path, token, reason, tenant
):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f'[identities.a]\ntoken_sha256 = "{TOKEN_SHA256}"\nallow = ["*"]\n'
        "[anonymous]\nallow = []\n[tenants.a]\nin_flight = 1\n"
    )
    async with serve(Handlers(unary=held), auth_policy=policy) as sample:
        call = sample.call("Unary")
        known = {"timeout": 20, "metadata": (("authorization", "Bearer token-1"),)}
        first = asyncio.ensure_future(_awaited(call(Text(note="short"), **known)))
        await held.begun.wait()
        asked = known if token else {"timeout": 20}
        refused = [await refusal_of(call(Text(note="short"), **asked)) for _ in range(CALLS)]
        held.ends.set()
        await first
    assert {one.info.reason for one in refused} == {reason}
    counted = log_lines("refused")
    assert counted
    assert {(line["reason"], line["tenant"]) for line in counted} == {(reason, tenant)}
    own = [line for line in log_lines("request") if line["reason"] == reason]
    assert len(own) + sum(line["count"] for line in counted) == CALLS


async def test_whoever_is_let_in_among_them_is_served_with_a_line_of_its_own(serve, log_lines, held):
    async with serve(Handlers(unary=held), maximum_in_flight_count=1, maximum_queue_count=1) as sample:
        call = sample.call("Unary")
        ask = partial(call, Text(note="short"), timeout=20)
        waiting = [asyncio.ensure_future(_awaited(ask(metadata=_named("a" * 32))))]
        await held.begun.wait()
        waiting.append(asyncio.ensure_future(_awaited(ask(metadata=_named("b" * 32)))))
        await asyncio.sleep(0.05)
        await _refused(sample, NAMES[: 2 * TOLD_ONE_BY_ONE])
        urgent = call(
            Text(note="short"), timeout=20, metadata=(*_named("c" * 32), ("x-medmesh-priority", "urgent"))
        )
        waiting.append(asyncio.ensure_future(_awaited(urgent)))
        with pytest.raises(grpc.aio.AioRpcError):
            await waiting[1]
        held.ends.set()
        assert [(await one).note for one in (waiting[0], waiting[2])] == ["short", "short"]
    ends = {line["request_id"]: line["reason"] for line in log_lines("request")}
    assert (ends["a" * 32], ends["b" * 32], ends["c" * 32]) == ("", "OVERLOADED", "")


def _named(name):
    return ((REQUEST_ID_KEY, name),)


async def _awaited(call):
    return await call
