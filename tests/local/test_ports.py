"""Ports are named when they are taken, and found when any will do."""

from __future__ import annotations

import re
import socket

import pytest

from services.chassis.settings import SettingsError
from services.local import ports
from services.local.mesh_settings import MeshSettings, read_env_file
from services.local.triton.launcher import OWN_OUTPUT
from tools.bootstrap import ROOT, Missing


def test_free_ports_differ():
    many = dict.fromkeys(map(str, range(400)), 0)  # by chance alone, six pairs of them would be alike
    assert len(set(ports.claim("127.0.0.1", many, "MEDMESH_{}_PORT").values())) == 400


def test_one_port_for_two_is_refused():
    free = ports.claim("127.0.0.1", {"imaging": 0}, "MEDMESH_{}_PORT")["imaging"]
    with pytest.raises(Missing, match=rf"port {free} .* meant for language, is taken"):
        ports.claim("127.0.0.1", {"imaging": free, "language": free}, "MEDMESH_{}_PORT")


def test_a_taken_port_is_named_with_the_variable_that_moves_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Missing, match=rf"port {port} .* meant for imaging, is taken .*MEDMESH_IMAGING_PORT"
        ):
            ports.claim("127.0.0.1", {"imaging": port}, "MEDMESH_{}_PORT")


def test_the_ports_of_the_mesh_are_those_of_the_env_file():
    text = (ROOT / ".env").read_text()
    settings = MeshSettings.from_environment({})
    for name, port in settings.ports.items():
        assert re.search(rf"^MEDMESH_{name.upper()}_PORT={port}$", text, re.MULTILINE)


def test_the_environment_goes_before_the_env_file():
    settings = MeshSettings.from_environment({"MEDMESH_IMAGING_PORT": "0", "MEDMESH_TRITON_GRPC_PORT": "9"})
    assert settings.ports["imaging"] == 0
    assert settings.triton.grpc_port == 9


def test_a_port_that_is_none_is_named_as_any_other_setting():
    with pytest.raises(SettingsError, match="MEDMESH_LANGUAGE_PORT: must lie between 0 and 65535"):
        MeshSettings.from_environment({"MEDMESH_LANGUAGE_PORT": "65536"})


def test_the_log_of_triton_lies_with_the_others_unless_it_is_set(tmp_path):
    moved = {"MEDMESH_RUN_FOLDER": str(tmp_path)}
    assert MeshSettings.from_environment(moved).triton.log == tmp_path / "triton.log"
    told = MeshSettings.from_environment({**moved, "MEDMESH_TRITON_LOG": "-"})
    assert told.triton.log == OWN_OUTPUT


def test_an_absent_env_file_holds_nothing(tmp_path):
    assert read_env_file(tmp_path / ".env") == {}
