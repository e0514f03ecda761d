"""The environments carry what they use: pins without what a package declares and the mesh never needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
MOST_IN_A_SERVICE_IMAGE = 37
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((REQUIREMENTS / name).read_text(encoding="utf-8")))


def test_a_service_image_carries_few_packages_and_nothing_of_the_command_line():
    installed = pins("services.txt").keys() - {"setuptools"}  # it installs the project itself
    assert len(installed) <= MOST_IN_A_SERVICE_IMAGE
    assert installed.isdisjoint({"typer", "rich", "huggingface-hub", "httpx", "tqdm", "pyyaml"})


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("services.txt", "gateway.txt"),
        ("services.txt", "dicom-node.txt"),
        ("gateway.txt", "local.txt"),
        ("dicom-node.txt", "local.txt"),
        ("local.txt", "dev.txt"),
    ],
)
def test_the_same_versions_run_in_every_environment(smaller, larger):
    assert pins(smaller).items() <= pins(larger).items()


@pytest.mark.parametrize("name", sorted(path.stem for path in REQUIREMENTS.glob("*.in")))
def test_what_is_asked_for_is_pinned(name):
    asked = dict(PIN.findall((REQUIREMENTS / f"{name}.in").read_text(encoding="utf-8")))
    assert asked.items() <= pins(f"{name}.txt").items()


def test_the_distribution_asks_for_what_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[\[<>=]", text)[0] for text in project["dependencies"]}
    assert asked - {"medmesh-client"} <= pins("services.txt").keys()
    command_line = {re.split(r"[<>=]", text)[0] for text in project["optional-dependencies"]["cli"]}
    assert command_line <= pins("local.txt").keys() - pins("services.txt").keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        f"services.{name}"
        for name in ("imaging", "language", "orchestrator", "recommendation", "local.triton")
    ],
)
def test_a_service_runs_without_the_command_lines_packages_and_those_of_a_model_hub(module):
    """What the pins leave out is needed by no module of a service, whatever else is installed here."""
    code = (
        "import sys\n"
        "for name in ('typer', 'rich', 'huggingface_hub', 'httpx', 'tqdm', 'yaml', 'pycparser'):\n"
        "    sys.modules[name] = None  # importing it raises ImportError\n"
        f"import {module}.__main__"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
