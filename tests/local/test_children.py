"""What the processes of a mesh are told of who started it, and of who they are."""

from __future__ import annotations

import pytest

from services.local.mesh import Mesh
from services.local.mesh_settings import DOORS, SERVICES, MeshSettings


@pytest.fixture
def mesh() -> Mesh:
    found = Mesh(MeshSettings())
    found.addresses = dict.fromkeys((*SERVICES, *DOORS, "triton"), "127.0.0.1:1")
    return found


@pytest.mark.parametrize("name", [*SERVICES, *DOORS])
def test_the_operators_token_is_in_nobodys_environment_and_each_part_has_its_own_identity(
    mesh, name, monkeypatch, tmp_path
):
    monkeypatch.setenv("MEDMESH_TOKEN", "the-operators")
    monkeypatch.setenv("MEDMESH_IDENTITY_FOLDER", str(tmp_path))
    told = mesh._variables(name)
    assert "the-operators" not in told.values()
    assert told["MEDMESH_IDENTITY_FOLDER"] == str(tmp_path / name)


def test_a_token_that_the_services_are_meant_to_have_reaches_them(monkeypatch):
    monkeypatch.setenv("MEDMESH_TOKEN_FILE", "/run/token")
    mesh = Mesh(MeshSettings(variables={"MEDMESH_TOKEN": "theirs"}))
    mesh.addresses = dict.fromkeys((*SERVICES, "triton"), "127.0.0.1:1")
    told = mesh._variables("orchestrator")
    assert (told["MEDMESH_TOKEN"], told["MEDMESH_TOKEN_FILE"]) == ("theirs", "/run/token")
