"""Fixtures of the clients' tests: a fake mesh, and clients that are connected to it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import AsyncClient, Client
from tests.clients.fake_mesh import FakeMesh, start


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """The addresses of a mesh that happens to run on this machine play no part."""
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL", "TOKEN", "TIMEOUT_S"):
        monkeypatch.delenv(f"MEDMESH_{name}", raising=False)


@pytest.fixture
def mesh():
    mesh = FakeMesh()
    server = start(mesh)
    yield mesh
    server.stop(grace=None).wait(5)


@pytest.fixture
def addresses(mesh):
    """Keyword arguments of a client that reaches the fake mesh for everything."""
    return {
        "url": mesh.target,
        "imaging": mesh.target,
        "language": mesh.target,
        "recommendation": mesh.target,
    }


@pytest.fixture
def client(addresses):
    with Client(**addresses) as client:
        yield client


@pytest.fixture
async def async_client(addresses):
    async with AsyncClient(**addresses) as client:
        yield client


@pytest.fixture
def run(mesh, monkeypatch):
    """Runs the command; every service is the fake mesh."""
    for name in ("URL", "IMAGING_URL", "LANGUAGE_URL", "RECOMMENDATION_URL"):
        monkeypatch.setenv(f"MEDMESH_{name}", mesh.target)

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
