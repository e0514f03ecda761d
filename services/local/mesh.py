"""Runs the whole mesh on this machine: Triton, the four services and the doors, each a child process.

The children end with their parent. `Mesh.tend` starts again what has ended; `Mesh.check` only says which one
it was and shows the end of its log, which lies with the others in the run folder.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Self

from services.chassis import exclusive
from services.chassis.rpc import probe
from services.chassis.settings import (
    ServiceSettings,
    join_folders,
)
from services.local import ports, topology
from services.local.answering import Answering, Running
from services.local.mesh_settings import DOORS, SERVICES, TOPOLOGY, MeshSettings
from services.local.process import Child
from services.local.restarts import LIMIT, WINDOW_S, Restarts
from services.local.triton import EmbeddedTriton, TritonError, TritonSettings, key
from services.local.watch import Watch
from tools.bootstrap import ROOT, Missing

_GRPC_DOORS = tuple(door.name for door in TOPOLOGY.doors.values() if door.grpc)
_HOST = "127.0.0.1"
_TRITON_PORTS = ("grpc", "http", "metrics")
_GRACE_S = 25.0
"""Longer than a service takes to drain (MEDMESH_DRAIN_S, 20 s by default)."""
_BROKEN_GRACE_S = 2.0
"""For a Triton that has lost a model's process and is restarted."""


class MeshError(RuntimeError):
    """A part of the mesh did not become healthy, or has ended; the message is for the operator."""


AUDIT_FOLDER = Path(".medmesh/audit")
"""Where the services keep their audit logs, unless MEDMESH_AUDIT_FOLDER says otherwise."""


