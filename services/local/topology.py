"""The services of the mesh, who calls whom, and the doors, from `topology.toml` at the root."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tools.bootstrap import ROOT

PATH = ROOT / "topology.toml"
CLIENT = "client"
"""Whoever calls the mesh from outside, among the parts that have an identity."""
_PREFIX = "MEDMESH_"


@dataclass(frozen=True)
class Service:
    """One service."""

    name: str
    """Its package is `services.<name>`; its variables are `MEDMESH_<NAME>_PORT` and `MEDMESH_<NAME>_URL`."""
    port: int
    """Where it listens by default."""
    metrics_port: int
    """Where its metrics are scraped by default; 0: at a free one."""
    triton: bool
    """Whether it runs models."""
    calls: tuple[str, ...]
    """The services that it asks."""


@dataclass(frozen=True)
class Door:
    """One door: a client of the mesh that runs as a process of its own."""

    name: str
    """Its package is `clients.<name>`; its variable is `MEDMESH_<NAME>_PORT`."""
    port: int
    """Where it listens by default."""
    grpc: bool
    """Whether it speaks gRPC: clients find it by `MEDMESH_<NAME>_URL` then, as a service."""


@dataclass(frozen=True)
class Topology:
    """All services, and the doors."""

    services: Mapping[str, Service]
    doors: Mapping[str, Door]

    def start_order(self) -> list[tuple[str, ...]]:
        """Names of the services in waves: each wave calls only services of waves before it."""
        sorter = TopologicalSorter({s.name: s.calls for s in self.services.values()})
        sorter.prepare()
        waves = []
        while sorter.is_active():
            ready = sorter.get_ready()
            waves.append(tuple(name for name in self.services if name in ready))
            sorter.done(*ready)
        return waves


def load(path: Path = PATH) -> Topology:
    """Reads the file. Raises ValueError where it names a callee that it does not have, or a circle."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    doors = {
        name: Door(name, entry["port"], entry.get("grpc", False))
        for name, entry in entries.pop("doors", {}).items()
    }
    services = {
        name: Service(
            name, entry["port"], entry.get("metrics_port", 0), entry["triton"], tuple(entry["calls"])
        )
        for name, entry in entries.items()
    }
    for service in services.values():
        if unknown := sorted(set(service.calls) - services.keys()):
            raise ValueError(f"{path.name}: {service.name} calls {', '.join(unknown)}, which is not in it")
    topology = Topology(services, doors)
    try:
        topology.start_order()
    except CycleError as error:
        raise ValueError(f"{path.name}: services call each other in a cycle") from error
    return topology


def port_variable(part: str) -> str:
    """The variable with the port that `medmesh up` gives a service or a door."""
    return f"{_PREFIX}{part.upper()}_PORT"


def metrics_variable(service: str) -> str:
    """The variable with the port of a service's `/metrics`."""
    return f"{_PREFIX}{service.upper()}_METRICS_PORT"
