"""Usage, audit log and receipts add up to what callers of two tenants saw, though a process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator

import grpc
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
from medmesh import AsyncClient, receipt
from medmesh.jobs.v1.jobs_pb2 import Job
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.chassis.observability import audit
from services.chassis.rpc.transport import DIRECT
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.faults.deployment import MODELS, until
from tests.faults.recording import case, outcome_of
from tools.bootstrap import ROOT

pytestmark = [pytest.mark.live, pytest.mark.slow]
TENANTS = {"ward": "surgery", "clinic": "medicine"}
COUNT, AT_A_TIME = 80, 4
_SEED = 11


def identity(name: str, more: str) -> str:
    return f"[identities.{name}]\ntoken_sha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n{more}\n"


def policy(folder, bounds: str = "[tenants.medicine]\nrequests_per_minute = 60\n") -> dict[str, str]:
    """Variables of a mesh that knows two tenants, of which by default one may ask for little."""
    key = Ed25519PrivateKey.generate()
    (folder / "assertion.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "assertion.pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "token").write_text("orchestrator")
    (folder / "policy.toml").write_text(
        identity("orchestrator", "allow = ['/medmesh.common.*']\nassertion_key = 'assertion.pub'")
        + identity("jobs", "allow = []\nassertion_key = 'assertion.pub'")
        + "".join(identity(name, f"tenant = '{t}'\nallow = ['/medmesh.*']") for name, t in TENANTS.items())
        + bounds
    )
    return {
        "MEDMESH_AUTH_POLICY": str(folder / "policy.toml"),
        "MEDMESH_ASSERTION_KEY": str(folder / "assertion.key"),
        "MEDMESH_TOKEN_FILE": str(folder / "token"),
        "MEDMESH_RECEIPT_FOLDER": str(folder / "receipts"),
        "MEDMESH_AUDIT_FOLDER": str(folder / "audit"),
        "MEDMESH_HEALTH_INTERVAL_S": "1",
    }


@dataclasses.dataclass
class Asked:
    """A call, and how it ended for its caller."""

    who: str
    outcome: str = ""
    receipt_id: str = ""


async def traffic(address: str, chance: random.Random, asked: dict[str, Asked], count: int) -> None:
    """Calls of both tenants: most are good, some are refused, have no time, leave or are not let in."""
    whole = case()
    note = pb.DiagnosticCase(note="Fever and cough, no dyspnoea. On amoxicillin.")
    options = [DIRECT, ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 300)]
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(stub, kind: str, who: str) -> None:
        identifier = str(uuid.UUID(int=chance.getrandbits(128)))
        asked[identifier] = call = Asked(who)
        metadata = (("x-request-id", identifier), ("authorization", f"Bearer {who}"))
        request = {"case": {"whole": whole, "empty": pb.DiagnosticCase()}.get(kind, note)}
        how = {"timeout": 0.03 if kind == "late" else 20, "metadata": metadata}
        async with turns:
            try:
                if kind == "stream":
                    events = stub.DiagnoseStream(pb.DiagnoseStreamRequest(**request), **how)
                    (answer,) = [event.diagnosis async for event in events if event.HasField("diagnosis")]
                else:
                    under_way = stub.Diagnose(pb.DiagnoseRequest(**request), **how)
                    if kind == "leaves":
                        await asyncio.sleep(chance.uniform(0.0, 0.3))
                        under_way.cancel()
                    answer = (await under_way).diagnosis
                call.outcome = "OK"
                call.receipt_id = receipt.statement(answer.receipt).predicate.receipt_id
            except grpc.aio.AioRpcError as error:
                call.outcome = outcome_of(error)
            except asyncio.CancelledError:
                call.outcome = "CANCELLED/-"

    kinds = ("note", "note", "note", "whole", "stream", "empty", "late", "leaves")
    async with grpc.aio.insecure_channel(address, options) as channel, asyncio.TaskGroup() as group:
        stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
        for _ in range(count):
            who = chance.choice([*TENANTS, *TENANTS, *TENANTS, "stranger"])
            group.create_task(one(stub, chance.choice(kinds), who))
            await asyncio.sleep(0.05)


@pytest.fixture
def mesh(tmp_path):
    for model in MODELS:
        shutil.copytree(ROOT / "triton_repo" / model, tmp_path / "models" / model)
    made = MeshSettings.from_environment().on_free_ports(tmp_path / "run")
    made = dataclasses.replace(
        made,
        triton=dataclasses.replace(made.triton, repository=(tmp_path / "models",)),
        variables=policy(tmp_path),
    )
    with Mesh.start(made, say=lambda _: None) as mesh:
        yield mesh


def test_usage_audit_log_and_receipts_agree_with_the_callers_after_a_kill(mesh, tmp_path):
    chance, asked = random.Random(_SEED), {}
    log = tmp_path / "audit" / "calls-orchestrator.jsonl"

    async def run(*, kills: bool) -> None:
        work = asyncio.create_task(traffic(mesh.addresses["orchestrator"], chance, asked, COUNT // 2))
        if kills:
            while sum(bool(call.outcome) for call in asked.values()) < COUNT // 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            os.kill(mesh.pids()["orchestrator"], signal.SIGKILL)
        await work

    asyncio.run(run(kills=True))
    kept = log.read_bytes()
    said: list[str] = []
    assert until(lambda: said.extend(mesh.tend()) or "orchestrator was restarted" in said, 20), said
    assert until(lambda: _serves(mesh.addresses["orchestrator"]), 30)
    asyncio.run(run(kills=False))
    mesh.stop_service("orchestrator")  # in order: every call has its line

    assert log.read_bytes().startswith(kept), "what was counted before the kill is counted still"
    assert audit.faults(log.read_bytes().splitlines()) == []
    records = [one for one in audit.records(log) if "Diagnose" in one.get("method", "")]
    alone = [one for one in records if audit.COUNT not in one]
    lines = Counter(one["request_id"] for one in alone)
    assert lines.keys() <= asked.keys()
    assert set(lines.values()) == {1}, "a call has one line"
    tenant_of = {one["request_id"]: one["tenant"] for one in alone}
    counted, without = Counter(), Counter()
    for one in records:
        counted[one.get("tenant", ""), one["status"]] += one.get(audit.COUNT, 0)
    for identifier, call in asked.items():
        tenant = TENANTS.get(call.who, "")
        if identifier in lines:
            assert tenant_of[identifier] == tenant
        elif not call.outcome.endswith("/-"):  # whose end the mesh told
            without[tenant, call.outcome.partition("/")[0]] += 1
    assert without == +counted, "what has no line of its own is a refusal that was counted with others"
    outcomes = {call.outcome for call in asked.values()}
    wanted = {"OK", "INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "CANCELLED"}
    assert wanted <= {one.partition("/")[0] for one in outcomes}, outcomes

    text = (tmp_path / "receipts" / "receipts.jsonl").read_text().splitlines()
    assert receipt.verify_chain(text) == []
    receipts = {r.receipt_id: r for r in (receipt.statement(receipt.from_line(t)).predicate for t in text)}
    named = {one["receipt_id"]: one for one in records if "receipt_id" in one}
    handed = {call.receipt_id for call in asked.values() if call.receipt_id}
    unnamed = receipts.keys() - named.keys()
    assert named.keys() <= receipts.keys()
    assert handed <= receipts.keys()
    # Those of the moment of the kill: written, and their caller heard nothing.
    assert len(unnamed) <= AT_A_TIME
    streams = {call.receipt_id for call in asked.values() if call.receipt_id in unnamed}
    assert len(streams) <= AT_A_TIME, "only a stream's last message may leave before its line is written"

    assert_usage_is(records, receipts, log)
    assert not {one["receipt_id"] for one in records if one.get("tenant", "") == "" and "receipt_id" in one}


def test_a_tenant_s_jobs_have_its_models_alone_compute_and_count_as_its_own(mesh, tmp_path):
    written = tmp_path / "policy.toml"
    written.write_text(
        written.read_text().replace(
            "[tenants.medicine]", "[tenants.medicine]\nmodels = ['image_gate', 'chest_*']"
        )
    )
    told = policy_variables(tmp_path) | {"MEDMESH_URL": mesh.addresses["orchestrator"]}

    async def ask(address: str, who: str) -> pb.Diagnosis:
        async with AsyncClient(jobs=address, token=who) as client:
            job = await client.jobs.submit(case())
            async with asyncio.timeout(120):
                while (await client.jobs.get(job.job_id)).state != Job.STATE_SUCCEEDED:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            return (await client.jobs.result(job.job_id)).diagnosis

    with jobs_door(told) as address:
        answers = {who: asyncio.run(ask(address, who)) for who in TENANTS}
    branches = {
        who: {pb.Branch.Kind.Name(b.kind): (pb.Branch.State.Name(b.state), b.reason) for b in answer.branches}
        for who, answer in answers.items()
    }
    mesh.stop_service("orchestrator")
    log = tmp_path / "audit" / "calls-orchestrator.jsonl"
    records = {one["tenant"]: one for one in audit.records(log) if one.get("via") == "jobs"}
    assert branches["ward"]["KIND_NOTE"] == ("STATE_ANSWERED", "")
    assert branches["clinic"]["KIND_IMAGE"] == ("STATE_ANSWERED", "")
    assert branches["clinic"]["KIND_NOTE"] == ("STATE_FAILED", "PERMISSION_DENIED")
    computed = {tenant: {m.partition("@")[0] for m in one["models"]} for tenant, one in records.items()}
    assert computed["surgery"] >= {"chest_xray", "clinical_ner"}
    assert computed["medicine"] <= {"chest_xray", "image_gate"}


@contextlib.contextmanager
def jobs_door(variables: dict[str, str]) -> Iterator[str]:
    """The address of a jobs door that runs by itself."""
    command = [sys.executable, "-m", "clients.jobs"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | variables, stderr=subprocess.PIPE, text=True
    ) as door:
        try:
            lines = (json.loads(line) for line in door.stderr)
            yield next(line["address"] for line in lines if line["message"] == "serving")
        finally:
            door.terminate()
            door.communicate()


def policy_variables(folder) -> dict[str, str]:
    """Variables of the door: it knows the same policy, and is another part."""
    (folder / "jobs-token").write_text("jobs")
    return {
        "MEDMESH_LISTEN": "127.0.0.1:0",
        "MEDMESH_AUTH_POLICY": str(folder / "policy.toml"),
        "MEDMESH_ASSERTION_KEY": str(folder / "assertion.key"),
        "MEDMESH_TOKEN_FILE": str(folder / "jobs-token"),
        "MEDMESH_JOBS_FOLDER": str(folder / "jobs"),
    }


def assert_usage_is(records, receipts, log) -> None:
    """What `medmesh usage` counts is the records, by tenant, method and outcome, and the receipts' models."""
    rows = list(
        csv.DictReader(CliRunner().invoke(app, ["usage", str(log.parent), "--csv"]).stdout.splitlines())
    )
    usage = {
        (row["tenant"].strip("-"), row["method"]): tuple(int(row[n]) for n in ("calls", "refused", "failed"))
        for row in rows
        if row["calls"] and "Diagnose" in row["method"]
    }
    assert sum(calls for calls, _, _ in usage.values()) == sum(one.get(audit.COUNT, 1) for one in records)
    for tenant in (*TENANTS.values(), ""):
        mine = [one for one in records if one.get("tenant", "") == tenant]
        for method in ("Diagnose", "DiagnoseStream"):
            ended = Counter()
            for one in mine:
                ended[one["status"]] += one.get(audit.COUNT, 1) * one["method"].endswith(f"/{method}")
            failed = sum(ended[one] for one in ("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "INTERNAL"))
            total = ended.total()
            expected = (total, total - ended["OK"] - failed, failed)
            assert usage.get((tenant, method), (0, 0, 0)) == expected, (tenant, method, ended)
        models = Counter()
        for row in rows:
            if row["model"] and row["tenant"].strip("-") == tenant:
                models[row["model"]] += int(row["model_calls"])
        stated = Counter(
            model
            for one in mine
            if "receipt_id" in one
            for model in {f"{m.model_name}@{m.model_version}" for m in receipts[one["receipt_id"]].models}
        )
        assert models == stated, tenant


def _serves(address: str) -> bool:
    with grpc.insecure_channel(address, [DIRECT]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return False
        return True
