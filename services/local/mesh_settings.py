"""How the mesh on this machine is started: ports, doors, folders, and the embedded Triton."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.chassis.settings import PORTS, Settings, bounded, read, told_in_code
from services.local import topology
from services.local.triton import TritonSettings
from tools.bootstrap import ROOT

TOPOLOGY = topology.load()
SERVICES = tuple(TOPOLOGY.services)
DOORS = tuple(TOPOLOGY.doors)


@dataclass(frozen=True, kw_only=True)
class MeshSettings(Settings):
    """How the mesh is started."""

    ports: Mapping[str, int] = told_in_code(default_factory=lambda: dict.fromkeys((*SERVICES, *DOORS), 0))
    """Port of each service and door; 0: a free one. From the environment: `topology.port_variable`."""
    metrics_ports: Mapping[str, int] = told_in_code(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    """Port of each service's `/metrics`; 0: a free one. From the environment: `topology.metrics_variable`."""
    doors: tuple[str, ...] = told_in_code(default=())
    """Names of the doors that are started too."""
    triton: TritonSettings = told_in_code(default_factory=TritonSettings)  # noqa: RUF009 - a field
    """How the embedded Triton is started. From the environment: its own variables."""
    triton_url: str = ""
    """Address and port of another Triton's gRPC endpoint; empty: the embedded one is started."""
    run_folder: Path = ROOT / ".medmesh" / "run"
    """Folder of the logs, and of `mesh.json` with addresses and process ids while the mesh runs."""
    ready_timeout_s: float = bounded(60.0, 0.0, 86_400.0)
    """How long the services may take to become healthy, in seconds."""
    variables: Mapping[str, str] = told_in_code(default_factory=dict)
    """Further MEDMESH_* variables for the services."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads `.env` and the environment, which overrides it. Raises SettingsError."""
        known = read_env_file(ROOT / ".env") | dict(os.environ if environment is None else environment)
        settings = super().from_environment(known)
        log = str(settings.run_folder / "triton.log")
        return dataclasses.replace(
            settings,
            ports={
                name: _port(topology.port_variable(name), part.port, known)
                for parts in (TOPOLOGY.services, TOPOLOGY.doors)
                for name, part in parts.items()
            },
            metrics_ports={
                service.name: _port(topology.metrics_variable(service.name), service.metrics_port, known)
                for service in TOPOLOGY.services.values()
            },
            triton=TritonSettings.from_environment({TritonSettings.key("log"): log} | known),
        )

    @property
    def state_file(self) -> Path:
        """Where the mesh writes, while it runs, its `addresses`, those of its `metrics`, and its `pids`."""
        return self.run_folder / "mesh.json"

    def with_models(self, folders: Sequence[Path]) -> MeshSettings:
        """The same mesh with these folders of models before its own."""
        repository = (*(folder.resolve() for folder in folders), *self.triton.repository)
        return dataclasses.replace(self, triton=dataclasses.replace(self.triton, repository=repository))

    def with_doors(self, names: Iterable[str]) -> MeshSettings:
        """The same mesh with these doors."""
        return dataclasses.replace(self, doors=tuple(names))

    def with_triton(self, url: str, key_file: Path | None) -> MeshSettings:
        """The same mesh on a Triton that runs already, and the key that it asks for."""
        return dataclasses.replace(
            self, triton_url=url, triton=dataclasses.replace(self.triton, key_file=key_file)
        )

    def with_port(self, name: str, port: int) -> MeshSettings:
        """The same mesh with another port of a service or a door."""
        return dataclasses.replace(self, ports={**self.ports, name: port})

    def on_free_ports(self, run_folder: Path) -> MeshSettings:
        """The same mesh beside another one: every port a free one, and a run folder of its own."""
        triton = dataclasses.replace(
            self.triton, grpc_port=0, http_port=0, metrics_port=0, log=run_folder / "triton.log"
        )
        free = dict.fromkeys(self.ports, 0)
        return dataclasses.replace(
            self,
            ports=free,
            metrics_ports=dict.fromkeys(SERVICES, 0),
            triton=triton,
            run_folder=run_folder,
        )


def _port(key: str, default: int, known: Mapping[str, str]) -> int:
    low, high = PORTS
    value: int = read(key, known.get(key) or str(default), int, {"low": low, "high": high})
    return value


def read_env_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines of a compose-style file; an absent file holds none."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return {
        key: value for key, _, value in (line.partition("=") for line in lines if line and line[0] != "#")
    }
