"""The examples that the READMEs give to callers run as they stand, and the commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from clients.cli.main import app
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import stored_diagnosis

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "clients/python/README.md"])
def test_the_ten_lines_run(page, mesh, tmp_path, monkeypatch, capsys):
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    text = (ROOT / page).read_text(encoding="utf-8")
    example = next(
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Client(" in block
    )
    assert "127.0.0.1:50060" in example
    (tmp_path / "chest.dcm").write_bytes(b"dicom")
    (tmp_path / "bundle.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    exec(example.replace("127.0.0.1:50060", mesh.target), {})
    assert " 87.2%  Pneumonia" in capsys.readouterr().out
    assert mesh.last.request.case.images[0].sources[0].content == b"dicom"


def commands() -> list[list[str]]:
    """The arguments of every `medmesh` command line in the README."""
    lines = re.findall(r"^\S*medmesh (.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_the_command_lines_name_commands_and_options_that_exist(arguments):
    command, rest = get_command(app), arguments
    while isinstance(command, TyperGroup):
        if rest[0].startswith("-"):
            break
        name, found, rest = command.resolve_command(command.make_context("medmesh", [*rest]), rest)
        assert found is not None, name
        command = found
    context = command.context_class(command, **command.context_settings)
    command.make_parser(context).parse_args([*rest])  # raises on an unknown option


def test_the_readme_has_command_lines():
    assert len(commands()) > 10
