"""Where the parts of a mesh on this machine show their metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from medmesh.connection import is_loopback

if TYPE_CHECKING:
    from services.local.mesh_settings import MeshSettings

_TRITON = "triton"


def metrics_doors(targets: Mapping[str, str]) -> dict[str, str]:
    """By address of its `/metrics`: the name of each service at `targets` (name to `host:port`) that
    `medmesh up` runs on this machine, and of their Triton. Empty where it runs none of them.

    A mesh that runs is known by the state file in its run folder; one of another folder by its ports, where
    they are those of the settings. SettingsError (a ValueError): a setting cannot be read.
    """
    from services.local.mesh_settings import MeshSettings  # here: no other command needs it

    settings = MeshSettings.from_environment()
    for ports, metrics_ports in (_running(settings), _usual(settings)):
        found = [
            name
            for name, target in targets.items()
            if is_loopback(target) and ports.get(name) == _port(target) and metrics_ports.get(name)
        ]
        if found:
            found += [_TRITON] if metrics_ports.get(_TRITON) else []
            return {f"http://127.0.0.1:{metrics_ports[name]}/metrics": name for name in found}
    return {}


_Ports = tuple[Mapping[str, int], Mapping[str, int]]
"""Where each part listens, and where its metrics are."""


def _running(settings: MeshSettings) -> _Ports:
    with suppress(OSError, ValueError, KeyError):  # none runs, or it is another user's
        state = json.loads(settings.state_file.read_text(encoding="utf-8"))
        listens, metrics = (
            {name: _port(address) for name, address in state[kind].items()}
            for kind in ("addresses", "metrics")
        )
        return listens, metrics
    return {}, {}


def _usual(settings: MeshSettings) -> _Ports:
    triton = {} if settings.triton_url else {_TRITON: settings.triton.metrics_port}
    return settings.ports, {**settings.metrics_ports, **triton}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
