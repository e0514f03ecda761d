"""What a service loads at its start it keeps: what only some deployments use is loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.local.mesh_settings import TOPOLOGY

ON_DEMAND = {"cryptography", "jwt"}
"""Some 9 MB in each service: for keys and identity providers, which a mesh on one machine has not."""


@pytest.mark.parametrize("service", TOPOLOGY.services)
def test_what_not_every_deployment_uses_is_loaded_on_demand(service):
    code = f"import sys, services.{service}.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert "grpc" in loaded
    assert ON_DEMAND.isdisjoint(loaded)
