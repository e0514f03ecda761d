"""The command against the real mesh: diagnose, replay, models, doctor, load test; up and demo start and stop
everything.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import venv
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from tests.end_to_end.conftest import ROOT, SAMPLES

pytestmark = pytest.mark.live

CASE = ["--image", str(SAMPLES / "chest_xray.dcm"), "--note", str(SAMPLES / "note.txt")]
CASE += ["--patient", str(SAMPLES / "patient.json")]


def medmesh(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_diagnose_prints_and_replay_finds_the_same(variables, tmp_path):
    printed = medmesh("diagnose", *CASE, "--output", tmp_path)
    assert printed.exit_code == 0, printed.output
    for said in ("COMPLETE", "Treatments", "Assessment", "Timings", "Intended use"):
        assert said in printed.stdout
    assert (tmp_path / "heat-map-0.png").read_bytes().startswith(b"\x89PNG")
    replayed = medmesh("replay", tmp_path / "receipt.json", *CASE)
    assert replayed.exit_code == 0, replayed.output
    assert "differs" not in replayed.stdout


def test_replay_of_another_note_names_it(variables, tmp_path):
    medmesh("diagnose", *CASE, "--output", tmp_path)
    note = tmp_path / "other.txt"
    note.write_text("The lungs are clear and there is no fever.")
    other = [*CASE[:3], str(note), *CASE[4:]]
    replayed = medmesh("replay", tmp_path / "receipt.json", *other)
    assert replayed.exit_code == 1
    differing = {tuple(line.split()[:2]) for line in replayed.stdout.splitlines() if " differs" in line}
    assert ("input", "note") in differing
    assert ("output", "note") in differing
    assert ("input", "image") not in differing
    assert ("output", "images/0") not in differing


def test_models_that_are_shipped_are_served_and_doctor_is_content(variables, shipped):
    listed = json.loads(medmesh("models", "--json").stdout)
    assert shipped == {model["name"] for model in listed["models"] if model["ready"]}
    findings = json.loads(medmesh("doctor", "--json").stdout)
    assert [f for f in findings if f["section"] in {"Mesh", "Models"} and f["verdict"] == "BAD"] == []
    services = {"imaging", "language", "recommendation", "orchestrator"}
    assert {f["subject"] for f in findings if f["found"].endswith("healthy")} == services


def test_load_test_finds_no_failure_and_says_what_the_servers_did(
    mesh, settings, variables, monkeypatch, tmp_path
):
    monkeypatch.setenv("MEDMESH_RUN_FOLDER", str(settings.run_folder))
    report, page = tmp_path / "load.json", tmp_path / "load.html"
    load = ("--users", 2, "--count", 30, "--warm-up", 0, "--timeout", 60)
    result = medmesh("loadtest", *load, "--report", report, "--html", page)
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert found["total"]["succeeded"] == 30
    server = found["server"]
    assert server["asked"] == {
        f"http://{address}/metrics": name for name, address in mesh.metrics_addresses.items()
    }
    assert server["missing"] == {}
    assert {one["model"] for one in server["triton"]} >= {"chest_xray", "clinical_ner"}
    for gauge in ("medmesh_server_active_requests", "medmesh_server_queue_length"):
        assert set(server["gauges"][gauge]) == {"imaging", "language", "recommendation", "orchestrator"}
    upstreams = {f"orchestrator {name}" for name in ("imaging", "language", "recommendation")}
    assert set(server["gauges"]["medmesh_upstream_breaker_open"]) == upstreams
    drawn = page.read_text()
    for title in ("requests at work", "requests that wait", "breakers"):
        assert f"Services: {title}" in drawn


def test_load_test_shows_how_it_goes_on_in_a_terminal(variables):
    """As a terminal of 100 columns gets it."""
    arguments = ("--profile", "models", "--users", "2", "--duration", "4", "--warm-up", "0")
    shown, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "clients.cli.main", "loadtest", *arguments],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    said = b""
    with process, suppress(OSError):  # so ends a terminal that nobody writes to any more
        while more := os.read(shown, 65536):
            said += more
    os.close(shown)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
    assert process.returncode == 0, text
    before, _, after = text.partition("Load test")
    figures = re.findall(r"measured: 2 users · (\d+\.\d) ok/s · 0\.0 failed/s · p99 (\d+ ms|-)", before)
    assert len(set(figures)) >= 2, "it was shown more than once, and not the same each time"
    assert max(float(ok_per_s) for ok_per_s, p99 in figures if p99 != "-") > 0
    assert "ok/s ·" not in after


@contextmanager
def command(*arguments, **variables):
    """The command as a process of its own, as a user starts it; ended in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clients.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **variables, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
    finally:
        process.kill()


