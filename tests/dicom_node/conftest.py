"""A node in this process, between a fake mesh and an archive that keeps what it is sent in memory."""

from __future__ import annotations

import gc
import tempfile

import pytest

from clients.dicom_node.configuration import Configuration, Destination, Node, check
from clients.dicom_node.node import Node as RunningNode
from medmesh import Client
from tests.clients.fake_mesh import start
from tests.dicom_node.stand_ins import Archive, RememberingMesh


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """The addresses of a mesh that happens to run on this machine play no part."""
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL", "TOKEN", "TIMEOUT_S", "LISTEN"):
        monkeypatch.delenv(f"MEDMESH_{name}", raising=False)


@pytest.fixture
def collected(monkeypatch):
    """The library leaves the socket of a connection that is ended by force to the collector: it is collected
    here, not under a test of something else.
    """
    yield
    with monkeypatch.context() as patched:
        patched.setattr("sys.unraisablehook", lambda _: None)
        gc.collect()


@pytest.fixture
def mesh(request):
    """Draws overlays where the test asks for them."""
    draws = "overlays" in request.fixturenames
    remembering = RememberingMesh(overlays=draws, findings=None if draws else 1)
    server = start(remembering.mesh)
    yield remembering
    server.stop(grace=None).wait(5)


@pytest.fixture
def overlays():
    """The fake mesh draws: its results take longer to make."""


@pytest.fixture
def archive():
    archive = Archive()
    yield archive
    archive.close()


@pytest.fixture
def start_node(mesh, archive, tmp_path, monkeypatch):
    """Starts a node; its arguments are fields of the configuration and, for `node`, of that part of it."""
    running = []
    monkeypatch.setattr(tempfile, "tempdir", None)  # the node sets it for its process

    def begin(node=None, **parts):
        parts.setdefault(
            "destinations", (Destination(name="pacs", ae_title="PACS", address=f"127.0.0.1:{archive.port}"),)
        )
        fields = {"listen": "127.0.0.1:0", "spool": tmp_path / "spool", "quiet_s": 0.2, "min_free_mb": 1}
        configuration = check(Configuration(node=Node(**(fields | (node or {}))), **parts))
        client = Client(mesh.mesh.target, attempts=1)
        made = RunningNode(configuration, client)
        running.append((made, client))
        return made

    yield begin
    for made, client in running:
        made.stop()
        client.close()


@pytest.fixture
def node(start_node):
    return start_node()
