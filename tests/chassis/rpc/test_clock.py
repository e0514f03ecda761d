"""The wall clock steps: deadlines are held all the same, and the audit log says so without a break."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time

import grpc
import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from services.chassis.observability import audit
from tests.chassis.conftest import PREFIX, Text
from tests.clock import IS_THERE, SteppedClock
from tools.bootstrap import ROOT

pytestmark = [pytest.mark.skipif(not IS_THERE, reason="there is no gcc"), pytest.mark.slow]
HOUR = 3600


@pytest.fixture
def clocked(tmp_path):
    """The clock of a service, what calls it, and its audit log."""
    clock = SteppedClock(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chassis.rpc.clocked", str(tmp_path / "audit")],
        env=os.environ | clock.variables,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with grpc.insecure_channel(process.stdout.readline().decode().strip()) as channel:
        call = channel.unary_unary(
            PREFIX + "Unary", request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )
        yield clock, call, tmp_path / "audit" / "calls-sample.jsonl"
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("step_s", [-HOUR, HOUR])
def test_a_step_of_the_wall_clock_changes_no_deadline_and_breaks_no_chain(clocked, step_s):
    clock, call, log = clocked
    sent = 0

    def code(note: str, timeout_s: float) -> tuple[str, float]:
        nonlocal sent
        began, sent = time.monotonic(), sent + 1
        try:
            call(Text(note=note), timeout=timeout_s)
        except grpc.RpcError as error:
            return error.code().name, time.monotonic() - began
        return "OK", time.monotonic() - began

    assert code("sleep 0", 5)[0] == "OK"
    under_way = {note: [] for note in ("sleep 3", "ask 3")}
    threads = [
        threading.Thread(target=lambda note=note, found=found: found.append(code(note, 20)))
        for note, found in under_way.items()
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    clock.move(step_s)
    assert abs(float(call(Text(note="sleep 0"), timeout=5).note) - time.time() - step_s) < 60, "it was moved"
    for thread in threads:
        thread.join()
    assert [found[0][0] for found in under_way.values()] == ["OK", "OK"]
    for note in ("sleep 0", "ask 0", "sleep 1", "ask 1"):
        assert code(note, 5)[0] == "OK", note
    for note in ("sleep 9", "ask 9"):
        ended, took_s = code(note, 1.0)
        assert ended == "DEADLINE_EXCEEDED", note
        assert 0.5 < took_s < 4, note

    def lines() -> list[bytes]:
        return log.read_bytes().splitlines()

    deadline = time.monotonic() + 10
    while len(lines()) < sent + 1 + 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert audit.faults(lines()) == []
    took_ms = [json.loads(line)["elapsed_ms"] for line in lines()]
    assert len(took_ms) == sent + 1 + 4, "what it asked itself has lines too"
    whole = CliRunner().invoke(app, ["usage", str(log.parent), "--service", "sample", "--csv"])
    (row,) = csv.DictReader(whole.stdout.splitlines())
    assert int(row["calls"]) == len(took_ms), "each is counted once, whatever its time"
    assert 0 <= min(took_ms) <= max(took_ms) < 20_000
