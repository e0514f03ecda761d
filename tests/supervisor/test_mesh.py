"""The whole mesh on this machine, with the committed models: it starts, is watched, ends with its parent."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.bootstrap import ROOT, Missing
from services.supervisor import SERVICES, Mesh, MeshError, MeshSettings

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


def test_it_starts_names_what_dies_and_leaves_nothing_behind(tmp_path: Path):
    said: list[str] = []
    with Mesh.start(MeshSettings.from_environment().on_free_ports(tmp_path), said.append) as mesh:
        state = json.loads((tmp_path / "mesh.json").read_text())
        assert set(state["addresses"]) == {*SERVICES, "triton"}
        assert sum("services healthy" in line for line in said) == len(SERVICES)
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


def test_a_lost_service_is_named_once_and_the_others_go_on(tmp_path: Path):
    settings = MeshSettings.from_environment().on_free_ports(tmp_path)
    with Mesh.start(settings, lambda _: None) as mesh:
        pids = json.loads((tmp_path / "mesh.json").read_text())["pids"]
        assert mesh.lost() == []
        os.kill(pids["language"], signal.SIGKILL)
        said: list[str] = []
        wait_until(lambda: said.extend(mesh.lost()) or said)
        assert len(said) == 1
        assert said[0].startswith("language was ended by SIGKILL; the others go on, answers are PARTIAL.")
        assert mesh.lost() == []
        assert runs(pids["imaging"])
        os.kill(pids["orchestrator"], signal.SIGKILL)
        wait_until(lambda: complaint(mesh))
        with pytest.raises(MeshError, match="orchestrator was ended by SIGKILL"):
            mesh.lost()


def test_all_of_it_ends_when_whoever_started_it_is_killed(tmp_path: Path):
    program = (
        "import time; from pathlib import Path; from services.supervisor import Mesh, MeshSettings; "
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
