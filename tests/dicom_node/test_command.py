"""What an operator does with `medmesh dicom-node`, beside a node that runs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.failures import ExitCode
from clients.cli.main import app
from clients.dicom_node import overview
from clients.dicom_node.rules import Rule
from tests.dicom_node.stand_ins import image, store


@pytest.fixture
def medmesh(tmp_path):
    """Runs a subcommand on the spool of the node that the test starts."""
    configuration = tmp_path / "node.toml"
    configuration.write_text('[node]\nspool = "spool"\n')

    def run(command, *options, **more):
        return CliRunner().invoke(app, ["dicom-node", command, str(configuration), *options], **more)

    return run


@pytest.fixture
def excluded(start_node):
    """A node whose rules exclude two images that it has taken."""
    node = start_node(rules=(Rule(modality=("US",), analyze=False), Rule(modality=("CT",))))
    assert store(node.port, [image(Modality="US"), image(Modality="MG")]) == [0, 0]
    return node


def images(tmp_path) -> int:
    return len(list((tmp_path / "spool" / "objects").iterdir()))


def test_what_is_parked_is_discarded_by_its_reason(excluded, medmesh, tmp_path):
    parked = json.loads(medmesh("status", "--json").stdout)["parked"]
    assert [one["reason"] for one in parked] == ["NOT_WANTED", "NO_RULE"]
    done = medmesh("discard", "--reason", "NOT_WANTED", "--older-than", "1", "--yes")
    assert "nothing of that is parked" in done.stdout
    done = medmesh("discard", "--reason", "NOT_WANTED", "--yes")
    assert done.exit_code == 0, done.output
    assert "parked object/1: NOT_WANTED" in done.stdout
    assert "deleted 1 image" in done.stdout
    assert [one.reason for one in overview.parked(excluded.database)] == ["NO_RULE"]
    assert images(tmp_path) == 1


def test_it_asks_before_it_deletes_and_deletes_what_is_named(excluded, medmesh, tmp_path):
    assert medmesh("discard", "--id", "object/2", input="n\n").exit_code == 1
    assert images(tmp_path) == 2
    assert medmesh("discard", "--id", "object/2", input="y\n").exit_code == 0
    assert [one.name for one in overview.parked(excluded.database)] == ["object/1"]
    assert images(tmp_path) == 1


@pytest.mark.parametrize(
    ("options", "said"), [((), "say which with --id"), (("--id", "object/9"), "called object/9 is parked")]
)
def test_it_deletes_nothing_without_being_told_what(excluded, medmesh, tmp_path, options, said):
    refused = medmesh("discard", "--yes", *options)
    assert refused.exit_code == ExitCode.INPUT
    assert said in refused.output
    assert images(tmp_path) == 2
