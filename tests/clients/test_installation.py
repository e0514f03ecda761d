"""`medmesh-client` installs into an environment of its own, on the oldest and the newest packages allowed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import BadRequest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import error_info, stored

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("TEST_CONSUMERS" not in os.environ, reason="`make test-consumers` runs these"),
]

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "python"
BOUND = re.compile(r"(?P<name>[\w-]+)>=(?P<oldest>[\d.]+)")
OLDEST = [
    BOUND.match(requirement).expand(r"\g<name>==\g<oldest>")
    for requirement in tomllib.loads((CLIENT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "dependencies"
    ]
]
# grpcio's own tools, which want protobuf 7.
NEWEST = ["grpcio-reflection==1.85.0", "grpcio-health-checking==1.85.0"]

PROGRAM = """
import sys
from google.protobuf import __version__
from medmesh import Client, InvalidInput

with Client(sys.argv[1]) as client:
    diagnosis = client.diagnose(note="Fever.")
    print(__version__.split(".")[0], diagnosis.assessments[0].condition.display)
    try:
        client.analyze_note("")
    except InvalidInput as error:
        print(error.reason, error.field)
"""


@pytest.mark.parametrize(
    ("packages", "protobuf", "imported"),
    [
        pytest.param(OLDEST, "6", "", id="oldest"),
        pytest.param(
            NEWEST, "7", "import grpc_health.v1.health, grpc_reflection.v1alpha.reflection", id="newest"
        ),
    ],
)
def test_the_client_calls_and_fails_as_it_should(packages, protobuf, imported, mesh, tmp_path):
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored("diagnosis", pb.Diagnosis))
    violation = BadRequest.FieldViolation(field="note", description="is blank")
    mesh.fail(
        "AnalyzeNote",
        "INVALID_ARGUMENT",
        "A required input is missing.",
        error_info("INPUT_MISSING"),
        BadRequest(field_violations=[violation]),
    )
    python = tmp_path / "environment" / "bin" / "python"
    source = shutil.copytree(
        CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    run(sys.executable, "-m", "venv", python.parents[1])
    run(python, "-m", "pip", "install", "--quiet", source, *packages)
    run(python, "-m", "pip", "check")
    urls = {f"MEDMESH_{name.upper()}_URL": mesh.target for name in ("imaging", "language", "recommendation")}
    said = run(python, "-W", "error", "-c", imported + PROGRAM, mesh.target, **urls)
    assert said.splitlines() == [f"{protobuf} Pneumonia", "INPUT_MISSING note"]


def run(*command, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