def test_up_runs_until_ctrl_c_and_leaves_nothing(mesh, tmp_path):
    ports = {
        f"MEDMESH_{name}_PORT": "0" for name in ("IMAGING", "LANGUAGE", "RECOMMENDATION", "ORCHESTRATOR")
    }
    extra = {"MEDMESH_TRITON_URL": mesh.addresses["triton"], "MEDMESH_RUN_FOLDER": str(tmp_path)}
    extra["MEDMESH_TRITON_KEY_FILE"] = str(mesh.triton_key_file)
    extra["MEDMESH_RECEIPT_FOLDER"] = str(tmp_path / "receipts")
    with command("up", **ports, **extra) as process:
        said = ""
        for line in process.stdout:
            said += line
            if "Try: medmesh diagnose" in line:
                break
        assert "medmesh is up" in said, said
        url = re.search(r"export MEDMESH_URL=(\S+)", said)[1]
        asked = medmesh("diagnose", "--note", SAMPLES / "note.txt", "--url", url)
        assert asked.exit_code == 0, asked.output
        pids = json.loads((tmp_path / "mesh.json").read_text())["pids"].values()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.slow
def test_demo_starts_diagnoses_saves_and_stops(tmp_path):
    receipts = {"MEDMESH_RECEIPT_FOLDER": str(tmp_path / "receipts")}
    with command("demo", "--output", tmp_path, **receipts) as process:
        said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert json.loads((tmp_path / "answer.json").read_text())["completeness"] == "COMPLETENESS_COMPLETE"
    assert (tmp_path / "heat-map-0.png").is_file()
    assert "everything is stopped" in said


FRESH = """
import importlib.metadata, importlib.util, sys
assert importlib.util.find_spec("services") is None
assert importlib.util.find_spec("numpy") is None
from medmesh import Client
with Client(sys.argv[1], timeout_s=60) as client:
    case = {"image": sys.argv[2], "note": "Fever. No effusion.", "patient": sys.argv[3]}
    answer = client.diagnose(**case, body_part="chest")
print(answer.completeness, sorted(d.metadata["Name"] for d in importlib.metadata.distributions()))
"""


@pytest.mark.slow
def test_a_fresh_environment_with_only_the_client_can_call(mesh, tmp_path):
    source = shutil.copytree(
        ROOT / "clients" / "python", tmp_path / "source", ignore=shutil.ignore_patterns("*.egg-info", "build")
    )
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(source)]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    if installed.returncode and "No matching distribution" in installed.stderr:
        pytest.skip("no package index can be reached, and the client's dependencies come from one")
    assert installed.returncode == 0, installed.stderr
    arguments = [mesh.addresses["orchestrator"], SAMPLES / "chest_xray.png", SAMPLES / "patient.json"]
    called = subprocess.run(
        [python, "-c", FRESH, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert called.returncode == 0, called.stderr
    completeness, names = called.stdout.split(" ", 1)
    assert completeness == "1"
    expected = {"googleapis-common-protos", "grpcio", "medmesh-client", "protobuf", "typing_extensions"}
    assert set(re.findall(r"'([^']+)'", names)) - {"pip", "setuptools"} == expected
