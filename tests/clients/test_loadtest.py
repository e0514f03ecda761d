"""The load test counts exactly, does not wait in the open loop, and measures from when a request was due."""

from __future__ import annotations

import asyncio
import json
import random
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from clients.loadtest.loops import Bounds, Run
from clients.loadtest.measurements import Measurements, Sample, percentile, summarise
from clients.loadtest.profile import DEFAULT_WEIGHTS, SERVICE_OF, Inputs, Profile, calls
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import error_info

CARRIED = Inputs(image=b"png", note="Fever.\nCough.", patient=b"{}")


@pytest.fixture
def make_run(async_client):
    def make(weights, **bounds):
        bounds = {"duration_s": 60.0} | bounds
        return Run(async_client, calls(CARRIED, timeout_s=5.0), Profile(weights), Bounds(**bounds), seed=3)

    return make


async def test_closed_loop_asks_exactly_as_often_as_it_says(make_run, mesh):
    measured = await make_run({"models": 1, "analyze_note": 2}, count=40).closed_loop(users=4)
    assert len(measured.counted()) == len(mesh.seen) == 40
    total = summarise(measured).total
    assert (total.count, total.succeeded, total.errors) == (40, 40, {})


async def test_open_loop_asks_exactly_as_often_as_it_says(make_run, mesh):
    measured = await make_run({"models": 1}, count=30).open_loop(rate=500)
    assert len(measured.counted()) == len(mesh.seen) == 30


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the server's threads have no event of this loop
            await asyncio.sleep(0.001)


async def test_open_loop_does_not_wait_for_answers(make_run, mesh):
    """With a server that answers nothing, every request is still sent, and its latency counts from when it
    was due.
    """
    mesh.hold("ListModels")
    run = make_run({"models": 1}, count=12)
    loop = asyncio.create_task(run.open_loop(rate=200))
    await until(lambda: len(mesh.seen) == 12)
    assert not run.measurements.samples
    assert run.outstanding == 12
    mesh.release("ListModels")
    measured = await loop
    assert [sample.reason for sample in measured.samples] == [""] * 12
    assert all(sample.due <= sample.sent <= sample.ended for sample in measured.samples)


async def test_closed_loop_waits_for_answers(make_run, mesh):
    mesh.hold("ListModels")
    run = make_run({"models": 1}, count=9)
    loop = asyncio.create_task(run.closed_loop(users=3))
    await until(lambda: len(mesh.seen) == 3)
    for _ in range(200):  # chances to send a fourth
        await asyncio.sleep(0)
    assert len(mesh.seen) == run.outstanding == 3
    mesh.release("ListModels")
    assert len((await loop).samples) == 9


async def test_every_call_of_a_profile_works(make_run, mesh):
    measured = await make_run(dict.fromkeys(SERVICE_OF, 1), count=90).closed_loop(users=6)
    assert {sample.call for sample in measured.samples} == set(SERVICE_OF)
    assert not any(sample.reason for sample in measured.samples)


async def test_failures_count_by_reason_and_not_into_latency(make_run, mesh):
    mesh.fail("ListModels", "RESOURCE_EXHAUSTED", "Too many.", error_info("OVERLOADED"))
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(
        diagnosis=pb.Diagnosis(completeness=pb.COMPLETENESS_PARTIAL)
    )
    summary = summarise(
        await make_run({"models": 1, "diagnose": 1, "analyze_note": 1}, count=60).closed_loop(users=5)
    )
    assert summary.total.errors == {
        "OVERLOADED": summary.by_call["models"].count,
        "PARTIAL": summary.by_call["diagnose"].count,
    }
    assert summary.by_call["models"].max_ms == 0
    assert summary.by_call["analyze_note"].succeeded == summary.by_call["analyze_note"].count


async def test_warm_up_is_sent_and_not_counted(make_run, mesh):
    run = make_run({"models": 1}, warm_up_s=0.2, count=10)
    measured = await run.closed_loop(users=2)
    assert len(measured.counted()) == 10
    assert len(mesh.seen) == len(measured.samples) > 10


