"""What stands beside the callers' figures: the priority that the services see, the services' own metrics, and
whether the harness itself was the bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from clients.cli.metrics_doors import metrics_doors
from clients.loadtest import coordinator, profile_file, server_side, view
from clients.loadtest.coordinator import Run
from clients.loadtest.generator import Generator
from clients.loadtest.profile import Profile, Stage, Traffic
from clients.loadtest.report import of
from clients.loadtest.server_side import AT_WORK, WAITING, Server
from clients.loadtest.statistics import Sample
from medmesh.connection import DEFAULT_PORTS, resolve
from medmesh.language.v1 import language_pb2, language_pb2_grpc
from services.chassis.rpc import request
from services.chassis.rpc.request import Priority
from services.chassis.rpc.server import running_server
from services.chassis.rpc.service import Service
from services.chassis.settings import ServiceSettings
from tests.chassis.conftest import log_lines  # noqa: F401 - a fixture
from tests.clients.test_loadtest import _children, _lives


@asynccontextmanager
async def notes_service(seen, **settings):
    """A service of the mesh with all of the chassis, whose answers are empty; `seen` gets each request's
    priority.
    """

    class Notes(language_pb2_grpc.LanguageServiceServicer):
        async def AnalyzeNote(self, message, context):  # noqa: N802  # the name is the proto's
            seen.append(request.priority())
            return language_pb2.AnalyzeNoteResponse()

    async def register(parts, server):
        language_pb2_grpc.add_LanguageServiceServicer_to_server(Notes(), server)

    descriptor = language_pb2.DESCRIPTOR.services_by_name["LanguageService"]
    service = Service(name="language", settings=ServiceSettings, descriptors=(descriptor,), register=register)
    async with running_server(service, ServiceSettings(listen="127.0.0.1:0", **settings)) as running:
        yield running.address


def connection_to(address, **settings):
    services = dict.fromkeys(("imaging", "language", "recommendation"), address)
    return resolve(address, **services, token=None, tls=None, timeout_s=None, environment={}, **settings)


async def test_a_service_sees_the_priority_of_each_traffic(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("""
        [[traffic]]
        name = "archive"
        call = "analyze_note"
        priority = "bulk"
        [[traffic]]
        name = "emergency"
        call = "analyze_note"
        priority = "urgent"
        [[traffic]]
        name = "as the connection"
        call = "analyze_note"
    """)
    profile = Profile([Stage(60.0, users=(3, 3))], profile_file.read(str(path)).traffic)

    async def asked(**settings):
        seen = []
        async with notes_service(seen) as address:
            generator = Generator(profile, connection_to(address, **settings), count=60)
            await generator.run()
            await generator.close()
        sent = [0, 0, 0]
        for sample in generator.samples:
            assert not sample.reason
            sent[sample.traffic] += 1
        return seen, sent

    seen, (archive, emergency, others) = await asked()
    counted = [seen.count(one) for one in (Priority.BULK, Priority.URGENT, Priority.ROUTINE)]
    assert counted == [archive, emergency, others]
    assert min(counted) > 0
    seen, (archive, emergency, others) = await asked(priority="bulk")
    assert (seen.count(Priority.BULK), seen.count(Priority.URGENT)) == (archive + others, emergency)


def test_shipped_profiles_put_the_archive_last_and_emergencies_first():
    tenants = {one.name: one.priority for one in profile_file.read("mixed-tenants").traffic}
    assert tenants == {"ward": "routine", "archive": "bulk"}
    day = {one.name: one.priority for one in profile_file.read("hospital-day").traffic}
    assert [name for name, priority in day.items() if priority] == ["emergency cases"]
    assert day["emergency cases"] == "urgent"


# Where the metrics are.


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    """No mesh runs, and nothing is set but where its run folder would be."""
    for name in os.environ:
        if name.startswith("MEDMESH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MEDMESH_RUN_FOLDER", str(tmp_path))


def targets(host="127.0.0.1", add=0):
    return {name: f"{host}:{port + add}" for name, port in DEFAULT_PORTS.items()}


def door(port):
    return f"http://127.0.0.1:{port}/metrics"


USUAL = {
    door(9460): "orchestrator",
    door(9461): "imaging",
    door(9462): "language",
    door(9463): "recommendation",
    door(8002): "triton",
}


def test_the_doors_are_those_that_the_settings_give_a_mesh_at_these_ports(no_settings, monkeypatch):
    assert metrics_doors(targets()) == metrics_doors(targets("localhost")) == USUAL
    monkeypatch.setenv("MEDMESH_IMAGING_METRICS_PORT", "7000")
    monkeypatch.setenv("MEDMESH_LANGUAGE_METRICS_PORT", "0")  # a free one, which nobody knows
    monkeypatch.setenv("MEDMESH_TRITON_URL", "10.0.0.7:8001")
    found = metrics_doors(targets())
    assert found == {door(9460): "orchestrator", door(7000): "imaging", door(9463): "recommendation"}


def test_no_door_is_made_up_for_a_mesh_elsewhere(no_settings):
    assert metrics_doors(targets("192.0.2.1")) == {}
    assert metrics_doors(targets(add=100)) == {}
    assert metrics_doors(targets("192.0.2.1") | {"imaging": "127.0.0.1:50061"}) == {
        door(9461): "imaging",
        door(8002): "triton",
    }


def test_the_doors_of_a_mesh_that_runs_are_those_that_it_wrote_down(no_settings, tmp_path):
    metrics = {name: f"127.0.0.1:{number}" for number, name in enumerate([*DEFAULT_PORTS, "triton"], 7000)}
    state = {"addresses": targets(add=100) | {"triton": "127.0.0.1:7100"}, "metrics": metrics, "pids": {}}
    (tmp_path / "mesh.json").write_text(json.dumps(state))
    found = metrics_doors(targets(add=100))
    assert found == {f"http://{address}/metrics": name for name, address in metrics.items()}
    assert metrics_doors(targets()) == USUAL  # the mesh that wrote it is another one
    (tmp_path / "mesh.json").write_text("{torn")
    assert metrics_doors(targets(add=100)) == {}


@pytest.fixture
def command(mesh, monkeypatch, no_settings):
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL"):
        monkeypatch.setenv(f"MEDMESH_{name}", mesh.target)
    return lambda *arguments: CliRunner().invoke(app, ["loadtest", *map(str, arguments)])


FEW = ("--profile", "models", "--users", 1, "--count", 3, "--warm-up", 0)


def test_what_does_not_answer_is_named(command, mesh, tmp_path):
    port = int(mesh.target.rpartition(":")[2])  # answers, yet not as a door for metrics does
    state = {
        "addresses": {"orchestrator": mesh.target},
        "metrics": {"orchestrator": f"127.0.0.1:{port}", "triton": "127.0.0.1:1"},
        "pids": {},
    }
    (tmp_path / "mesh.json").write_text(json.dumps(state))
    report, page = tmp_path / "load.json", tmp_path / "load.html"
    result = command(*FEW, "--report", report, "--html", page)
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())["server"]
    assert found["asked"] == {door(port): "orchestrator", door(1): "triton"}
    assert set(found["missing"]) == set(found["asked"])
    said = " ".join(result.stdout.split())
    assert f"The metrics of triton are missing: {door(1)} did not answer (" in said
    assert f"The metrics of orchestrator are missing: {door(port)} did not answer (it speaks no HTTP)" in said
    assert "The metrics of triton are missing" in page.read_text()


def test_a_mesh_of_which_nothing_is_known_says_so_and_metrics_are_named_by_hand(command):
    assert "No metrics of the servers are known" in command(*FEW).stdout
    named = command(*FEW, "--metrics", "http://127.0.0.1:1/metrics").stdout
    assert "No metrics of the servers are known" not in named
    assert "The metrics of 127.0.0.1:1 are missing" in " ".join(named.split())


async def test_a_services_own_metrics_are_read_under_its_name(log_lines, monkeypatch):  # noqa: F811
    monkeypatch.setattr(server_side, "TIMEOUT_S", 60.0)  # a busy machine is no reason to miss them
    seen = []
    async with notes_service(seen, metrics_listen="127.0.0.1:0") as address:
        url = f"http://{log_lines('metrics can be scraped')[0]['address']}/metrics"
        connection = connection_to(address)
        profile = Profile([Stage(60.0, users=(2, 2))], [Traffic("notes", "analyze_note", timeout_s=60.0)])
        run = Run(
            profile, connection, count=30, metrics={url: "one", url.replace("127.0.0.1", "localhost"): "two"}
        )
        await run.go()
    found = of(run, [])["server"]
    assert found["missing"] == {}
    assert set(found["gauges"]) >= {AT_WORK, WAITING}
    assert set(found["gauges"][AT_WORK]) == {"one", "two"}  # neither hides the other
    answered = {
        name: value
        for name, value in found["counters"].items()
        if name.startswith("rpc_server_call_duration_seconds_count") and "AnalyzeNote" in name
    }
    assert [name.partition("server=")[2][:3] for name in answered] == ["one", "two"]
    assert set(answered.values()) == {30.0}


QUEUE = "# TYPE medmesh_server_queue_length gauge\nmedmesh_server_queue_length 4\n"
HEDGES = "# TYPE medmesh_upstream_hedges counter\nmedmesh_upstream_hedges_total "


def test_a_door_that_is_silent_for_a_while_neither_resets_its_counters_nor_keeps_its_gauges():
    said = iter([f"{QUEUE}{HEDGES}100\n", None, f"{HEDGES}103\n"])

    class Door(BaseHTTPRequestHandler):
        def do_GET(self):
            text = next(said)
            self.send_response(200 if text else 503)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_):
            """Nothing on stderr."""

    with HTTPServer(("127.0.0.1", 0), Door) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        url = door(http.server_port)
        server = Server({url: "imaging"}, None, [])
        for now in (0.0, 1.0, 2.0):
            server._add(now, [server._scrape(url)])
        http.shutdown()
    assert server.own_counters() == {"medmesh_upstream_hedges_total{server=imaging}": 3.0}
    assert server.own_gauges() == {WAITING: {"imaging": [4.0, None, None]}}
    assert server.unanswered() == {url: "1 of 3 times, Service Unavailable"}


# Whether the harness itself was the bottleneck.


def running(mesh, traffic, stage, **settings):
    connection = connection_to(mesh.target)
    return Run(Profile([stage], traffic), connection, **settings)


def warnings(run):
    """What a reader of the report is told of the harness."""
    report = of(run, [])
    return [sentence for sentence in view.notes(report) if "--processes" in sentence]


async def held(run, seconds):
    """Runs it, and lets no load process go on for a while in the midst of it."""
    going = asyncio.create_task(run.go())
    async with asyncio.timeout(60):
        while run.statistics.summary().total.count < 10:  # noqa: ASYNC110 - what another process does
            await asyncio.sleep(0.02)
    children = [pid for pid in _children(os.getpid()) if _lives(pid)]  # `ps` was one of them
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    for pid in children:
        os.kill(pid, signal.SIGCONT)
    await going


@pytest.mark.slow
async def test_a_load_process_that_is_held_up_is_told(mesh):
    run = running(mesh, [Traffic("models", "models")], Stage(3.0, rate=(50.0, 50.0)))
    await held(run, seconds=0.8)
    lag_ms = run.statistics.summary().send_lag_p99_ms
    assert lag_ms > 300
    [told] = warnings(run)
    assert told.startswith(f"The harness itself sent late (p99 {lag_ms:.0f} ms): use more --processes")


@pytest.mark.slow
async def test_a_load_process_that_has_too_much_to_make_is_told(mesh, monkeypatch):
    """What a core is used for is measured; how much of one is there, others on this machine decide."""
    models = [Traffic("models", "models")]
    idle = running(mesh, models, Stage(3.0, rate=(2.0, 2.0)))
    await idle.go()
    busy = running(mesh, models, Stage(3.0, users=(32, 32)))
    await busy.go()
    assert 0 < idle.busy[0] < busy.busy[0] <= 1.1
    monkeypatch.setattr(coordinator, "BUSY_WORTH_TELLING", (idle.busy[0] + busy.busy[0]) / 2)
    [told] = warnings(busy)
    assert told.startswith(f"A load process used {100 * busy.busy[0]:.0f} % of a core: use more --processes")
    assert not [sentence for sentence in warnings(idle) if "of a core" in sentence]


def test_a_harness_that_keeps_up_says_nothing(mesh):
    run = running(mesh, [Traffic("models", "models")], Stage(3.0, rate=(50.0, 50.0)))
    for number in range(150):
        run.statistics.add(Sample(0, 0, number / 50, number / 50 + 0.001, None, number / 50 + 0.5))
    assert run.bottleneck == ""
    run.statistics.add(Sample(0, 0, 3.0, 3.5, None, 3.6))
    run.statistics.add(Sample(0, 0, 3.0, 3.5, None, 3.6))
    assert "sent late" in run.bottleneck
