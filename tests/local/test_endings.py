"""How a whole `medmesh up` ends: what it accepted is answered, and nothing of it stays, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.local import ports
from services.local.mesh_settings import SERVICES
from services.local.triton import leftovers
from tests.faults.deployment import until
from tests.faults.recording import case
from tools.bootstrap import ROOT

pytestmark = [pytest.mark.live, pytest.mark.slow]

_READY_S = 240.0
_END_S = 60.0
_CALLS = 8


class Up:
    """A `medmesh up` in a folder of its own, whose processes all know the folder by their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        free = ports.claim("127.0.0.1", {"orchestrator": 0}, "{}")
        self.address = f"127.0.0.1:{free['orchestrator']}"
        self._screen = folder / "screen"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MEDMESH_", "OTEL_"))}
        environment |= {f"MEDMESH_{name.upper()}_PORT": "0" for name in SERVICES}
        environment |= {f"MEDMESH_TRITON_{name}_PORT": "0" for name in ("GRPC", "HTTP", "METRICS")}
        environment |= {
            "MEDMESH_ORCHESTRATOR_PORT": str(free["orchestrator"]),
            "MEDMESH_RUN_FOLDER": str(folder / "run"),
            "MEDMESH_RECEIPT_FOLDER": str(folder / "receipts"),
            "MEDMESH_AUDIT_FOLDER": str(folder / "audit"),
            "TMPDIR": str(folder),
        }
        with self._screen.open("ab") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clients.cli.main", "up"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        assert until(lambda: "medmesh is up" in self.said or self.process.poll() is not None, _READY_S)
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        return self._screen.read_text()

    @property
    def pids(self) -> list[int]:
        """All of it, the sentinels too."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"TMPDIR={self.folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    @property
    def left(self) -> list[str]:
        """Shared memory, folders and state that are still there."""
        shared = leftovers.SHARED_MEMORY.glob(f"medmesh_{self.process.pid}_*")
        state = [path for path in [self.folder / "run" / "mesh.json"] if path.exists()]
        return [str(path) for path in (*shared, *self.folder.glob("medmesh-triton-*"), *state)]

    def kill(self) -> None:
        """Without an end in order, and nobody is left to clear away."""
        while pids := self.pids:
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: no sentinel may act meanwhile
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            self.process.wait()
            time.sleep(0.05)

    @contextlib.contextmanager
    def calls(self) -> Iterator[list[Future[pb.DiagnoseResponse]]]:
        """Calls under way: all have been sent, and one has been answered."""
        first = threading.Event()
        with grpc.insecure_channel(self.address) as channel, ThreadPoolExecutor(_CALLS) as pool:
            stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)

            def ask() -> pb.DiagnoseResponse:
                answer = stub.Diagnose(pb.DiagnoseRequest(case=case()), timeout=60)
                first.set()
                return answer

            stub.Diagnose(pb.DiagnoseRequest(case=case()), timeout=60)
            asked = [pool.submit(ask) for _ in range(_CALLS)]
            assert first.wait(60)
            yield asked


def missing(answer: pb.DiagnoseResponse) -> dict[str, str]:
    """The branches that an answer lacks, with the reason of each."""
    return {pb.Branch.Kind.Name(one.kind): one.reason for one in answer.diagnosis.branches if one.reason}


@contextlib.contextmanager
def up(folder: Path) -> Iterator[Up]:
    folder.mkdir(exist_ok=True)
    made = Up(folder)
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.kill()


def test_what_was_killed_is_cleared_away_at_the_next_start_and_what_was_accepted_is_answered(tmp_path: Path):
    folders_before = set(leftovers.environment_folders())
    with up(tmp_path / "killed") as killed:
        with killed.calls():
            killed.kill()
        shared = [path for path in killed.left if path.startswith(str(leftovers.SHARED_MEMORY))]
        assert shared, "there is nothing to be cleared away"
        for path in map(Path, shared):
            assert path.stat().st_mode & 0o077 == 0
    folders = set(leftovers.environment_folders()) - folders_before
    others = any(leftovers.is_server(entry) for entry in Path("/proc").glob("[0-9]*"))
    with up(tmp_path / "next") as mesh:
        assert not any(Path(path).exists() for path in shared)
        if not others:  # of another server they could be
            assert not any(folder.exists() for folder in folders)
        with mesh.calls() as asked:
            mesh.process.send_signal(signal.SIGTERM)
            lacking = [missing(one.result()) for one in asked]
        assert lacking == [{}] * _CALLS
        assert mesh.process.wait(_END_S) == 0, mesh.said
        assert until(lambda: not mesh.pids and not mesh.left, 10.0), (mesh.pids, mesh.left)


def test_a_second_ctrl_c_cuts_no_end_short(tmp_path: Path):
    with up(tmp_path / "mesh") as mesh:
        with mesh.calls() as asked:
            for _ in range(10):  # wherever the end may be by then
                mesh.process.send_signal(signal.SIGINT)
                time.sleep(0.1)
            lacking = [missing(one.result()) for one in asked]
        assert lacking == [{}] * _CALLS
        assert mesh.process.wait(_END_S) == 0, mesh.said
        assert until(lambda: not mesh.pids and not mesh.left, 10.0), (mesh.pids, mesh.left)
