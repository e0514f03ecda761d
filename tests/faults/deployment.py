"""A real `medmesh up` on ports of its own: its processes, files and connections, for faults to act on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from services.local import ports
from services.local.mesh_settings import SERVICES
from services.local.triton.processes import model_instances, process_state
from tests import clock
from tests.faults.proxied_up import VARIABLE
from tests.faults.proxy import Loop, Proxy
from tools.bootstrap import ROOT

MODELS = ("chest_xray", "image_gate", "clinical_ner", "treatment_ranker")
"""Those that the case needs: a mesh of few models is soon back."""
EDGES = {
    "orchestrator": ("imaging", "language", "recommendation"),
    "imaging": ("triton",),
    "language": ("triton",),
    "recommendation": ("triton",),
}
_READY_S = 180.0
_END_S = 60.0
_DISK_BYTES = 128 << 20
_TRITON_PORTS = ("triton_grpc", "triton_http", "triton_metrics")


def until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Waits for what other processes do; whether they did it in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Deployment:
    """The mesh; use it as a context manager. Its folder has the models, the receipts and all logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_folder = folder / "run"
        self.models = folder / "models"
        self.disk = folder / "disk"
        """A small disk for receipts and audit log, where this machine lets one be mounted."""
        self.token_file = folder / "token"
        self.said: list[tuple[float, str]] = []
        """What `medmesh up` said, and when (monotonic seconds)."""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for model in MODELS:
                shutil.copytree(ROOT / "triton_repo" / model, self.models / model)
            self.token_file.write_text("a-token-of-the-orchestrator\n")
            self.has_disk = _mounted(self.disk, stack)
            loop = Loop()
            stack.callback(loop.close)
            claimed = ports.claim("127.0.0.1", dict.fromkeys((*SERVICES, *_TRITON_PORTS), 0), "{}")
            self.addresses = {name: f"127.0.0.1:{claimed[name]}" for name in SERVICES}
            port_of = {**claimed, "triton": claimed["triton_grpc"]}
            self.edges = {
                (caller, callee): Proxy(loop, port_of[callee])
                for caller, callees in EDGES.items()
                for callee in callees
            }
            self.edges["client", "orchestrator"] = Proxy(loop, port_of["orchestrator"])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.proxied_up"],
                env=self._environment(claimed), cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
            stack.callback(self.stop)
            self._listening = threading.Thread(target=self._listen)
            self._listening.start()
            ready = until(lambda: self._state_file.exists() or self._process.poll() is not None, _READY_S)
            assert ready, self.told()
            assert self._process.poll() is None, self.told()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check(self) -> None:
        """Raises RuntimeError, with what it said, where `medmesh up` has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"`medmesh up` has ended:\n{self.told()}")

    def stop(self) -> float:
        """Ends the mesh in order; how many seconds it took. May be called again."""
        began = time.monotonic()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                raise
        self._listening.join()
        return time.monotonic() - began

    @property
    def left_behind(self) -> list[str]:
        """What is still there of a mesh that has ended: processes, shared memory, files."""
        found = [f"process {pid}: {words}" for pid, words in _processes_naming(str(self.run_folder))]
        found += [str(path) for path in Path("/dev/shm").glob(f"medmesh_{self._process.pid}_*")]
        found += [str(path) for path in (self.folder / "tmp").glob("medmesh-*")]
        return [*found, *(str(path) for path in [self._state_file] if path.exists())]

    def pid(self, part: str) -> int:
        """Of a service, of `triton`, or of the process of a model; it must run."""
        pids: dict[str, int] = json.loads(self._state_file.read_text())["pids"]
        if part in pids:
            return pids[part]
        return next(pid for pid, model in model_instances(pids["triton"]).items() if model == part)

    def runs(self, part: str) -> bool:
        """Whether there is such a process now."""
        try:
            state = process_state(self.pid(part))
        except (StopIteration, OSError, ValueError):
            return False
        return state is not None and state.letter not in {"Z", "X"}

    def told(self) -> str:
        """All that `medmesh up` said."""
        return "\n".join(line for _, line in self.said)

    def written(self) -> dict[str, bytes]:
        """Logs, receipts, audit lines and what stood on the screen."""
        files = [
            path for place in (self.run_folder, self.disk) for path in place.rglob("*") if path.is_file()
        ]
        return {"screen": self.told().encode()} | {str(p.relative_to(self.folder)): _read(p) for p in files}

    def lines(self, pattern: str) -> dict[str, list[bytes]]:
        """Lines of the logs on the disk whose names match."""
        return {path.name: _read(path).splitlines() for path in self.disk.rglob(pattern)}

    @property
    def _state_file(self) -> Path:
        return self.run_folder / "mesh.json"

    def _environment(self, claimed: dict[str, int]) -> dict[str, str]:
        (self.folder / "tmp").mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEDMESH_", "OTEL_"))}
        edges = {
            caller: {
                f"MEDMESH_{callee.upper()}_URL": self.edges[caller, callee].address for callee in callees
            }
            for caller, callees in EDGES.items()
        }
        if clock.IS_THERE:
            self.clock = clock.SteppedClock(self.folder)
            edges["orchestrator"] |= self.clock.variables
        return {
            **kept,
            **{f"MEDMESH_{name.upper()}_PORT": str(port) for name, port in claimed.items()},
            **{f"MEDMESH_{name.upper()}_METRICS_PORT": "0" for name in SERVICES},
            VARIABLE: json.dumps(edges),
            "TMPDIR": str(self.folder / "tmp"),
            "COLUMNS": "400",
            "NO_COLOR": "1",
            "MEDMESH_RUN_FOLDER": str(self.run_folder),
            "MEDMESH_MODEL_REPOSITORY": str(self.models),
            "MEDMESH_RECEIPT_FOLDER": str(self.disk / "receipts"),
            "MEDMESH_AUDIT_FOLDER": str(self.disk / "audit"),
            "MEDMESH_TOKEN_FILE": str(self.token_file),
            "MEDMESH_HEALTH_INTERVAL_S": "1",
            "MEDMESH_LOG_LEVEL": "debug",
        }

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self.said.append((time.monotonic(), line.rstrip()))


def _mounted(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Whether a small disk of its own could be mounted there; a folder is made in any case."""
    folder.mkdir()
    options = f"size={_DISK_BYTES}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "medmesh-faults", folder], capture_output=True, check=False
    )
    if done.returncode == 0:
        stack.callback(subprocess.run, ["umount", "--lazy", folder], check=False)
    return done.returncode == 0


def _processes_naming(text: str) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and text in (entry / "environ").read_text(errors="replace"):
                yield int(entry.name), re.sub(r"\0+", " ", (entry / "cmdline").read_text())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # rotated in between
        return b""
