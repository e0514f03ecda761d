"""Who shares a service with others: a tenant, whatever its callers say of themselves."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.chassis.rpc import request as requests
from services.chassis.rpc.assertions import Signer
from services.chassis.settings import Secret, ServiceSettings
from services.chassis.upstream.call import Upstream
from tests.chassis.conftest import PREFIX, Handlers, Text, refusal_of

PLACES = 4
"""Of which one caller gets three."""
TENANTS = {"ward": "surgery", "clinic": "medicine"}


def entry(name: str, more: str = "") -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"[identities.{name}]\ntoken_sha256 = '{digest}'\nallow = ['{PREFIX}*']\n{more}\n"


@pytest.fixture
def policy(tmp_path):
    """Each identity's token is its name."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "assertion.key").write_bytes(private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "assertion.pub").write_bytes(public)
    path = tmp_path / "policy.toml"
    path.write_text(
        "".join(entry(name, f"tenant = '{tenant}'") for name, tenant in TENANTS.items())
        + entry("door", "assertion_key = 'assertion.pub'")
    )
    return path


class Held:
    """A service whose requests stay at work until they are let go."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.handlers = Handlers(unary=self._unary)
        self._gate = asyncio.Event()

    async def _unary(self, parts, message, context):
        self.entered.append(message.note)
        await self._gate.wait()
        return message

    @asynccontextmanager
    async def asked(self, *calls):
        """While these calls are under way."""
        tasks = [asyncio.create_task(call) for call in calls]
        try:
            yield
        finally:
            self._gate.set()
            await asyncio.gather(*tasks)

    async def count(self, note: str, least: int) -> int:
        """How many of those calls are at work, once `least` are and no further one comes."""
        async with asyncio.timeout(20):
            while self.entered.count(note) < least:  # noqa: ASYNC110 - what another task does
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        return self.entered.count(note)


def call(sample, who: str, principal: str = "", note: str = ""):
    metadata = [("authorization", f"Bearer {who}")]
    if principal:
        metadata.append(("x-medmesh-on-behalf-of", principal))

    async def answered():
        return await sample.call("Unary")(Text(note=note or who), metadata=metadata, timeout=60)

    return answered()


async def test_a_new_name_with_each_call_is_no_new_share(serve, policy):
    held = Held()
    async with serve(held.handlers, auth_policy=policy, maximum_in_flight_count=PLACES) as sample:
        calls = [call(sample, "ward", f"patient-portal-{number}") for number in range(2 * PLACES)]
        async with held.asked(*calls):
            assert await held.count("ward", PLACES - 1) == PLACES - 1
            async with held.asked(call(sample, "clinic")):
                assert await held.count("clinic", 1) == 1


@pytest.mark.parametrize("name", ["clinic", "medicine", "medicine/clinic"])
async def test_a_call_in_anothers_name_takes_nothing_from_it(serve, policy, name):
    held = Held()
    async with serve(held.handlers, auth_policy=policy, maximum_in_flight_count=PLACES) as sample:
        calls = [call(sample, "ward", name) for _ in range(2 * PLACES)]
        async with held.asked(*calls):
            assert await held.count("ward", PLACES - 1) == PLACES - 1
            async with held.asked(call(sample, "clinic")):
                assert await held.count("clinic", 1) == 1


async def test_bytes_held_count_for_the_tenant_whatever_names_it_gives(serve, policy):
    held, kilobyte = Held(), "x" * 1000
    settings = {"maximum_held_bytes": 4000, "maximum_in_flight_count": 32}
    async with serve(held.handlers, auth_policy=policy, **settings) as sample:
        calls = [call(sample, "ward", f"n-{number}", kilobyte) for number in range(2)]
        async with held.asked(*calls):
            assert await held.count(kilobyte, 2) == 2
            metadata = [("authorization", "Bearer ward"), ("x-medmesh-on-behalf-of", "another")]
            refused = await refusal_of(sample.call("Unary")(Text(note=kilobyte), metadata=metadata))
            assert refused.info.reason == "OVERLOADED"
            async with held.asked(call(sample, "clinic", note=kilobyte)):
                assert await held.count(kilobyte, 3) == 3


async def test_behind_a_door_that_may_call_for_others_each_of_them_has_a_share(serve, policy):
    held = Held()
    signer = Signer.read(policy.with_name("assertion.key"))
    async with (
        serve(held.handlers, auth_policy=policy, maximum_in_flight_count=PLACES) as sample,
        Upstream(
            "sample", sample.running.address, ServiceSettings(token=Secret("door")), signer=signer
        ) as upstream,
    ):
        method = upstream.channel.unary_unary(PREFIX + "Unary", Text.SerializeToString, Text.FromString)

        async def through_the_door(who):
            current = requests.Request("0e7e-0000-0001", "/x/Diagnose", time.monotonic() + 50)
            current.identity, current.identity_kind, current.tenant = who, "token", TENANTS[who]
            requests.current.set(current)
            return await upstream.call(method, Text(note=who))

        async with held.asked(*(through_the_door("ward") for _ in range(2 * PLACES))):
            assert await held.count("ward", PLACES - 1) == PLACES - 1
            async with held.asked(through_the_door("clinic")):
                assert await held.count("clinic", 1) == 1
