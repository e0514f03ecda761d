"""Faults of the disk that receipts and audit log lie on."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.local import ports
from tests.faults.deployment import Deployment, until
from tests.faults.recording import case
from tests.holding import held
from tools.bootstrap import ROOT

TORN = b'{"payload":"dG9ybg'
"""Half of a receipt, as a machine leaves it that has lost its power."""
_CALLS = 4


@contextlib.contextmanager
def full(mesh: Deployment) -> Iterator[None]:
    filler = mesh.disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(mesh: Deployment) -> Iterator[None]:
    """The log itself: a disk of which a file is open for writing cannot be made read-only."""
    log = _log(mesh)
    subprocess.run(["chattr", "+i", log], check=True)
    yield
    subprocess.run(["chattr", "-i", log], check=True)


@contextlib.contextmanager
def torn(mesh: Deployment) -> Iterator[None]:
    with _log(mesh).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(TORN)
    yield


@contextlib.contextmanager
def locked(mesh: Deployment) -> Iterator[None]:
    with held(_log(mesh)):
        yield


@contextlib.contextmanager
def audit_locked(mesh: Deployment) -> Iterator[None]:
    with held(mesh.disk / "audit" / "calls-orchestrator.jsonl"):
        yield


@contextlib.contextmanager
def shared(mesh: Deployment) -> Iterator[None]:
    """Another orchestrator with the same environment, which answers some calls of its own."""
    variables = Path(f"/proc/{mesh.pid('orchestrator')}/environ").read_bytes().decode().split("\0")
    address = f"127.0.0.1:{ports.claim('127.0.0.1', {'second': 0}, '{}')['second']}"
    own = {"MEDMESH_LISTEN": address, "MEDMESH_METRICS_LISTEN": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "services.orchestrator"],
        env=dict(one.split("=", 1) for one in variables if "=" in one) | own,
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as second, grpc.insecure_channel(address) as channel:  # fmt: skip
        stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
        for _ in range(_CALLS):
            stub.Diagnose(pb.DiagnoseRequest(case=case()), timeout=30, wait_for_ready=True)
        yield
        second.terminate()
        assert until(lambda: second.poll() is not None, 30.0)


def _log(mesh: Deployment) -> Path:
    return mesh.disk / "receipts" / "receipts.jsonl"
