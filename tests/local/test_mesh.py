"""The whole mesh on this machine, with the committed models: it starts, is watched, ends with its parent."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from clients.cli import doctor
from clients.cli.up import USUAL
from medmesh import Client, MedmeshError
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.local.mesh import Mesh, MeshError
from services.local.mesh_settings import SERVICES, MeshSettings
from tools.bootstrap import ROOT, Missing

pytestmark = [pytest.mark.live, pytest.mark.slow]


def wait_until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def complaint(mesh: Mesh) -> str:
    """What the watch says; the kernel reports a killed process only when its last thread is gone."""
    try:
        mesh.check()
    except MeshError as error:
        return str(error)
    return ""


@pytest.fixture
def mesh_in(tmp_path: Path):
    with Mesh.start(MeshSettings.from_environment().on_free_ports(tmp_path), lambda _: None) as mesh:
        yield mesh


def test_it_starts_names_what_dies_and_leaves_nothing_behind(tmp_path: Path):
    said: list[str] = []
    with Mesh.start(MeshSettings.from_environment().on_free_ports(tmp_path), said.append) as mesh:
        state = json.loads((tmp_path / "mesh.json").read_text())
        assert set(state["addresses"]) == {*SERVICES, "triton"}
        assert sum("services healthy" in line for line in said) == len(SERVICES)
        key = tmp_path / "triton.key"
        assert key.stat().st_mode & 0o777 == 0o600
        setting = f"MEDMESH_TRITON_KEY_FILE={key}".encode()
        environments = {n: Path(f"/proc/{pid}/environ").read_bytes() for n, pid in mesh.pids().items()}
        told = {name for name, variables in environments.items() if setting in variables.split(b"\0")}
        assert told == {"imaging", "language", "recommendation"}
        for pid in state["pids"].values():
            assert key.read_bytes() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        with grpc.insecure_channel(mesh.addresses["triton"]) as channel:
            index = channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
            with pytest.raises(grpc.RpcError, match="This protocol is restricted"):
                index(b"")
        mesh.check()
        os.kill(state["pids"]["language"], signal.SIGKILL)
        wait_until(lambda: complaint(mesh))
        assert re.match(
            r"language was ended by SIGKILL; the end of its log \(.*language\.log\)", complaint(mesh)
        )
    assert not any(runs(pid) for pid in state["pids"].values())
    assert not (tmp_path / "mesh.json").exists()


def test_a_run_folder_that_cannot_be_written_is_named_before_anything_starts(tmp_path: Path):
    (tmp_path / "file").touch()
    settings = MeshSettings.from_environment().on_free_ports(tmp_path / "file" / "run")
    with pytest.raises(Missing, match=r"logs cannot be written to .*: set MEDMESH_RUN_FOLDER"):
        Mesh.start(settings, lambda _: None)


def test_what_ends_is_named_and_started_again_while_the_others_go_on(tmp_path: Path):
    settings = MeshSettings.from_environment().on_free_ports(tmp_path)
    said: list[str] = []

    def said_of(name: str) -> bool:
        said.extend(mesh.tend())
        return f"{name} was restarted" in said

    with Mesh.start(settings, lambda _: None) as mesh:
        pids = json.loads((tmp_path / "mesh.json").read_text())["pids"]
        assert mesh.tend() == []
        for name in ("language", "orchestrator"):
            os.kill(pids[name], signal.SIGKILL)
            wait_until(lambda name=name: said_of(name))
            assert any(line.startswith(f"{name} was ended by SIGKILL; it will be restarted") for line in said)
        (stub, *_) = children_of(pids["triton"])
        os.kill(stub, signal.SIGSTOP)
        wait_until(lambda: said_of("triton"))
        assert any(re.search(r"the process that served the model \w+ is stopped", line) for line in said)
        assert not runs(stub)
        assert runs(pids["imaging"])
        now = json.loads((tmp_path / "mesh.json").read_text())["pids"]
        assert {name for name in pids if now[name] != pids[name]} == {"language", "orchestrator", "triton"}
        assert all(map(runs, now.values()))
        with Client(mesh.addresses["orchestrator"], timeout_s=30) as client:
            wait_until(lambda: complete(client))
    assert not list(tmp_path.glob("mesh.json"))


def test_what_hangs_is_named_and_not_restarted_and_named_again_when_it_goes_on(mesh_in, monkeypatch):
    for name in SERVICES:
        monkeypatch.setenv(USUAL[name], mesh_in.addresses[name])
    said: list[str] = []

    def hears(pattern: str) -> bool:
        said.extend(mesh_in.tend())
        return any(re.match(pattern, line) for line in said)

    before = mesh_in.pids()
    for name in ("language", "triton"):
        assert not hears("")  # nothing is said of what is well
        os.kill(before[name], signal.SIGSTOP)
        began = time.monotonic()
        try:
            wait_until(lambda name=name: hears(rf"{name} no longer answers \(its process is stopped\)"))
            took_s = time.monotonic() - began
            if name in SERVICES:
                bad = {one.subject for one in doctor.mesh(None) if one.verdict is doctor.Verdict.BAD}
                assert name in bad
        finally:
            os.kill(before[name], signal.SIGCONT)
        wait_until(lambda name=name: hears(f"{name} answers again"))
        assert took_s < 5.0
        said.clear()
    assert mesh_in.pids() == before


def complete(client: Client) -> bool:
    try:
        answer = client.diagnose(image=ROOT / "samples" / "chest_xray.dcm", note="Fever and cough.")
    except MedmeshError:
        return False
    return answer.completeness == pb.COMPLETENESS_COMPLETE


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def test_a_second_mesh_in_the_same_run_folder_is_refused(mesh_in, tmp_path: Path):
    state = (tmp_path / "mesh.json").read_text()
    settings = MeshSettings.from_environment().on_free_ports(tmp_path)
    with pytest.raises(Missing, match=r"a mesh is already running in"):
        Mesh.start(settings, lambda _: None)
    assert (tmp_path / "mesh.json").read_text() == state
    assert (tmp_path / "mesh.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("after_s", [0.7, 2.0])
def test_nothing_outlives_a_start_that_is_cut_short(tmp_path: Path, ending: signal.Signals, after_s: float):
    environment = {**os.environ, "MEDMESH_RUN_FOLDER": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment |= {f"MEDMESH_{name.upper()}_PORT": "0" for name in SERVICES}
    environment |= {f"MEDMESH_TRITON_{name}_PORT": "0" for name in ("GRPC", "HTTP", "METRICS")}
    with subprocess.Popen(
        [sys.executable, "-m", "clients.cli.main", "up"],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as parent:  # fmt: skip
        time.sleep(after_s)
        parent.send_signal(ending)
        parent.wait(60)
    wait_until(lambda: not processes_naming(str(tmp_path)))
    wait_until(lambda: not list(Path("/dev/shm").glob(f"medmesh_{parent.pid}_*")))
    wait_until(lambda: not list(tmp_path.glob("medmesh-triton-*")))


def processes_naming(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text in (entry / "environ").read_text(errors="replace"):
                found.append((entry / "cmdline").read_text())
    return found


def test_all_of_it_ends_when_whoever_started_it_is_killed(tmp_path: Path):
    program = (
        "import time; from pathlib import Path; from services.local.mesh import Mesh; "
        "from services.local.mesh_settings import MeshSettings; "
        f"mesh = Mesh.start(MeshSettings.from_environment().on_free_ports(Path({str(tmp_path)!r}))); "
        "print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert any(line.strip() == "up" for line in parent.stdout)
        pids = json.loads((tmp_path / "mesh.json").read_text())["pids"].values()
        assert all(runs(pid) for pid in pids)
        parent.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids))