class Mesh:
    """The running mesh; use it as a context manager, or call `stop`."""

    def __init__(self, settings: MeshSettings) -> None:
        self._settings = settings
        self._children: dict[str, Child] = {}
        self._triton: EmbeddedTriton | None = None
        self._announced = False
        self._lock: IO[bytes] | None = None
        self._own_key: Path | None = None
        self._restarts = Restarts()
        self._watch: Watch | None = None
        self.triton_key_file = self._settings.triton.key_file
        """What Triton asks its callers for; None: an external one that asks for nothing."""
        self.addresses: dict[str, str] = {}
        """HOST:PORT of each service, of each door that was asked for, and of Triton's gRPC endpoint."""
        self.metrics_addresses: dict[str, str] = {}
        """HOST:PORT of each service's `/metrics`, and of Triton's."""

    @classmethod
    def start(cls, settings: MeshSettings | None = None, say: Callable[[str], object] = print) -> Self:
        """Starts everything and returns when every service says SERVING; `say` receives the progress.

        Call it from a thread that lives as long as the mesh should (see `Child.start`).

        Raises:
            Missing: this machine lacks something, a port is taken, or a model's weights are not there.
            TritonError: Triton did not start.
            MeshError: a service ended, or was not healthy in time.
        """
        mesh = cls(settings or MeshSettings.from_environment())
        try:
            mesh._start(say)
        except BaseException:
            mesh.stop()
            raise
        return mesh

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raises MeshError or TritonError where a part of the mesh has ended."""
        if self._triton is not None:
            self._triton.check()
        for child in self._children.values():
            if child.exit_code is not None:
                raise MeshError(f"{child.describe_exit()}; the end of its log ({child.log}):\n{child.tail()}")

    def tend(self) -> list[str]:
        """Starts again what has ended, after a pause that grows; says what ended and what runs again, and
        from its first call on what no longer answers, or says by its health that it lacks something.

        The others go on meanwhile, and answers are PARTIAL. Raises MeshError where a part ends again and
        again.
        """
        if self._watch is None:
            asking = Answering(self._running, SERVICES, self._asking(), self._settings.run_folder)
            self._watch = Watch(asking.look, asking.close)
            self._watch.start()
        said = [self._report_end("triton", end)] if (end := self._triton_end()) else []
        for name, child in self._children.items():
            if name not in self._restarts.waiting and child.exit_code is not None:
                child.stop()
                as_asked = child.exit_code == 0  # none ends in order but by a signal
                said.append(self._report_end(name, child.describe_exit(), child.tail(), as_asked=as_asked))
        due = self._restarts.take_due()
        for name in due:
            try:
                if name == "triton" and self._triton is not None:
                    self._restart_triton(self._triton)
                else:
                    self._start_child(name)
                said.append(f"{name} was restarted")
            except (TritonError, Missing) as error:
                said.append(self._report_end(name, str(error)))
        if due:
            self._announce()
            self._watch.forget()  # what does not answer yet has a while again
        return [*said, *self._watch.changes()]

    def _running(self) -> dict[str, Running]:
        """The parts whose processes are there."""
        children = list(self._children.items())  # a copy: the watch asks from its own thread
        found = {
            name: Running(child.process.pid, self.addresses[name])
            for name, child in children
            if child.exit_code is None
        }
        if (triton := self._triton) is not None and triton.child.exit_code is None:
            found["triton"] = Running(triton.pid, triton.http_address)
        return found

    def _triton_end(self) -> str:
        """How the embedded Triton ended; empty while it runs, or while it waits for its start."""
        if self._triton is None or "triton" in self._restarts.waiting:
            return ""
        try:
            self._triton.check()
        except TritonError as error:
            self._triton.stop(grace_s=_BROKEN_GRACE_S)
            return str(error)
        return ""

    def _report_end(self, name: str, how: str, log_end: str = "", *, as_asked: bool = False) -> str:
        pause_s = self._restarts.ended(name, as_asked=as_asked)
        if pause_s is None:
            often = f"it has ended more than {LIMIT} times within {WINDOW_S / 60:.0f} minutes and is given up"
            shown = f"; the end of its log:\n{log_end}" if log_end else ""
            raise MeshError(f"{how}; {often}{shown}")
        return (
            f"{how}; it will be restarted in {pause_s:.1f} s, answers are PARTIAL meanwhile. "
            f"Its log: {self._settings.run_folder / f'{name}.log'}"
        )

    def stop_service(self, name: str) -> None:
        """Stops one service or door; the others go on."""
        self._children.pop(name).stop()

    def stop(self, say: Callable[[str], object] = lambda _: None) -> None:
        """Stops the doors, the callers, then those whom they ask, each wave at the same time, then Triton."""
        for wave in reversed([*TOPOLOGY.start_order(), DOORS]):
            running = {name: self._children.pop(name) for name in wave if name in self._children}
            if running:
                say(f"stopping {', '.join(running)}")
            for child in running.values():
                child.process.terminate()
            for child in running.values():
                child.stop(_GRACE_S)
        if self._triton is not None:
            say("stopping Triton")
            self._triton.stop()
            self._triton = None
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._own_key is not None:
            self._own_key.unlink(missing_ok=True)
        if self._announced:
            self._settings.state_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def _start(self, say: Callable[[str], object]) -> None:
        settings = self._settings
        claimed = self._claimed_ports()  # all at once: whoever starts first does not listen yet
        _make_run_folder(settings.run_folder)
        self._lock = _only_here(settings.run_folder)
        self.metrics_addresses = {
            name: f"{_HOST}:{claimed.pop(f'{name}_metrics')}" for name in settings.metrics_ports
        }
        if settings.triton_url:
            self.addresses["triton"] = settings.triton_url
            say(f"using the Triton at {settings.triton_url}")
        else:
            if self.triton_key_file is None:
                self._own_key = self.triton_key_file = key.make(settings.run_folder / "triton.key")
            of_triton = (claimed.pop(f"triton_{kind}") for kind in _TRITON_PORTS)
            self._triton = EmbeddedTriton.launch(self._triton_settings(*of_triton), say)
            self.addresses["triton"] = self._triton.grpc_address
            self.metrics_addresses["triton"] = self._triton.metrics_address
        self.addresses |= {name: f"{_HOST}:{port}" for name, port in claimed.items()}
        # All at once: each looks again and again for what it depends on until it is there for the first time.
        for name in SERVICES:
            self._start_child(name)
        if self._triton is not None:
            self._triton = self._triton.wait(say)
        asyncio.run(self._wait_until_healthy(SERVICES, say))
        for name in settings.doors:
            self._start_child(name)
        asyncio.run(self._wait_until_healthy(settings.doors, say))
        self._announce()

    def _announce(self) -> None:
        """Writes the state file whole, or leaves it as it was: others read it at any moment."""
        state = {"addresses": self.addresses, "metrics": self.metrics_addresses, "pids": self.pids()}
        written = self._settings.state_file.with_name("mesh.json.new")
        written.touch(mode=0o600)
        written.write_text(json.dumps(state, indent=2) + "\n")
        written.replace(self._settings.state_file)
        self._announced = True

    def _claimed_ports(self) -> dict[str, int]:
        """Free ports of what is to be started, by name: `imaging`, `imaging_metrics`, `triton_grpc`.

        Raises Missing where one is taken.
        """
        settings = self._settings
        wanted = {name: port for name, port in settings.ports.items() if name in {*SERVICES, *settings.doors}}
        wanted |= {f"{name}_metrics": port for name, port in settings.metrics_ports.items()}
        if not settings.triton_url:
            wanted |= {f"triton_{kind}": getattr(settings.triton, f"{kind}_port") for kind in _TRITON_PORTS}
        return ports.claim(_HOST, wanted, "MEDMESH_{}_PORT")

    def _triton_settings(self, grpc: int, http: int, metrics: int) -> TritonSettings:
        """Those of the embedded Triton, with its ports and where its spans go."""
        # The orchestrator keeps Triton's spans beside its own, and passes them on where spans are sent.
        url = f"http://{self.metrics_addresses['orchestrator']}/v1/traces"
        settings = self._settings.triton
        return dataclasses.replace(
            settings,
            grpc_port=grpc,
            http_port=http,
            metrics_port=metrics,
            key_file=self.triton_key_file,
            traces_url=settings.traces_url or url,
        )

    def _restart_triton(self, triton: EmbeddedTriton) -> None:
        """Starts the embedded Triton again, on the ports that it had before."""
        self._triton = EmbeddedTriton.start(triton.settings_on_its_ports(), lambda _: None)
        self.addresses["triton"] = self._triton.grpc_address
        self.metrics_addresses["triton"] = self._triton.metrics_address

    def _start_child(self, name: str) -> None:
        self._children[name] = Child.start(
            name,
            [sys.executable, "-m", f"{'clients' if name in DOORS else 'services'}.{name}"],
            env=self._variables(name),
            cwd=ROOT,
            log=self._settings.run_folder / f"{name}.log",
            orphan_grace_s=_GRACE_S,
        )

    def _variables(self, name: str) -> dict[str, str]:
        calls = (*SERVICES, *_GRPC_DOORS) if name in DOORS else TOPOLOGY.services[name].calls
        upstreams = {  # to a client the orchestrator's address is the mesh's; no service calls it
            "MEDMESH_URL" if callee == "orchestrator" else f"MEDMESH_{callee.upper()}_URL": address
            for callee, address in self.addresses.items()
            if callee in calls
        }
        own = dict(os.environ)
        own.pop(ServiceSettings.key("token"), None)  # it is whoever's who starts the mesh, with his rights
        return {
            **own,
            "PYTHONUNBUFFERED": "1",
            "MEDMESH_AUDIT_FOLDER": os.environ.get("MEDMESH_AUDIT_FOLDER") or str(AUDIT_FOLDER),
            "MEDMESH_MODEL_REPOSITORY": join_folders(self._settings.triton.repository),
            "MEDMESH_METRICS_LISTEN": self.metrics_addresses.get(name, ""),
            **self._settings.variables,
            **_identity(name),
            **upstreams,
            "MEDMESH_LISTEN": self.addresses[name],
            "MEDMESH_TRITON_URL": self.addresses["triton"],
            ServiceSettings.key("triton_key_file"): self._key_for(name),
        }

    def _key_for(self, name: str) -> str:
        """The file with Triton's key, of those that ask it; empty: none."""
        asks = name in SERVICES and TOPOLOGY.services[name].triton
        return str(self.triton_key_file.absolute()) if asks and self.triton_key_file else ""

    def pids(self) -> dict[str, int]:
        """Process id of each service, and of Triton where it is the embedded one."""
        found = {name: child.process.pid for name, child in self._children.items()}
        return found | ({"triton": self._triton.pid} if self._triton else {})

    async def _problem(self, name: str, settings: ServiceSettings) -> str:
        """Why a service is not healthy, or a door not open; empty: it is."""
        if name not in DOORS:
            code, answer = await probe.probe(self.addresses[name], "", settings)
            return "" if code == probe.SERVING else answer
        host, _, port = self.addresses[name].rpartition(":")
        try:  # doors speak different protocols; all of them take connections
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            return error.strerror or "it takes no connection"
        writer.close()
        return ""

    def _asking(self) -> ServiceSettings:
        """How the services are asked: as a client asks."""
        variables = {**os.environ, **self._settings.variables, **_identity(topology.CLIENT)}
        return ServiceSettings.from_environment(variables)

    async def _wait_until_healthy(self, names: Sequence[str], say: Callable[[str], object]) -> None:
        deadline = time.monotonic() + self._settings.ready_timeout_s
        settings = self._asking()
        waiting = dict.fromkeys(names, "")
        while True:
            self.check()
            for name in list(waiting):
                waiting[name] = await self._problem(name, settings)
                if not waiting[name]:
                    del waiting[name]
                    healthy = len(self._children) - len(waiting)
                    say(
                        f"  {name} is open"
                        if name in DOORS
                        else f"  {healthy}/{len(SERVICES)} services healthy ({name})"
                    )
            if not waiting:
                return
            if time.monotonic() > deadline:
                name, answer = next(iter(waiting.items()))
                child = self._children[name]
                raise MeshError(
                    f"{name} was not healthy within {self._settings.ready_timeout_s:.0f} s ({answer}); the "
                    f"end of its log ({child.log}):\n{child.tail()}"
                )
            await asyncio.sleep(0.1)  # a process that is still importing has nothing to wait on


def _identity(part: str) -> dict[str, str]:
    """Which of the folders that `medmesh certificates` made is the part's, where there are such."""
    key = ServiceSettings.key("identity_folder")
    return {key: str(Path(os.environ[key]).absolute() / part)} if os.environ.get(key) else {}


def _make_run_folder(folder: Path) -> None:
    """Raises Missing where logs could not be written there; better now than after the models are loaded."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Missing(
            f"logs cannot be written to {folder} ({error.strerror}): set MEDMESH_RUN_FOLDER to a folder that "
            "can be written, and MEDMESH_RECEIPT_FOLDER to one for the receipts."
        ) from error


def _only_here(folder: Path) -> IO[bytes]:
    """Holds the run folder until it is closed. Raises Missing where another mesh has it."""
    try:
        return exclusive.hold(folder / "lock")
    except exclusive.HeldError as error:
        raise Missing(
            f"a mesh is already running in {folder}: end it, or set MEDMESH_RUN_FOLDER to another folder."
        ) from error
