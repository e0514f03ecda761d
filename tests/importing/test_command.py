"""`medmesh models import` from the outside."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("tritonclient", reason="the command line is not tested in the training environment")
from typer.testing import CliRunner

from clients.cli.main import app
from tests.importing import onnx_models

FACTS = """
summary = "A model made by a test."
intended_use = "To try the import only."
architecture = "One matrix of random numbers."
licence = "Apache-2.0"
limitations = ["Its answers mean nothing."]
[[datasets]]
name = "none"
source = "none"
licence = "none"
population = "nobody"
[[metrics]]
name = "accuracy"
value = 0.5
case_count = 2
measured_on = "two throws of a coin, seed 0"
[serving]
preprocessing_version = "image/1"
[serving.image_classification]
scores_tensor = "scores"
exclusive = true
labels = [{ name = "no" }, { name = "yes" }]
[serving.image_classification.applies_to]
body_parts = ["KNEE"]
[serving.image_classification.preprocessing]
tensor = "pixels"
steps = [{ grey = {} }, { resize = { height_px = 8 } }, { rescale = { factor = 0.01 } }]
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Stands for the training environment: this Python, which has all that an ONNX file needs."""
    python = tmp_path / "venv" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("MEDMESH_TRAINING_VENV", str(tmp_path / "venv"))


@pytest.fixture
def call(capfd):
    """Runs the command: its exit code, and what was written by it and by the process that it starts."""

    def run(*arguments):
        result = CliRunner().invoke(app, ["models", "import", *map(str, arguments)])
        written = capfd.readouterr()
        return result.exit_code, written.out + result.stdout, written.err + result.stderr

    return run


def test_an_import_from_start_to_end(environment, call, tmp_path, repository):
    file = onnx_models.pictures(tmp_path / "source.onnx")
    (tmp_path / "facts.toml").write_text(FACTS)
    words = [
        "onnx",
        file,
        "--name",
        "tiny",
        "--repository",
        repository,
        "--card-fields",
        tmp_path / "facts.toml",
    ]
    code, _, err = call(*words)
    assert code == 3
    assert "inputs.pixels.description" in err
    assert list(repository.iterdir()) == []
    described = [
        "--set",
        "inputs.pixels.description=grey levels",
        "--set",
        "outputs.scores.description=0..1",
    ]
    code, out, err = call(*words, *described)
    assert code == 0, err
    assert "parity of scores" in out
    assert f"medmesh up --models {repository}" in out
    card = json.loads((repository / "tiny" / "metadata.json").read_text())
    assert card["reproduce"].startswith("medmesh models import onnx source.onnx --name tiny (sha256 ")


def test_a_name_that_is_none_is_refused(environment, call, tmp_path, repository):
    file = onnx_models.linear(tmp_path / "source.onnx")
    code, _, err = call("onnx", file, "--name", "../else", "--repository", repository)
    assert code == 3
    assert "is no name for a model" in err


def test_without_the_environment_it_says_how_to_make_it(monkeypatch, call, tmp_path):
    monkeypatch.setenv("MEDMESH_TRAINING_VENV", str(tmp_path / "nowhere"))
    code, _, err = call("onnx", "x.onnx", "--name", "x")
    assert code == 1
    assert "bootstrap.py training" in " ".join(err.split())


def test_its_help_needs_no_environment(monkeypatch, call, tmp_path):
    monkeypatch.setenv("MEDMESH_TRAINING_VENV", str(tmp_path / "nowhere"))
    for words in ((), ("--help",)):
        code, out, _ = call(*words)
        assert code == 0
        assert "medmesh models import" in out
        for kind in ("torchxrayvision", "token-classifier", "text-classifier", "sentence-encoder", "onnx"):
            assert kind in out
    assert "--rename OLD=NEW" in call("onnx", "-h")[1]


def test_the_group_tells_of_both_commands():
    said = CliRunner().invoke(app, ["models", "--help"]).stdout
    assert "show" in said
    assert "import" in said
    assert "[NAME]" in CliRunner().invoke(app, ["models", "show", "--help"]).stdout
