"""Another process holds the log of receipts, or the audit log: nobody waits for it longer than he can."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager

import grpc
import pytest

from medmesh import receipt as receipts
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.chassis.observability import audit
from services.local import ports
from tests.holding import held
from tests.orchestrator.answers import full_case
from tests.orchestrator.conftest import Refusal, running_mesh
from tools.bootstrap import ROOT

DRAIN_S = 2.0


async def test_a_receipt_log_that_is_held_is_a_reason_of_its_own_and_health_says_so(mesh):
    await mesh.diagnose(full_case())
    before = mesh.receipts.read_bytes()
    health = mesh.running.parts.health
    with held(mesh.receipts):
        started = time.monotonic()
        refusals = await asyncio.gather(*(mesh.refused(full_case(), timeout_s) for timeout_s in (1, 5, 5)))
        assert time.monotonic() - started < 4.0
        for refusal in refusals:
            assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "RECEIPT_NOT_WRITTEN")
            assert refusal.metadata["cause"] == "LOG_HELD"
        await health.refresh()
        assert health.problems == {"receipts": "another process holds the receipt log"}
    assert mesh.receipts.read_bytes() == before
    await health.refresh()
    assert health.problems == {}
    await mesh.diagnose(full_case())
    assert receipts.verify_chain(mesh.receipts.read_text().splitlines()) == []


async def test_an_audit_log_that_is_held_holds_nobody_up_and_loses_no_line(tmp_path):
    async with running_mesh(tmp_path, audit_folder=tmp_path / "audit") as mesh:
        await mesh.diagnose(full_case())
        (log,) = (tmp_path / "audit").glob("calls-*.jsonl")
        health, longest_s = mesh.running.parts.health, 0.0

        async def beat():
            nonlocal longest_s
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.02)
                longest_s = max(longest_s, time.monotonic() - began)

        beating = asyncio.create_task(beat())
        with held(log):
            for _ in range(5):
                await mesh.diagnose(full_case())
            await health.refresh()
            assert "another process holds the audit log" in health.problems["audit"]
            assert len(log.read_bytes().splitlines()) == 1
        beating.cancel()
        assert longest_s < 1.0
        await health.refresh()
        assert health.problems == {}
        assert len(list(audit.records(log))) == 6
        await mesh.diagnose(full_case())
    assert audit.faults(log.read_bytes().splitlines()) == []
    named = [record["receipt_id"] for record in audit.records(log)]
    written = [receipts.from_line(line) for line in mesh.receipts.read_text().splitlines()]
    assert named == [receipts.statement(one).predicate.receipt_id for one in written]


@asynccontextmanager
async def orchestrator(folder, upstreams):
    """A process of its own; and how to call it."""
    address = f"127.0.0.1:{ports.claim('127.0.0.1', {'own': 0}, '{}')['own']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEDMESH_", "OTEL_"))}
    own = {
        "MEDMESH_LISTEN": address,
        "MEDMESH_METRICS_LISTEN": "",
        "MEDMESH_RECEIPT_FOLDER": str(folder / "receipts"),
        "MEDMESH_AUDIT_FOLDER": str(folder / "audit"),
        "MEDMESH_DRAIN_S": str(DRAIN_S),
        **{f"MEDMESH_{name.upper()}": url for name, url in upstreams.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.orchestrator", cwd=ROOT, env=kept | own,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield process, orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("file", ["receipts/receipts.jsonl", "audit/calls-orchestrator.jsonl"])
async def test_a_process_ends_when_it_is_asked_to_though_a_log_is_held(tmp_path, file):
    async with running_mesh(tmp_path / "fakes") as fakes:
        settings = fakes.running.parts.settings
        upstreams = {f"{n}_url": getattr(settings, f"{n}_url") for n in fakes.catalogs}
        async with orchestrator(tmp_path, upstreams) as (process, stub):
            request = pb.DiagnoseRequest(case=full_case())
            await stub.Diagnose(request, timeout=60, wait_for_ready=True)
            with held(tmp_path / file):
                call = stub.Diagnose(request, timeout=30)
                await asyncio.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(DRAIN_S + 8.0):
                    assert await process.wait() == 0
                (outcome,) = await asyncio.gather(call, return_exceptions=True)
    reason = Refusal.of(outcome).reason if isinstance(outcome, grpc.aio.AioRpcError) else "OK"
    assert reason == ("RECEIPT_NOT_WRITTEN" if file.startswith("receipts") else "OK")
    (log,) = (tmp_path / "audit").glob("calls-*.jsonl")
    outcomes = [json.loads(line)["status"] for line in log.read_bytes().splitlines()]
    # What the end could not write of the held audit log is lost with the process.
    assert outcomes == (["OK", "UNAVAILABLE"] if file.startswith("receipts") else ["OK"])
