"""The whole mesh on this machine for the live tests: a real Triton, the four services, and a collector of
their spans.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path

import pytest

from medmesh import Client
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.otlp import Receiver

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"


def until(condition, timeout_s: float = 20.0):
    """Waits for what other processes do; fails when they do not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def collector():
    collector = Receiver()
    yield collector
    collector.close()


@contextlib.contextmanager
def proxies_that_lead_nowhere():
    """The whole mesh, its clients and its telemetry live on loopback: no proxy may catch them."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy"):
            patched.setenv(name, "http://127.0.0.1:9")
            patched.setenv(name.upper(), "http://127.0.0.1:9")
        patched.delenv("no_proxy", raising=False)
        patched.delenv("NO_PROXY", raising=False)
        yield


@pytest.fixture(autouse=True)
def _beside_a_proxy():
    with proxies_that_lead_nowhere():
        yield


@pytest.fixture(scope="session")
def settings(tmp_path_factory, collector) -> MeshSettings:
    folder = tmp_path_factory.mktemp("mesh")
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "MEDMESH_RECEIPT_FOLDER": str(folder / "receipts"),
        "MEDMESH_LITERATURE_FOLDER": str(folder / "literature"),
        "MEDMESH_LOG_LEVEL": "debug",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    whole = MeshSettings.from_environment().on_free_ports(folder).with_doors(["gateway"])
    return dataclasses.replace(whole, variables=variables)


@pytest.fixture(scope="session")
def mesh(settings):
    with proxies_that_lead_nowhere():
        mesh = Mesh.start(settings, say=lambda _: None)
    with mesh:
        yield mesh


@pytest.fixture(scope="session")
def shipped(settings) -> set[str]:
    """The models that the repository holds. A service may know of more, which it can do without."""
    return {
        config.parent.name
        for folder in settings.triton.repository
        for config in folder.glob("*/config.pbtxt")
    }


@pytest.fixture
def spare_mesh(mesh, settings, tmp_path):
    """Four services of its own on the same Triton, for a test that stops some of them."""
    own = settings.with_triton(mesh.addresses["triton"], mesh.triton_key_file)
    own = dataclasses.replace(own, run_folder=tmp_path, doors=())
    with Mesh.start(own, say=lambda _: None) as spare:
        yield spare


def client_of(mesh: Mesh, **settings) -> Client:
    others = {name: mesh.addresses[name] for name in ("imaging", "language", "recommendation")}
    return Client(mesh.addresses["orchestrator"], **others, **({"timeout_s": 60.0} | settings))


@pytest.fixture
def client(mesh):
    with client_of(mesh) as client:
        yield client


@pytest.fixture
def variables(mesh, monkeypatch):
    """The environment in which the command reaches the mesh."""
    monkeypatch.setenv("MEDMESH_URL", mesh.addresses["orchestrator"])
    for name in ("imaging", "language", "recommendation"):
        monkeypatch.setenv(f"MEDMESH_{name.upper()}_URL", mesh.addresses[name])


@pytest.fixture
def case() -> dict:
    """The samples of the project."""
    return {
        "image": SAMPLES / "chest_xray.dcm",
        "note": (SAMPLES / "note.txt").read_text(encoding="utf-8"),
        "patient": SAMPLES / "patient.json",
    }
