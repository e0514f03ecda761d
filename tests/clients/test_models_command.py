"""`medmesh models`: the list, a card, a check of folders, a reload; and `medmesh up --models`."""

from __future__ import annotations

import json
import subprocess

from typer.testing import CliRunner

from clients.cli.main import app
from medmesh.common.v1 import catalog_pb2
from tests.chassis.models.folders import edit, write_multiplier
from tests.clients.fake_mesh import error_info


def test_models_says_what_is_not_served_and_exits_1_when_a_service_could_not_be_asked(run, mesh):
    served, absent = {"name": "chest_xray", "ready": True}, {"name": "head_ct", "reason": "No weights."}
    mesh.answers["ListModels"] = catalog_pb2.ListModelsResponse(models=[served, absent])
    result = run("models")
    assert result.exit_code == 0
    assert "No weights." in result.stdout
    assert run("models", "list").stdout == result.stdout
    assert json.loads(run("models", "--json").stdout)["models"][1]["ready"] is False
    mesh.answers["ListModels"].unreachable_services.append("language")
    assert run("models").exit_code == 1


def test_models_shows_a_card_and_tells_of_an_unknown_name(run, mesh):
    mesh.answers["GetModelCard"] = catalog_pb2.GetModelCardResponse(
        card={"name": "chest_xray", "summary": "Reads."}
    )
    assert "Reads." in run("models", "chest_xray").stdout
    assert json.loads(run("models", "chest_xray", "--json").stdout)["name"] == "chest_xray"
    mesh.fail("GetModelCard", "NOT_FOUND", "No model has this name.", error_info("MODEL_UNKNOWN"))
    result = run("models", "x")
    assert result.exit_code == 3
    assert "`medmesh models` lists the names" in result.stderr


def test_models_check_names_each_problem_by_its_field_and_exits_1(tmp_path):
    folder = write_multiplier(tmp_path, "doubler")
    edit(folder / "metadata.json", lambda card: card["outputs"][0].update(shape=[3, 3]))
    result = CliRunner().invoke(app, ["models", "check", str(tmp_path)])
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "0 of 1 would be served" in text
    assert "doubler REFUSED 1.0.0, record embedding" in text
    assert "outputs[0].shape is [3, 3], and in config.pbtxt [-1]; export the model again" in text
    (found,) = json.loads(CliRunner().invoke(app, ["models", "check", str(tmp_path), "--json"]).stdout)
    assert (found["name"], found["problems"][0]["field"]) == ("doubler", "outputs[0].shape")
    assert CliRunner().invoke(app, ["models", "check", str(tmp_path / "absent")]).exit_code == 1


def test_models_reload_says_what_became_of_each_and_exits_1_where_one_was_refused(run, mesh):
    taken = {"name": "reader", "result": "RESULT_TAKEN_UP", "card_version": "2.0.0", "model_version": "2"}
    mesh.answers["ReloadModels"] = catalog_pb2.ReloadModelsResponse(models=[taken])
    result = run("models", "reload")
    assert result.exit_code == 0
    assert "reader taken up 2.0.0 (version 2)" in " ".join(result.stdout.split())
    problem = {"field": "weights_sha256", "problem": "is not the digest", "remedy": "export it again"}
    refused = {"name": "writer", "result": "RESULT_REFUSED", "problems": [problem]}
    mesh.answers["ReloadModels"] = catalog_pb2.ReloadModelsResponse(models=[taken, refused])
    result = run("models", "reload")
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "writer REFUSED not served weights_sha256 is not the digest; export it again." in text
    assert json.loads(run("models", "reload", "--json").stdout)["models"][0]["result"] == "RESULT_TAKEN_UP"


def test_models_tells_of_a_candidate_and_of_a_successor_that_is_refused(run, mesh):
    candidate = {
        "model_version": "2",
        "card_version": "2.0.0",
        "shadow": True,
        "compared_count": 9,
        "agreed_count": 8,
    }
    problem = {"field": "weights_sha256", "problem": "is not the digest", "remedy": "export it again"}
    model = {"name": "reader", "ready": True, "candidate": candidate, "problems": [problem]}
    mesh.answers["ListModels"] = catalog_pb2.ListModelsResponse(models=[model])
    text = " ".join(run("models").stdout.split())
    assert "reader is still served as before; the folder is refused" in text
    assert "reader: 2.0.0 (version 2) is the candidate: 8 of 9 inputs agree" in text


def test_up_with_a_folder_of_models_that_is_not_there_says_so(tmp_path):
    result = CliRunner().invoke(app, ["up", "--models", str(tmp_path / "absent")])
    assert result.exit_code == 3
    assert "there is no folder" in result.stderr


def test_models_are_signed_and_checked_by_the_keys_that_are_trusted(tmp_path, monkeypatch):
    write_multiplier(tmp_path / "models", "doubler")
    for command in ("genpkey -algorithm ed25519 -out key", "pkey -in key -pubout -out key.pub"):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(arguments))
        return done.exit_code, " ".join(done.output.split())

    def doctor() -> str:
        told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
        return next(one["found"] for one in told if one["section"] == "Models")

    models = str(tmp_path / "models")
    monkeypatch.setenv("MEDMESH_MODEL_REPOSITORY", models)
    assert doctor().endswith("; not signed")
    monkeypatch.setenv("MEDMESH_MODEL_KEYS", str(tmp_path / "key.pub"))
    code, told = run("models", "check", models)
    assert (code, "signature.json is missing: the model is not signed" in told) == (1, True)
    assert run("models", "sign", models, "--key", str(tmp_path / "key")) == (0, "signed doubler: 3 files")
    assert "sign" not in run("models", "check", models)[1]
    assert doctor().endswith("; its signature holds")
    monkeypatch.delenv("MEDMESH_MODEL_KEYS")
    assert "which nothing verifies" in doctor()
    code, told = run("models", "sign", models, "--key", str(tmp_path / "key.pub"))
    assert (code, "not an unencrypted PEM private key" in told) == (3, True)
