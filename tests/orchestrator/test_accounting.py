"""Each receipt is named by one line of the audit log, whoever leaves when; nobody gets another's answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medmesh import receipt
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.observability import audit
from services.chassis.rpc.interceptors import RequestInterceptor
from services.chassis.rpc.server import running_server
from services.orchestrator.receipts.log import ReceiptLog
from tests.orchestrator.answers import full_case
from tests.orchestrator.conftest import FakeCatalog, FakeServices, _service, running_mesh

TENANTS = {"ward": "surgery", "clinic": "medicine"}
POLICY = "".join(
    f"[identities.{name}]\ntoken_sha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n"
    f"tenant = '{tenant}'\nallow = ['/medmesh.*']\n"
    for name, tenant in TENANTS.items()
)


@asynccontextmanager
async def audited(folder, **settings):
    """A mesh, and what its logs hold: receipts, and records of diagnoses in the audit log."""
    async with running_mesh(folder, audit_folder=folder / "audit", **settings) as mesh:
        path = folder / "audit" / "calls-orchestrator.jsonl"

        def read():
            assert audit.faults(path.read_bytes().splitlines()) == []
            records = [one for one in audit.records(path) if "Diagnose" in one["method"]]
            lines = mesh.receipts.read_text().splitlines() if mesh.receipts.exists() else []
            assert receipt.verify_chain(lines) == []
            return [receipt.statement(receipt.from_line(line)).predicate for line in lines], records

        yield mesh, read


def models_of(receipts) -> list[list[str]]:
    return sorted(sorted({f"{m.model_name}@{m.model_version}" for m in one.models}) for one in receipts)


async def test_whoever_leaves_at_whatever_moment_each_receipt_has_its_line(tmp_path, monkeypatch):
    real, begin = ReceiptLog.append, RequestInterceptor._request
    chance, taken_up = random.Random(7), asyncio.Semaphore(0)

    def slowly(self, statement):
        time.sleep(0.03)  # so that many leave while it is written
        return real(self, statement)

    def counted(self, method, *call):
        if "Diagnose" in method:
            taken_up.release()
        return begin(self, method, *call)

    monkeypatch.setattr(ReceiptLog, "append", slowly)
    monkeypatch.setattr(RequestInterceptor, "_request", counted)
    async with audited(tmp_path) as (mesh, read):
        calls = []
        for number in range(60):
            request = {"case": full_case()}
            if number % 3 == 0:
                request["request_id"] = str(uuid.UUID(int=number // 6))  # some are asked twice
            if number % 5 == 4:
                stream = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(**request), timeout=30)
                calls.append((stream, asyncio.create_task(stream.read())))
            else:
                call = mesh.stub.Diagnose(pb.DiagnoseRequest(**request), timeout=30)
                calls.append((call, call))
            await taken_up.acquire()  # one that is cancelled before it is sent is no call
            await asyncio.sleep(chance.uniform(0, 0.02))
            if chance.random() < 0.6:
                chance.choice(calls)[0].cancel()
        for call, ended in calls:
            if ended is not call:
                call.cancel()
            with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await ended
        await mesh.running.interceptor.drained(10)
        receipts, records = read()
    assert len(records) == 60
    named = [one["receipt_id"] for one in records if "receipt_id" in one]
    assert sorted(named) == sorted(one.receipt_id for one in receipts)
    assert any(one["status"] == "CANCELLED" for one in records if "receipt_id" in one), "none left in time"
    assert sorted(one["models"] for one in records if "receipt_id" in one) == models_of(receipts)


async def test_an_answer_whose_asker_left_is_accounted_to_who_gets_it(tmp_path):
    identifier = str(uuid.UUID(int=7))
    async with audited(tmp_path) as (mesh, read):
        mesh.fakes.hold("AnalyzeImage")
        first = mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case(), request_id=identifier), timeout=30)
        await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
        others = [asyncio.create_task(mesh.diagnose(full_case(), request_id=identifier)) for _ in range(2)]
        await asyncio.sleep(0.3)
        first.cancel()
        await asyncio.sleep(0.3)
        mesh.fakes.release("AnalyzeImage")
        answers = await asyncio.gather(*others)
        receipts, records = read()
    assert answers[0] == answers[1]
    (written,) = receipts
    assert [one["status"] for one in records] == ["CANCELLED", "OK", "OK"]
    assert [one.get("receipt_id", "") for one in records].count(written.receipt_id) == 1
    assert sum(map(len, (one["models"] for one in records))) == len(models_of(receipts)[0])


async def test_a_branch_that_is_asked_of_two_replicas_is_one_receipt_and_one_line(tmp_path):
    fakes = FakeServices(), FakeServices()
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(
                running_server(_service("language", one, FakeCatalog("language")))
            )
            for one in fakes
        ]
        both = f"ipv4:{','.join(one.address for one in replicas)}"
        mesh, read = await stack.enter_async_context(audited(tmp_path, language_url=both, hedge_share=0.2))
        case = pb.DiagnosticCase(note="Cough.")
        for _ in range(30):  # until both are known, and a pace
            await mesh.diagnose(case)
        fakes[0].hold("AnalyzeNote")
        for _ in range(2):
            assert (await mesh.diagnose(case)).completeness == pb.COMPLETENESS_COMPLETE
        receipts, records = read()
    assert fakes[0].cancelled == ["AnalyzeNote"]
    assert sum(len(one.requests("AnalyzeNote")) for one in fakes) > 32
    assert len(receipts) == len(records) == 32
    assert len({one["receipt_id"] for one in records}) == 32


@pytest.mark.parametrize("held", [False, True])
async def test_the_answer_of_one_tenant_is_never_handed_to_another(tmp_path, held):
    """The same request under the same id, one after the other and at the same time."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    key = tmp_path / "assertion.key"
    made = Ed25519PrivateKey.generate()
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    identifier = str(uuid.UUID(int=7))
    async with audited(tmp_path, auth_policy=policy, assertion_key=key) as (mesh, read):
        if held:
            mesh.fakes.hold("AnalyzeImage")

        async def ask(who: str) -> pb.Diagnosis:
            request = pb.DiagnoseRequest(case=full_case(), request_id=identifier)
            metadata = (("authorization", f"Bearer {who}"),)
            return (await mesh.stub.Diagnose(request, timeout=20, metadata=metadata)).diagnosis

        asked = []
        for who in (*TENANTS, *TENANTS):
            asked.append(asyncio.create_task(ask(who)))
            await (asyncio.sleep(0.1) if held else asyncio.wait(asked))
        if held:
            mesh.fakes.release("AnalyzeImage")
        ward, clinic, ward_again, clinic_again = await asyncio.gather(*asked)
        receipts, records = read()
    assert ward == ward_again
    assert clinic == clinic_again
    assert ward.receipt != clinic.receipt
    assert len(receipts) == 2
    by_tenant = {
        tenant: [one["receipt_id"] for one in records if one["tenant"] == tenant and "receipt_id" in one]
        for tenant in TENANTS.values()
    }
    assert {tenant: len(found) for tenant, found in by_tenant.items()} == {"surgery": 1, "medicine": 1}
    assert json.dumps(records).count(receipts[0].receipt_id) == 1
