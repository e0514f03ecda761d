"""`medmesh tenants` on policies that the services read too."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from services.chassis.rpc.auth import Policy

POLICY = """
[identities.ward-1]
certificate = "ward-1"
allow = []
tenant = "surgery"

[identities.ward-2]
certificate = "ward-2"
allow = []
tenant = "surgery"

[identities.jobs]
certificate = "jobs"
allow = []

[tenants.surgery]
in_flight = 8
models = ["chest_*", "image_gate"]

[tenants.research]
requests_per_minute = 10
request_bytes_per_minute = 20_000_000
"""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    Policy.read(path)
    return path


def test_tenants_are_those_of_the_table_and_of_the_identities(policy):
    result = CliRunner().invoke(app, ["tenants", str(policy), "--json"])
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"tenant": "jobs", "identities": ["jobs"]},
        {
            "tenant": "research",
            "identities": [],
            "requests_per_minute": 10,
            "request_bytes_per_minute": 20_000_000,
        },
        {
            "tenant": "surgery",
            "identities": ["ward-1", "ward-2"],
            "in_flight": 8,
            "models": ["chest_*", "image_gate"],
        },
    ]
    table = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["tenants", str(policy)]).stdout
    assert "ward-1, ward-2" in table
    assert "chest_*, image_gate" in table
    assert "bytes a minute" in table
    assert "20000000" in table


def test_a_policy_that_is_none_is_said(tmp_path):
    (tmp_path / "policy.toml").write_text("no toml")
    result = CliRunner().invoke(app, ["tenants", str(tmp_path / "policy.toml")])
    assert result.exit_code == 3
    assert result.stderr
