"""What a tenant may use is counted, refused beyond it with the time to wait, and nobody else's concern."""

from __future__ import annotations

import hashlib
import tomllib
from contextlib import suppress

import grpc
import numpy as np
import pytest

from services.chassis.errors import QuotaExceeded
from services.chassis.rpc.quotas import Quota, Quotas
from tests.chassis.conftest import DOUBLING, PREFIX, Handlers, Text, refusal_of


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def quotas(clock):
    found = Quotas(lambda: clock[0])
    found.set(
        {
            "radiology": Quota(requests_per_minute=60),
            "surgery": Quota(in_flight=2),
            "pathology": Quota(request_bytes_per_minute=6000),
        }
    )
    return found


def ask(quotas, tenant, *sizes):
    with quotas.taking(tenant):
        for size in sizes:
            quotas.take_bytes(tenant, size)


def test_requests_come_in_bursts_and_then_at_their_rate(quotas, clock):
    for _ in range(6):
        ask(quotas, "radiology")
    with pytest.raises(QuotaExceeded) as caught:
        ask(quotas, "radiology")
    assert caught.value.retry_after_s == pytest.approx(1.0)
    clock[0] += caught.value.retry_after_s
    ask(quotas, "radiology")
    with pytest.raises(QuotaExceeded):
        ask(quotas, "radiology")
    clock[0] += 3600
    for _ in range(6):
        ask(quotas, "radiology")
    with pytest.raises(QuotaExceeded):
        ask(quotas, "radiology")


def test_a_request_is_taken_while_bytes_are_left_and_the_next_waits_for_what_it_brought_beyond(quotas, clock):
    ask(quotas, "pathology", 599)
    ask(quotas, "pathology", 3001)  # a burst is 600, and 100 come back in a second
    for waited_s in (0.0, 29.9):
        clock[0] += waited_s
        with pytest.raises(QuotaExceeded) as caught:
            ask(quotas, "pathology", 1)
        assert caught.value.metadata == {"quota": "request_bytes_per_minute"}
        assert caught.value.retry_after_s == pytest.approx(30.01 - waited_s)
    clock[0] += caught.value.retry_after_s + 0.001
    ask(quotas, "pathology", 1)
    clock[0] += 3600
    ask(quotas, "pathology", 600)
    with pytest.raises(QuotaExceeded):
        ask(quotas, "pathology", 1)


def test_a_stream_is_ended_when_a_minute_s_worth_is_owed_and_in_a_minute_no_more_comes(quotas, clock):
    with pytest.raises(QuotaExceeded) as caught:
        ask(quotas, "pathology", *[1000] * 100)
    assert caught.value.retry_after_s == pytest.approx(60, abs=10)
    came = 0
    for _ in range(600):  # ten minutes of a caller who does not wait
        clock[0] += 1.0
        with suppress(QuotaExceeded), quotas.taking("pathology"):
            for _ in range(100):
                quotas.take_bytes("pathology", 1000)
                came += 1000
    assert came <= 10 * 6000 + 1000


def test_places_are_given_back_also_after_a_failure(quotas):
    with quotas.taking("surgery"), quotas.taking("surgery"):
        with pytest.raises(QuotaExceeded):
            ask(quotas, "surgery")
        ask(quotas, "other")
    with pytest.raises(ZeroDivisionError), quotas.taking("surgery"):
        raise ZeroDivisionError
    with quotas.taking("surgery"), quotas.taking("surgery"):
        pass


@pytest.mark.parametrize(
    "table",
    [
        3,
        {"colour": 1},
        {"in_flight": 0},
        {"in_flight": "2"},
        {"requests_per_minute": 1.5},
        {"request_bytes_per_minute": 0},
    ],
)
def test_a_quota_that_cannot_be_used_is_named(table):
    with pytest.raises(ValueError, match=r"tenants\.x"):
        Quota.read("x", table)


async def test_a_refused_request_says_when_to_come_again_and_others_are_served(serve, tmp_path):
    async def echo(parts, message, context):
        return message

    policy = tmp_path / "policy.toml"
    policy.write_text(
        "".join(
            f"[identities.{name}]\ntoken_sha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n"
            f"allow = ['{PREFIX}*']\n"
            for name in ("ward", "other")
        )
        + "[tenants.ward]\nrequests_per_minute = 1\n"
    )
    async with serve(Handlers(unary=echo), auth_policy=policy) as sample:
        call = sample.call("Unary")
        await call(Text(note="x"), metadata=(("authorization", "Bearer ward"),))
        refused = await refusal_of(call(Text(note="x"), metadata=(("authorization", "Bearer ward"),)))
        assert (refused.code, refused.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert refused.info.metadata["quota"] == "requests_per_minute"
        assert 50 < refused.retry.retry_delay.seconds <= 60
        await call(Text(note="x"), metadata=(("authorization", "Bearer other"),))


@pytest.mark.parametrize(
    ("models", "admitted"), [("", True), ('models = ["dou*"]', True), ('models = ["chest_*"]', False)]
)
async def test_a_tenant_has_its_models_alone_compute(serve, tmp_path, models, admitted):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"[identities.ward]\ntoken_sha256 = '{hashlib.sha256(b'ward').hexdigest()}'\nallow = ['*']\n"
        f"[tenants.ward]\nin_flight = 8\n{models}\n"
    )

    async def compute(parts, message, context):
        await parts.catalog.only(DOUBLING).infer({"x": np.ones((1, 1), np.float32)})
        return message

    async with serve(Handlers(unary=compute), auth_policy=policy) as sample:
        call = sample.call("Unary")(Text(note="x"), metadata=(("authorization", "Bearer ward"),))
        if admitted:
            await call
        else:
            refused = await refusal_of(call)
            assert refused.code is grpc.StatusCode.PERMISSION_DENIED
            assert refused.info.metadata["model"] == "doubler"
            assert not sample.inference.calls


@pytest.mark.parametrize("models", ['"chest_xray"', "[1]", "3"])
def test_models_that_are_no_list_of_names_are_refused(models):
    with pytest.raises(ValueError, match=r"tenants\.ward\.models"):
        Quota.read("ward", tomllib.loads(f"models = {models}"))


@pytest.mark.parametrize("streams", [False, True])
async def test_bytes_of_messages_and_of_streams_are_counted_and_refused_with_the_time(
    serve, tmp_path, streams
):
    async def echo(parts, message, context):
        return message

    async def sizes(parts, messages, context):
        return Text(note=str(sum([len(one.note) async for one in messages])))

    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"[identities.ward]\ntoken_sha256 = '{hashlib.sha256(b'ward').hexdigest()}'\n"
        f"allow = ['{PREFIX}*']\n[tenants.ward]\nrequest_bytes_per_minute = 60_000\n"
    )
    token = (("authorization", "Bearer ward"),)
    async with serve(Handlers(unary=echo, upload=sizes), auth_policy=policy) as sample:

        def ask(count):
            texts = [Text(note="x" * 1000)] * count
            if streams:
                return sample.call("Upload")(iter(texts), metadata=token)
            return sample.call("Unary")(Text(note="x" * 1000 * count), metadata=token)

        await ask(20)
        refused = await refusal_of(ask(1))
        assert (refused.code, refused.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert refused.info.metadata["quota"] == "request_bytes_per_minute"
        assert 10 < refused.retry.retry_delay.seconds <= 15  # 14 thousand owed, one comes back in a second
