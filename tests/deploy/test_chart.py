"""The Helm chart repeats topology.toml, .env and compose.yaml, and agrees with them.

What it renders to: test_chart_rendered.py.
"""

from __future__ import annotations

import re
import tomllib

import pytest

from services.local import topology
from services.local.mesh_settings import read_env_file
from tools.bootstrap import ROOT

CHART = ROOT / "deploy" / "helm" / "medmesh"
VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
TEMPLATES = "".join(path.read_text(encoding="utf-8") for path in sorted((CHART / "templates").iterdir()))
TOPOLOGY = topology.load()


def section(name: str) -> dict[str, str]:
    """The parts of `services:` or `doors:`, as text each."""
    whole = re.search(rf"^{name}:\n((?:  .*\n|\n)+)", VALUES, re.MULTILINE)
    assert whole, name
    return dict(re.findall(r"^  (\w+):.*\n((?:    .*\n)+)", whole[1], re.MULTILINE))


def value(parts: dict[str, str], name: str, key: str) -> str:
    """What a part says, else what it inherits: doors from the first door, all from the first service."""
    for text in (parts[name], parts[next(iter(parts))], next(iter(section("services").values()))):
        if found := re.search(rf"^    {key}: ([^#\n]+)", text, re.MULTILINE):
            return found[1].strip()
    raise AssertionError(f"{name} has no {key}")


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def test_the_chart_has_the_services_with_their_ports_their_callees_and_their_models():
    parts = section("services")
    assert parts.keys() == TOPOLOGY.services.keys()
    for name, service in TOPOLOGY.services.items():
        assert value(parts, name, "port") == str(service.port)
        assert value(parts, name, "triton") == str(service.triton).lower()
        assert words(value(parts, name, "calls")) == set(service.calls)


def test_the_chart_has_the_doors_with_their_ports():
    parts = section("doors")
    assert parts.keys() == TOPOLOGY.doors.keys()
    for name, door in TOPOLOGY.doors.items():
        assert value(parts, name, "port") == str(door.port)
        assert (value(parts, name, "probe") == "grpc") == door.grpc
        assert words(value(parts, name, "calls")) <= TOPOLOGY.services.keys() | TOPOLOGY.doors.keys()


def test_the_variables_that_it_sets_exist():
    known = (ROOT / "services" / "chassis" / "variables.txt").read_text(encoding="utf-8").split()
    used = set(re.findall(r"MEDMESH_[A-Z_]+[A-Z]\b(?!=)", TEMPLATES))
    assert len(used) > 15
    assert used <= {*known}


def test_versions_agree():
    chart = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"appVersion: {project}\n" in chart
    assert f"tritonserver:{read_env_file(ROOT / '.env')['MEDMESH_TRITON_RELEASE']}-py3" in VALUES


@pytest.mark.parametrize(
    "hardening",
    [
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "capabilities: { drop: [ALL] }",
        "runAsNonRoot: true",
        # Otherwise Kubernetes sets MEDMESH_IMAGING_PORT and its kin to tcp://… in a release of that name.
        "enableServiceLinks: false",
        "automountServiceAccountToken: false",
    ],
)
def test_pods_are_hardened_as_composes_containers_are(hardening):
    assert hardening in TEMPLATES
