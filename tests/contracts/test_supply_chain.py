"""Everything that an environment installs is pinned, and held to hashes."""

from __future__ import annotations

import json
import re

import pytest

from tests.contracts.source import ROOT
from tools.sbom import REQUIREMENTS, WITHOUT_HASHES, environments, pinned

LOCKS = sorted(path for path in ROOT.glob("clients/**/package-lock.json") if "node_modules" not in path.parts)


@pytest.mark.parametrize("name", environments())
def test_each_package_of_an_environment_is_pinned_with_a_hash(name):
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    entries = [
        entry
        for entry in re.sub(r"\\\n\s*", " ", text).splitlines()
        if entry.strip() and not entry.startswith(("#", "-"))
    ]
    assert len(entries) >= len(pinned(name)) > 0
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?(==| @ )", entry), entry
        assert ("--hash=sha256:" in entry) is (name not in WITHOUT_HASHES), entry


def test_the_environments_that_bootstrap_makes_are_among_them():
    from tools.bootstrap import ENVIRONMENTS

    assert {one.requirements.removesuffix(".txt") for one in ENVIRONMENTS.values()} <= {*environments()}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name)
def test_each_npm_package_is_held_to_a_hash(lock):
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    fetched = {name: one for name, one in packages.items() if name and not one.get("link")}
    assert len(fetched) > 5
    assert [name for name, one in fetched.items() if not one.get("integrity", "").startswith("sha512-")] == []


def test_the_locks_are_looked_at():
    assert len(LOCKS) >= 2
