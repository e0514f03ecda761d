"""Programs in other languages, generated from the contracts alone, call the mesh and read its typed errors.

`make test-consumers` runs them: it builds the examples of `clients/` with Node, npm and the packages of
`clients/debian-packages.txt`. Go and Java take their libraries from Debian 12, the oldest that have to work.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SAMPLES, client_of

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "clients"
BUF = Path(sys.executable).with_name("buf")
GO_PACKAGES = Path("/usr/share/gocode")
JAVA_PACKAGES = Path("/usr/share/java")
# What the example is compiled with, and what else gRPC for Java needs to run.
JARS = [
    *(f"grpc-{part}" for part in ("api", "context", "core", "netty", "protobuf", "protobuf-lite", "stub")),
    *(f"netty-{part}" for part in ("buffer", "codec", "codec-http", "codec-http2", "common", "handler")),
    *("netty-resolver", "netty-transport", "perfmark-api", "guava", "failureaccess", "gson", "jsr305"),
    *("geronimo-annotation-1.3-spec", "proto-google-common-protos", "protobuf"),
]

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif("TEST_CONSUMERS" not in os.environ, reason="`make test-consumers` runs these"),
]


def tool(name: str) -> str:
    """Its path. A machine without it skips the language; continuous integration fails."""
    found = shutil.which(name)
    if not found:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"{name} is missing: install Node with npm and what clients/debian-packages.txt names")
    return found


def run(*command, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def typescript(folder: Path) -> list[str]:
    return [tool("node"), str(typescript_built() / "diagnose.js")]


@functools.cache
def typescript_built() -> Path:
    """The folder of the built examples."""
    here = CLIENTS / "typescript"
    run(tool("npm"), "ci", cwd=here)
    run(tool("npm"), "run", "generate", cwd=here)
    run(tool("npm"), "run", "build", cwd=here)
    return here / "dist"


def go(folder: Path) -> list[str]:
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
        tool(plugin)
    here = CLIENTS / "go"
    run(BUF, "generate", cwd=here)
    # Debian's packages lie in a GOPATH, and the module of the example beside them.
    (folder / "src").mkdir()
    (folder / "src" / "medmesh").symlink_to(here)
    path = {"GO111MODULE": "off", "GOPATH": f"{folder}:{GO_PACKAGES}", "GOFLAGS": ""}
    run(tool("go"), "vet", "medmesh/diagnose", cwd=folder, **path)
    run(tool("go"), "build", "-o", folder / "diagnose", "medmesh/diagnose", cwd=folder, **path)
    return [str(folder / "diagnose")]


def java(folder: Path) -> list[str]:
    tool("grpc_java_plugin")
    tool("protoc")
    here = CLIENTS / "java"
    run(BUF, "generate", cwd=here)
    class_path = ":".join([str(folder), *(str(JAVA_PACKAGES / f"{jar}.jar") for jar in JARS)])
    sources = [here / "Diagnose.java", *sorted((here / "gen").rglob("*.java"))]
    run(tool("javac"), "-nowarn", "-d", folder, "-cp", class_path, *sources, cwd=here)
    return [tool("java"), "-cp", class_path, "Diagnose"]


@pytest.fixture(scope="module", params=[typescript, go, java], ids=lambda build: build.__name__)
def diagnose(request, tmp_path_factory):
    """Runs the example of one language against an address."""
    build = request.param
    command = build(tmp_path_factory.mktemp(build.__name__))
    scheme = "http://" if build is typescript else ""

    def call(address: str, *files: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, f"{scheme}{address}", *map(str, files)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def test_the_example_prints_what_the_python_client_is_answered(diagnose, mesh, case):
    image, note, patient = case["image"], SAMPLES / "note.txt", case["patient"]
    done = diagnose(mesh.addresses["orchestrator"], image, note, patient)
    assert done.returncode == 0, done.stderr
    with client_of(mesh) as client:
        expected = client.diagnose(**case)
    completeness, *assessments = done.stdout.splitlines()
    assert completeness.removeprefix("COMPLETENESS_") == "COMPLETE"
    assert assessments == [f"{a.probability:.1%}  {a.condition.display}" for a in expected.assessments]
    assert len(assessments) > 1


def test_the_example_reads_the_reason_and_the_field_of_an_error(diagnose, mesh, case, tmp_path):
    (tmp_path / "image").write_text("neither DICOM nor PNG nor JPEG", encoding="ascii")
    done = diagnose(mesh.addresses["orchestrator"], tmp_path / "image", SAMPLES / "note.txt", case["patient"])
    assert done.returncode == 1
    status, reason, violation = done.stderr.splitlines()
    assert status.replace("_", "").lower().startswith("invalidargument: ")
    assert reason == "reason: INPUT_UNSUPPORTED"
    assert violation.startswith("case.images[0].sources")


def test_a_stream_is_watched_from_typescript_through_the_http_door(mesh, case):
    url = f"http://{mesh.addresses['gateway']}"
    command = [tool("node"), typescript_built() / "watch.js", url, case["image"], SAMPLES / "note.txt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert set(lines[:2]) == {"IMAGE", "NOTE"}
    with client_of(mesh) as client:
        expected = client.diagnose(image=case["image"], note=SAMPLES / "note.txt")
    shown = [f"{a.probability:.1%}  {a.condition.display}" for a in expected.assessments]
    assert lines[-len(shown) :] == shown
