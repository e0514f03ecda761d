"""The meshes that are measured: each started once, on free ports, in a run folder of its own."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import grpc

from medmesh.connection import CHANNEL_OPTIONS
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from services.local.triton.processes import model_instances
from tools.bench.certificates import Authority
from tools.bench.otlp_sink import otlp_sink
from tools.bench.sampling import Processes, children

PLAIN = "plain"
TLS = "tls"
SEEN, UNSEEN = "seen", "unseen"
"""With all telemetry on, 1 % of the calls traced, and with none."""


@dataclass(frozen=True)
class RunningMesh:
    """A mesh that runs."""

    mesh: Mesh
    pids: Mapping[str, int]
    credentials: grpc.ChannelCredentials | None
    """None: in clear."""

    def channel(self, service: str) -> grpc.aio.Channel:
        """A new channel to a service of it, with the options of medmesh-client."""
        address = self.mesh.addresses[service]
        if self.credentials is None:
            return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(address, self.credentials, options=CHANNEL_OPTIONS)

    def processes(self) -> Processes:
        """Each service with its second process, tritonserver, and each model's processes under its name."""
        found: dict[str, list[int]] = {name: [pid, *children(pid)] for name, pid in self.pids.items()}
        found["triton"] = [self.pids["triton"]]
        for pid, model in model_instances(self.pids["triton"]).items():
            found.setdefault(f"model {model}", []).append(pid)
        return found


class Meshes:
    """Those that are needed, by name, each from its first use to the end of all."""

    def __init__(self, resources: contextlib.ExitStack, say: Callable[[str], object]) -> None:
        self._resources = resources
        self._say = say
        self._running: dict[str, RunningMesh] = {}

    def start(self, names: Iterable[str]) -> None:
        """Starts those that do not run yet. Call it from the main thread, outside of an event loop."""
        for name in names:
            if name not in self._running:
                self._say(f"starting the mesh ({name})")
                self._running[name] = self._resources.enter_context(started(name))

    def __getitem__(self, name: str) -> RunningMesh:
        return self._running[name]


@contextlib.contextmanager
def started(name: str) -> Iterator[RunningMesh]:
    """A mesh within the block."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="medmesh-bench-"))
        authority = Authority(Path(folder)) if name == TLS else None
        variables = {**_VARIABLES[name], **(authority.variables() if authority else {})}
        if name == SEEN:
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.enter_context(otlp_sink())
        own = {"MEDMESH_RECEIPT_FOLDER": f"{folder}/receipts", "MEDMESH_AUDIT_FOLDER": f"{folder}/audit"}
        settings = replace(
            MeshSettings.from_environment().on_free_ports(Path(folder) / "run"), variables=own | variables
        )
        with Mesh.start(settings, say=lambda _: None) as mesh:
            yield RunningMesh(mesh, mesh.pids(), authority.credentials() if authority else None)


_VARIABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        PLAIN: {},
        TLS: {},
        SEEN: {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
        UNSEEN: {"MEDMESH_METRICS_LISTEN": "", "MEDMESH_KEPT_TRACE_COUNT": "0"},
    }
)
"""What each is told beside the defaults. A row that compares two settings names a mesh for each here."""
