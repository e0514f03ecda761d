"""What the imports of this folder need: a repository, the facts that no file can hold, and an order."""

from __future__ import annotations

import copy

import pytest

from training.importing.importer import Order

GIVEN = {
    "summary": "A model made by a test.",
    "intended_use": "To try the import only: its weights are random.",
    "architecture": "Whatever the test made, with random weights.",
    "licence": "Apache-2.0",
    "limitations": ["Its answers mean nothing, since its weights are random."],
    "datasets": [{"name": "none", "source": "none", "licence": "none", "population": "nobody"}],
    "metrics": [
        {"name": "accuracy", "value": 0.5, "case_count": 2, "measured_on": "two throws of a coin, seed 0"}
    ],
}
"""What a user would say of a model."""


def without(facts, *fields):
    return {name: value for name, value in facts.items() if name not in fields}


@pytest.fixture
def given():
    return copy.deepcopy(GIVEN)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "triton_repo"
    folder.mkdir()
    return folder


@pytest.fixture
def order(repository, given, tmp_path):
    def make(name="imported", **changes):
        fields = {
            "repository": repository,
            "given": given,
            "origin": tmp_path / "source",
            "command": "import it",
        }
        return Order(name, **{**fields, **changes})

    return make