def test_arrivals_are_poisson_and_repeatable():
    run = Run(None, {}, Profile({"models": 1}), Bounds(duration_s=1000.0), seed=0)
    due = list(run._arrivals(20.0, random.Random(1)))
    assert len(due) == pytest.approx(20_000, rel=0.03)
    gaps = [after - before for before, after in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.03)  # of an exponential distribution
    assert due == list(run._arrivals(20.0, random.Random(1)))


def test_mix_follows_the_weights():
    random_ = random.Random(5)
    drawn = [Profile({"models": 1, "embed": 3}).draw(random_) for _ in range(8000)]
    assert drawn.count("embed") / len(drawn) == pytest.approx(0.75, abs=0.02)


def test_latency_counts_from_when_a_request_was_due():
    """A server that stalls for a second makes all requests due in it late, not only the one it held."""
    stalled = [Sample("models", due=i / 100, sent=1.0, ended=1.0) for i in range(100)]
    summary = summarise(Measurements(0.0, stalled))
    assert summary.total.percentile_ms[50] == pytest.approx(500)
    assert summary.total.max_ms == pytest.approx(1000)
    assert summary.send_lag_p99_ms == pytest.approx(990)


def test_percentile_is_a_value_that_was_measured():
    values = [float(v) for v in range(1, 101)]
    assert [percentile(values, p) for p in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert percentile([7.0], 50) == 7
    assert percentile([], 99) == 0


def test_nothing_counted_is_a_summary_of_zeros():
    summary = summarise(Measurements(5.0, [Sample("models", 1.0, 1.0, 2.0)]))
    assert summary.total.count == 0
    assert summary.duration_s == 0


def test_profile_is_read_from_text_and_toml(tmp_path):
    assert Profile.parse("diagnose=1, analyze_note=2.5").weights == {"diagnose": 1, "analyze_note": 2.5}
    path = tmp_path / "mix.toml"
    path.write_text("[weights]\nembed = 3\n")
    assert Profile.read(path).weights == {"embed": 3}
    assert set(DEFAULT_WEIGHTS) <= set(SERVICE_OF)


@pytest.mark.parametrize(
    "text", ["", "nothing=1", "diagnose=0", "diagnose=-1", "diagnose=x", "diagnose=inf", "diagnose=nan"]
)
def test_profile_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        Profile.parse(text)


@pytest.fixture
def run_command(mesh, monkeypatch):
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL"):
        monkeypatch.setenv(f"MEDMESH_{name}", mesh.target)
    return lambda *arguments: CliRunner().invoke(app, ["loadtest", *map(str, arguments)])


def test_command_prints_the_summary_and_saves_the_report(run_command, tmp_path, mesh):
    report = tmp_path / "load.json"
    arguments = (
        "--users",
        2,
        "--count",
        25,
        "--warm-up",
        0,
        "--profile",
        "models=1,analyze_note=1",
        "--report",
        report,
    )
    result = run_command(*arguments)
    assert result.exit_code == 0, result.output
    assert "analyze_note" in result.stdout
    found = json.loads(report.read_text())
    assert found["total"]["count"] == found["total"]["succeeded"] == len(mesh.seen) == 25
    assert set(found["by_call"]) == {"models", "analyze_note"}


def test_command_exits_1_when_a_request_failed(run_command, mesh):
    mesh.fail("ListModels", "UNAVAILABLE", "No.", error_info("UPSTREAM_UNAVAILABLE"))
    result = run_command("--users", 1, "--count", 3, "--warm-up", 0, "--profile", "models")
    assert result.exit_code == 1
    assert "3  UPSTREAM_UNAVAILABLE" in result.stdout


def test_command_asks_before_it_loads_another_machine(run_command, mesh):
    arguments = ("--rate", 5, "--count", 1, "--profile", "models", "--url", "192.0.2.1:50060")
    result = run_command(*arguments)
    assert result.exit_code == 2
    assert "--yes-i-may-load-this-mesh" in result.stderr
    assert not mesh.seen


def test_command_wants_one_loop(run_command):
    assert run_command().exit_code == 2
    assert run_command("--rate", 1, "--users", 1).exit_code == 2
