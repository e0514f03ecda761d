"""A node in this process, between a fake mesh and an engine that keeps what it is sent in memory."""

from __future__ import annotations

import pytest

from clients.hl7_node.configuration import Configuration, Destination, Node, check
from clients.hl7_node.node import Node as RunningNode
from medmesh.aio.client import AsyncClient
from tests.clients.fake_mesh import start
from tests.hl7_node.stand_ins import Engine, RememberingMesh


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """The addresses of a mesh that happens to run on this machine play no part."""
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL", "TOKEN", "TIMEOUT_S", "LISTEN"):
        monkeypatch.delenv(f"MEDMESH_{name}", raising=False)


@pytest.fixture
def mesh():
    remembering = RememberingMesh()
    server = start(remembering.mesh)
    yield remembering
    server.stop(grace=None).wait(5)


@pytest.fixture
async def engine():
    running = Engine()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def start_node(mesh, engine, tmp_path):
    """Starts a node; its arguments are fields of the configuration and, for `node`, of that part of it."""
    running = []

    async def begin(node=None, **parts):
        parts.setdefault("destinations", (Destination(name="engine", address=f"127.0.0.1:{engine.port}"),))
        fields = {"listen": "127.0.0.1:0", "folder": tmp_path / "node", "min_free_mb": 1}
        target = mesh.mesh.target
        client = AsyncClient(target, recommendation=target, attempts=1)
        made = RunningNode(check(Configuration(node=Node(**(fields | (node or {}))), **parts)), client)
        await made.start()
        running.append((made, client))
        return made

    yield begin
    for made, client in running:
        await made.stop()
        await client.close()
