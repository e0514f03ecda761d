"""Every rpc of the contracts, and the path that each has over HTTP."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

import medmesh
from medmesh.rpcs import Rpc

SHARED = "common"
"""The area of the contracts whose services more than one server has."""
USUAL_SERVER = "orchestrator"
"""Who is asked for those where the path names no server."""
OPERATORS_ONLY = frozenset({"medmesh.common.v1.ModelCatalogService/ReloadModels"})
"""What a mesh without a policy takes from its own machine alone. A door beyond loopback would carry the whole
network there, so it does not take them."""


def rpcs(servers: Iterable[str]) -> Mapping[str, Rpc]:
    """Path -> rpc.

    `/medmesh.imaging.v1.ImagingService/AnalyzeImage` goes to the server that the package names. Services of
    `medmesh.common` go to the orchestrator, and to each server by its name:
    `/imaging/medmesh.common.v1.ModelCatalogService/ListModels`.
    """
    table: dict[str, Rpc] = {}
    known = tuple(servers)
    for service in services(known):
        area = service.full_name.split(".")[1]
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            if area in known:
                table[path] = Rpc(area, method)
            elif area == SHARED:
                table[path] = Rpc(USUAL_SERVER, method)
                table |= {f"/{server}{path}": Rpc(server, method) for server in known}
    return table


def services(servers: Iterable[str]) -> Iterator[ServiceDescriptor]:
    """The services of the contracts, by package."""
    for area in sorted({SHARED, *servers}):
        folders = [f"{base}/{area}/v1" for base in medmesh.__path__]
        for module in sorted(pkgutil.iter_modules(folders), key=lambda found: found.name):
            if module.name.endswith("_pb2"):
                file: FileDescriptor = importlib.import_module(f"medmesh.{area}.v1.{module.name}").DESCRIPTOR
                yield from file.services_by_name.values()
