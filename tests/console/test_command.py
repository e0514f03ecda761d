"""`medmesh console`: which mesh it works on, and where it may listen."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from clients.cli import console
from clients.cli.failures import ExitCode
from clients.cli.main import app
from services.local.mesh_settings import MeshSettings


def test_a_mesh_that_it_starts_is_for_this_machine(monkeypatch):
    monkeypatch.delenv("MEDMESH_URL", raising=False)
    monkeypatch.setattr(console, "_a_mesh_runs", lambda: False)
    done = CliRunner().invoke(app, ["console", "--listen", "0.0.0.0:9000"])
    assert done.exit_code == ExitCode.INPUT
    assert "127.0.0.1:PORT" in done.output


def test_it_stands_beside_the_usual_mesh_with_the_port_that_was_asked_for(tmp_path):
    usual = MeshSettings.from_environment({"MEDMESH_CONSOLE_PORT": "8765"})
    found = console._settings(usual, "")
    assert found.doors == ("console",)
    assert found.ports["console"] == 8765
    assert {port for name, port in found.ports.items() if name != "console"} == {0}
    assert found.run_folder != usual.run_folder
    assert console._settings(usual, "127.0.0.1:9000").ports["console"] == 9000


@pytest.mark.parametrize("open_", [True, False])
def test_it_sees_whether_a_mesh_runs(monkeypatch, open_):
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        monkeypatch.setenv("MEDMESH_URL", f"{host}:{port}")
        if not open_:
            server.close()
        assert console._a_mesh_runs() is open_
