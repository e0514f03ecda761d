"""The load test sends exactly what its profile says, does not wait in the open loop, and counts from when a
request was due.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from clients.loadtest import searching
from clients.loadtest.calls import CALLS
from clients.loadtest.generator import Generator, Share
from clients.loadtest.profile import Profile, Stage, Tenant, Traffic
from clients.loadtest.statistics import Statistics
from clients.loadtest.thresholds import Threshold
from medmesh.connection import resolve
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import error_info, stored_diagnosis


@pytest.fixture
def connection(addresses):
    return resolve(**addresses, token=None, tls=None, timeout_s=None, environment={})


@pytest.fixture
async def make(connection):
    made = []

    def make(calls, *stages, tenants=None, **settings):
        traffic = [call if isinstance(call, Traffic) else Traffic(call, call) for call in calls]
        profile = Profile(stages, traffic, tenants or {})
        made.append(Generator(profile, connection, **settings))
        return made[-1]

    yield make
    for generator in made:
        await generator.close()


def users(number, duration_s=60.0, **settings):
    return Stage(duration_s, users=(number, number), **settings)


def rate(number, duration_s=60.0, **settings):
    return Stage(duration_s, rate=(number, number), **settings)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the server's threads have no event of this loop
            await asyncio.sleep(0.001)


async def test_closed_loop_asks_exactly_as_often_as_it_says(make, mesh):
    generator = make(["models", "read_record"], users(4), count=40)
    await generator.run()
    assert len(generator.samples) == len(mesh.seen) == 40
    assert not any(sample.reason for sample in generator.samples)


async def test_open_loop_asks_exactly_as_often_as_it_says(make, mesh):
    generator = make(["models"], rate(500), count=30)
    await generator.run()
    assert len(generator.samples) == len(mesh.seen) == 30


async def test_open_loop_does_not_wait_for_answers(make, mesh):
    """With a server that answers nothing every request is still sent, and counts from when it was due."""
    mesh.hold("ListModels")
    generator = make(["models"], rate(200), count=12)
    running = asyncio.create_task(generator.run())
    await until(lambda: len(mesh.seen) == 12)
    assert not generator.samples
    assert generator.outstanding == 12
    mesh.release("ListModels")
    await running
    assert [sample.reason for sample in generator.samples] == [""] * 12
    assert all(sample.due <= sample.sent <= sample.ended for sample in generator.samples)


async def test_closed_loop_waits_for_answers(make, mesh):
    mesh.hold("ListModels")
    generator = make(["models"], users(3), count=9)
    running = asyncio.create_task(generator.run())
    await until(lambda: len(mesh.seen) == 3)
    for _ in range(200):  # chances to send a fourth
        await asyncio.sleep(0)
    assert len(mesh.seen) == generator.outstanding == 3
    mesh.release("ListModels")
    await running
    assert len(generator.samples) == 9


async def test_the_stages_follow_each_other_and_users_come_and_go(make, mesh):
    ramp = Stage(0.3, users=(1, 4))
    generator = make(["models"], users(1, 0.1, warm_up=True), ramp, rate(100, 0.2))
    await generator.run()
    stages = [sample.stage for sample in sorted(generator.samples, key=lambda sample: sample.due)]
    assert set(stages) == {0, 1, 2}
    assert stages == sorted(stages)
    mesh.hold("ListModels")
    held = make(["models"], Stage(0.4, users=(1, 4)))
    running = asyncio.create_task(held.run())
    await until(lambda: held.outstanding >= 3)  # nobody is answered, so every request is another user
    mesh.release("ListModels")
    await running


async def test_users_think_between_their_requests(make, mesh):
    thoughtful = make([Traffic("models", "models", think_s=(0.1, 0.1))], users(1, 0.45))
    await thoughtful.run()
    dues = [sample.due for sample in thoughtful.samples]
    assert 2 <= len(dues) <= 5
    assert all(after - before >= 0.1 for before, after in pairwise(dues))


async def test_every_call_of_a_profile_works(make, mesh):
    generator = make(list(CALLS), users(6), count=120)
    await generator.run()
    assert {sample.traffic for sample in generator.samples} == set(range(len(CALLS)))
    assert not any(sample.reason for sample in generator.samples)


async def test_the_first_event_of_a_stream_is_measured(make, mesh):
    mesh.answers["DiagnoseStream"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    generator = make(["diagnose_stream", "models"], users(2), count=20)
    await generator.run()
    by_traffic = {sample.traffic: sample for sample in generator.samples}
    streamed = by_traffic[0]
    assert streamed.sent <= streamed.first <= streamed.ended
    assert by_traffic[1].first is None


async def test_no_two_requests_carry_the_same(make, mesh):
    generator = make(["diagnose"], users(1), count=30)
    await generator.run()
    cases = [seen.request.case for seen in mesh.seen]
    assert len({case.images[0].sources[0].content for case in cases}) == 30
    assert len({case.note for case in cases}) == 30
    assert len({case.patient.fhir_bundle for case in cases}) == 30


async def test_what_should_not_vary_does_not_and_a_case_has_the_parts_that_are_asked_for(make, mesh):
    one = Traffic("one", "diagnose", vary=False, parts=("note", "image"))
    await make([one], users(1), count=5).run()
    assert len({seen.request.case.SerializeToString(deterministic=True) for seen in mesh.seen}) == 1
    assert not mesh.last.request.case.HasField("patient")


async def test_tenants_send_their_own_tokens_and_traffic_its_headers_and_deadline(make, mesh):
    traffic = [
        Traffic("ward", "models", tenant="ward", headers={"x-ward": "7b"}, timeout_s=3.0),
        Traffic("nobody", "models"),
    ]
    tenants = {"ward": Tenant(token_env="WARD")}
    await make(traffic, users(1), count=20, tenants=tenants, environment={"WARD": "a-token"}).run()
    sent = {(s.metadata.get("authorization"), s.metadata.get("x-ward")) for s in mesh.seen}
    assert sent == {("Bearer a-token", "7b"), (None, None)}
    assert all(s.remaining_s <= 3.1 for s in mesh.seen if "authorization" in s.metadata)
    with pytest.raises(ValueError, match="WARD"):
        make(traffic, users(1), tenants=tenants, environment={})


async def test_failures_count_by_reason_and_not_into_latency(make, mesh):
    mesh.fail("ListModels", "RESOURCE_EXHAUSTED", "Too many.", error_info("OVERLOADED"))
    partial = pb.Diagnosis(completeness=pb.COMPLETENESS_PARTIAL)
    mesh.answers["Diagnose"] = mesh.answers["DiagnoseStream"] = pb.DiagnoseResponse(diagnosis=partial)
    generator = make(["models", "diagnose", "diagnose_stream", "read_record"], users(5), count=80)
    await generator.run()
    statistics = Statistics(["models", "diagnose", "stream", "record"], [60.0], 0.0)
    for sample in generator.samples:
        statistics.add(sample)
    summary = statistics.summary()
    counted = {name: figures.count for name, figures in summary.by_traffic.items()}
    assert {reason: latency.count for reason, latency in summary.total.errors.items()} == {
        "OVERLOADED": counted["models"],
        "PARTIAL": counted["diagnose"] + counted["stream"],
    }
    assert summary.by_traffic["models"].latency.count == 0
    assert summary.by_traffic["record"].succeeded == counted["record"] == summary.total.succeeded


async def test_several_processes_share_the_load_without_a_remainder(make, mesh):
    assert [Share(index, 4).count(10) for index in range(4)] == [3, 3, 2, 2]
    for index in range(3):
        await make(["models"], users(3), share=Share(index, 3), count=Share(index, 3).count(10)).run()
    assert len(mesh.seen) == 10


async def test_recorded_arrivals_are_sent_when_and_as_they_were(make, mesh, tmp_path):
    path = tmp_path / "arrivals.csv"
    path.write_text("time_s,traffic\n100.0,models\n100.2,read_record\n100.1,models\n")
    stage = Stage(0.11, arrivals=path, speed=2.0)
    generator = make(["models", "read_record"], stage)
    await generator.run()
    found = sorted((round(sample.due, 3), sample.traffic) for sample in generator.samples)
    assert found == [(0.0, 0), (0.05, 0), (0.1, 1)]


# The command, with real load processes.


@pytest.fixture
def command(mesh, monkeypatch):
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL"):
        monkeypatch.setenv(f"MEDMESH_{name}", mesh.target)
    return lambda *arguments: CliRunner().invoke(app, ["loadtest", *map(str, arguments)])


def test_command_shows_saves_and_draws_a_run_of_two_processes(command, tmp_path, mesh):
    report, page = tmp_path / "load.json", tmp_path / "load.html"
    mix = ("--profile", "models=1,read_record=1", "--users", 2, "--count", 25, "--warm-up", 0)
    bounds = ("--threshold", "p99_ms < 60000", "--threshold", "models: error_share > 0.5")
    written = ("--processes", 2, "--report", report, "--html", page)
    result = command(*mix, *bounds, *written)
    assert result.exit_code == 1, result.output
    assert "kept: p99_ms < 60000" in result.stdout
    assert "NOT KEPT: models: error_share > 0.5" in result.stdout
    found = json.loads(report.read_text())
    assert found["total"]["count"] == found["total"]["succeeded"] == len(mesh.seen) == 25
    assert set(found["by_traffic"]) == {"models", "read_record"}
    assert found["server"]["health"] == {
        "orchestrator": [[pytest.approx(0, abs=5), "SERVING"]],
        "recommendation": [[pytest.approx(0, abs=5), "SERVING"]],
    }
    drawn = page.read_text()
    assert "read_record" in drawn
    assert "<svg" in drawn
    assert not any(fetched in drawn for fetched in ("<script", "src=", "href=", "@import", "url("))
    same = command("compare", report, report)
    assert same.exit_code == 0, same.output


def test_command_fails_when_a_request_does_and_says_when_an_input_is_missing(command, mesh, tmp_path):
    mesh.fail("ListModels", "UNAVAILABLE", "No.", error_info("UPSTREAM_UNAVAILABLE"))
    result = command("--users", 1, "--count", 3, "--warm-up", 0, "--profile", "models")
    assert result.exit_code == 1
    assert "3  UPSTREAM_UNAVAILABLE" in result.stdout
    missing = command("--users", 1, "--profile", "analyze_note", "--note", tmp_path / "none.txt")
    assert missing.exit_code == 3
    assert "none.txt" in missing.stderr


def test_command_asks_before_it_loads_another_machine(command, mesh):
    arguments = ("--rate", 5, "--count", 1, "--profile", "models", "--url", "192.0.2.1:50060")
    result = command(*arguments)
    assert result.exit_code == 2
    assert "--yes-i-may-load-this-mesh" in result.stderr
    assert not mesh.seen


def test_command_wants_one_load(command):
    assert command("--rate", 1, "--users", 1).exit_code == 2
    result = command("--profile", "models")
    assert result.exit_code == 2
    assert "--profile smoke" in result.stderr


def report_of(rate, capacity, bottleneck=""):
    """As a server reports that holds p99 at 100 ms up to its capacity, and then queues."""
    p99_ms = 100.0 if rate <= capacity else 10_000.0
    return {
        "thresholds": [{"value": p99_ms, "kept": p99_ms < 500}],
        "total": {"error_share": 0.0, "per_second": min(rate, capacity)},
        "interrupted": False,
        "harness": {"bottleneck": bottleneck},
    }


@pytest.mark.parametrize("start", [1.0, 37.0, 900.0])
async def test_find_max_closes_in_on_the_capacity_from_either_side(start):
    async def measure(rate):
        return report_of(rate, capacity=42.0)

    found = await searching.find(measure, Threshold.parse("p99_ms < 500"), start)
    assert 42 / 1.05 <= found.best <= 42
    assert found.report["find_max"]["best_rate"] == found.best
    assert found.report["total"]["per_second"] == found.best  # the page is of the best run
    assert len(found.tries) < searching.MAXIMUM_TRIES


async def test_find_max_ends_where_the_harness_is_the_bottleneck():
    async def measure(rate):
        return report_of(rate, capacity=1e9, bottleneck="busy" if rate > 100 else "")

    found = await searching.find(measure, Threshold.parse("p99_ms < 500"), 10.0)
    assert found.best == 80
    assert found.tries[-1].why == "the harness was the bottleneck"


@pytest.mark.slow
def test_ctrl_c_ends_the_run_with_what_was_measured_and_leaves_no_process(mesh, tmp_path):
    report = tmp_path / "load.json"
    arguments = [
        "--profile",
        "models",
        "--rate",
        "100",
        "--duration",
        "60",
        "--warm-up",
        "0",
        "--report",
        str(report),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "clients.loadtest", *arguments],
        env={**os.environ, "MEDMESH_URL": mesh.target},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(mesh.seen) < 100:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = _children(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "interrupted" in out
    found = json.loads(report.read_text())
    assert found["interrupted"]
    assert found["total"]["succeeded"] > 0
    assert children
    assert not [pid for pid in children if _lives(pid)]


def _children(pid):
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_mix_follows_the_weights(connection):
    traffic = [Traffic("models", "models"), Traffic("records", "read_record", 3.0)]

    async def draw():
        generator = Generator(Profile([], traffic), connection, seed=5)
        drawn = Counter(generator._draw() for _ in range(8000))
        await generator.close()
        return drawn

    drawn = asyncio.run(draw())
    assert drawn[1] / 8000 == pytest.approx(0.75, abs=0.02)
