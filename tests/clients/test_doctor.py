"""`medmesh doctor`: what it finds wrong, and the remedy that it names."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from clients.cli.main import app
from medmesh.common.v1 import catalog_pb2
from medmesh.connection import DEFAULT_PORTS


def test_doctor_tells_what_is_wrong_with_a_named_mesh(run, mesh):
    mesh.answers["ListModels"] = catalog_pb2.ListModelsResponse(
        models=[{"name": "head_ct", "reason": "No weights."}], unreachable_services=["language"]
    )
    mesh.not_serving = True
    result = run("doctor", "--json")
    findings = {(f["section"], f["subject"]): f for f in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert "not serving" in findings["Mesh", "imaging"]["found"]
    assert findings["Mesh", "imaging"]["verdict"] == "BAD"
    assert findings["Mesh", "language"]["verdict"] == "BAD"
    assert findings["Mesh", "head_ct"]["found"] == "not served: No weights."
    assert findings["Installation", "medmesh-client"]["verdict"] == "GOOD"


def test_doctor_is_content_with_a_healthy_mesh(run, mesh):
    findings = json.loads(run("doctor", "--json").stdout)
    assert {f["verdict"] for f in findings if f["section"] == "Mesh"} == {"GOOD"}


def test_doctor_without_a_mesh_says_how_to_start_one_and_which_port_is_taken(mesh, monkeypatch):
    monkeypatch.setattr("medmesh.connection.DEFAULT_PORTS", dict.fromkeys(DEFAULT_PORTS, 1))
    monkeypatch.setenv("MEDMESH_LANGUAGE_URL", mesh.target)
    findings = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    found = {f["subject"]: f for f in findings if f["section"] == "Mesh"}
    assert found["mesh"]["verdict"] == "NOTED"
    assert "medmesh up" in found["mesh"]["remedy"]
    assert found["language"]["verdict"] == "BAD"
    assert "MEDMESH_LANGUAGE_PORT" in found["language"]["remedy"]


def test_doctor_says_why_the_embedded_triton_stays_on_one_machine(run):
    text = " ".join(run("doctor").stdout.split())
    assert "CVE-2025-23319" in text
    assert "CVE-2026-24207" in text


def test_doctor_finds_weights_that_do_not_match_their_card(tmp_path, monkeypatch):
    model = tmp_path / "chest_xray"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('name: "chest_xray"\n')
    (model / "1" / "model.onnx").write_bytes(b"weights")
    (model / "metadata.json").write_text(json.dumps({"name": "chest_xray", "weights_sha256": "0" * 64}))
    monkeypatch.setenv("MEDMESH_MODEL_REPOSITORY", str(tmp_path))
    findings = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    [found] = [f for f in findings if f["section"] == "Models"]
    assert found["verdict"] == "BAD"
    assert "weights_sha256 is not the digest of 1/model.onnx" in found["found"]
    assert "It is not served" in found["remedy"]
