"""The server is installed from its checkout alone, so that its packages reach nobody else's top level."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.contracts.source import ROOT


@pytest.mark.slow
def test_a_wheel_is_refused_with_the_remedy(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "wheels", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "medmesh runs from its checkout" in done.stdout + done.stderr
    assert not list(tmp_path.glob("wheels/*"))


def test_what_is_installed_is_one_line_and_a_command() -> None:
    installed = distribution("medmesh")
    folders = {Path(folder) for folder in site.getsitepackages()}
    files = {Path(str(installed.locate_file(file))) for file in installed.files or ()}
    tops = {
        file.relative_to(folder).parts[0] for folder in folders for file in files if folder in file.parents
    }
    assert not tops & {"services", "clients", "tools"}
    assert [(point.name, point.value) for point in installed.entry_points] == [
        ("medmesh", "clients.cli.main:app")
    ]
