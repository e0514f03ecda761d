"""What a job computes is its owner's: counted as his, within what he may use, with the rights that he has
when it runs. The door and the orchestrator are real, each with its own copy of a policy.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import itertools
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from clients.cli.main import app
from clients.jobs.__main__ import SERVICE
from clients.jobs.jobs import Terms
from clients.jobs.settings import JobsSettings
from medmesh import AsyncClient
from medmesh.jobs.v1.jobs_pb2 import Job
from services.chassis.observability import audit
from services.chassis.rpc.server import running_server
from services.chassis.settings import Secret
from services.queue.items import Item, State
from tests.orchestrator.conftest import running_mesh

TENANTS = {"ward": "surgery", "clinic": "medicine"}


def identity(name: str, more: str) -> str:
    return f"[identities.{name}]\ntoken_sha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n{more}\n"


def policy(names=TENANTS, more: str = "") -> str:
    """Each identity's token is its name."""
    return (
        identity("jobs", "allow = []\nassertion_key = 'assertion.pub'")
        + "".join(identity(name, f"allow = ['/medmesh.*']\ntenant = '{TENANTS[name]}'") for name in names)
        + more
    )


class Mesh:
    """The door before an orchestrator, and what the orchestrator's audit log says."""

    def __init__(self, folder, orchestrator, door) -> None:
        self.folder = folder
        self.fakes = orchestrator.fakes
        self.door = door

    @asynccontextmanager
    async def client(self, who: str):
        async with AsyncClient(jobs=self.door, token=who) as client:
            yield client

    async def submit(self, who: str, count: int) -> list[str]:
        async with self.client(who) as client:
            return [(await client.jobs.submit(note="Cough.")).job_id for _ in range(count)]

    async def job(self, who: str, job_id: str) -> Job:
        async with self.client(who) as client:
            return await client.jobs.get(job_id)

    async def reached(self, who: str, job_ids, *states) -> list[Job]:
        """The jobs, once each is in one of these states."""
        async with self.client(who) as client, asyncio.timeout(30):
            for pause_s in itertools.repeat(0.05):
                found = [await client.jobs.get(job_id) for job_id in job_ids]
                if all(job.state in states for job in found):
                    break
                await asyncio.sleep(pause_s)
        return found

    def records(self):
        path = self.folder / "audit" / "calls-orchestrator.jsonl"
        assert audit.faults(path.read_bytes().splitlines()) == []
        return [one for one in audit.records(path) if one["method"].endswith("/Diagnose")]

    def let(self, text: str) -> None:
        """Another policy of the orchestrator."""
        (self.folder / "policy.toml").write_text(text)


@pytest.fixture
def start(tmp_path):
    @asynccontextmanager
    async def started(more: str = "", **settings):
        key = Ed25519PrivateKey.generate()
        private = tmp_path / "assertion.key"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for part, text in (("orchestrator", policy(more=more)), ("jobs", policy())):
            (tmp_path / part).mkdir()
            (tmp_path / part / "assertion.pub").write_bytes(public)
            (tmp_path / part / "policy.toml").write_text(text)
        async with AsyncExitStack() as stack:
            orchestrator = await stack.enter_async_context(
                running_mesh(
                    tmp_path / "orchestrator",
                    auth_policy=tmp_path / "orchestrator" / "policy.toml",
                    assertion_key=private,
                    audit_folder=tmp_path / "orchestrator" / "audit",
                )
            )
            told = JobsSettings(
                listen="127.0.0.1:0",
                url=orchestrator.running.address,
                token=Secret("jobs"),
                auth_policy=tmp_path / "jobs" / "policy.toml",
                assertion_key=private,
                jobs_folder=tmp_path / "jobs" / "kept",
                **settings,
            )
            door = await stack.enter_async_context(running_server(SERVICE, told))
            yield Mesh(tmp_path / "orchestrator", orchestrator, door.address)

    return started


async def test_a_job_is_counted_as_its_owner_s_and_usage_is_the_audit_log(start):
    async with start() as mesh:
        jobs = {"ward": await mesh.submit("ward", 3), "clinic": await mesh.submit("clinic", 2)}
        for who, ids in jobs.items():
            await mesh.reached(who, ids, Job.STATE_SUCCEEDED)
        records = mesh.records()
        rows = CliRunner().invoke(app, ["usage", str(mesh.folder / "audit"), "--csv"]).stdout
    assert Counter((one["tenant"], one["identity"], one["via"]) for one in records) == {
        ("surgery", "ward", "jobs"): 3,
        ("medicine", "clinic", "jobs"): 2,
    }
    counted = {
        (row["tenant"], row["identity"]): int(row["calls"])
        for row in csv.DictReader(rows.splitlines())
        if row["method"] == "Diagnose" and row["calls"]
    }
    assert counted == Counter((one["tenant"], one["identity"]) for one in records)
    models = Counter()
    for row in csv.DictReader(rows.splitlines()):
        if row["model"]:
            models[row["tenant"], row["model"]] += int(row["model_calls"])
    assert models == Counter((one["tenant"], model) for one in records for model in one["models"])
    assert models


async def test_a_tenant_s_jobs_stop_at_its_quota_and_hold_up_nobody_else_s(start):
    quota = "[tenants.medicine]\nrequests_per_minute = 1\n"
    began = time.monotonic()
    async with start(quota, jobs_at_once=4) as mesh:
        mine = await mesh.submit("clinic", 3)
        async with asyncio.timeout(30):
            while "RESOURCE_EXHAUSTED" not in {one["status"] for one in mesh.records()}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        others = await mesh.submit("ward", 6)
        await mesh.reached("ward", others, Job.STATE_SUCCEEDED)
        found = [await mesh.job("clinic", job_id) for job_id in mine]
        records = mesh.records()
    answered = Counter(one["tenant"] for one in records if one["status"] == "OK")
    assert answered["surgery"] == 6
    assert answered["medicine"] <= 1 + (time.monotonic() - began) / 60
    assert all(job.attempt_count <= 1 and job.state != Job.STATE_FAILED for job in found)


async def test_a_job_whose_owner_s_right_was_withdrawn_does_not_run(start):
    async with start(jobs_at_once=1, jobs_maximum_attempts=1) as mesh:
        mesh.fakes.hold("AnalyzeNote")
        (first,) = await mesh.submit("ward", 1)
        await asyncio.wait_for(mesh.fakes.entered["AnalyzeNote"].wait(), 20)
        (second,) = await mesh.submit("clinic", 1)
        mesh.let(policy(["ward"]))
        await asyncio.sleep(1.5)  # the file is looked at once a second
        mesh.fakes.release("AnalyzeNote")
        await mesh.reached("ward", [first], Job.STATE_SUCCEEDED)
        (job,) = await mesh.reached("clinic", [second], Job.STATE_FAILED)
        assert job.reason == "PERMISSION_DENIED"
        assert len(mesh.fakes.requests("AnalyzeNote")) == 1
        assert [one["status"] for one in mesh.records()] == ["OK", "PERMISSION_DENIED"]


def test_roles_are_kept_with_the_job_and_one_of_before_has_none():
    def item(note: str) -> Item:
        return Item(1, "surgery", "key", note, State.WAITING, 0, 0, "", 0.0, None, None)

    terms = Terms("digest", "anna", "jwt", "", 60.0, ("physician",))
    assert Terms.of(item(terms.note())) == terms
    before = '{"digest": "d", "identity": "a", "identity_kind": "jwt", "webhook": "", "timeout_s": 1.0}'
    assert Terms.of(item(before)).roles == ()
