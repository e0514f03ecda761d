"""Every model's folder is complete: card, configuration, labels, weights."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from services.chassis.models.card import inspect_model
from services.local.triton.repository import model_names
from services.local.triton.tensorrt import tensorrt_config
from tests.models.conftest import REPOSITORY, SPECS

SCHEMA = json.loads((REPOSITORY.parent / "docs" / "model-card.schema.json").read_text())
each_folder = pytest.mark.parametrize("name", model_names(REPOSITORY))


def test_every_model_in_the_repository_is_used_by_a_service():
    assert model_names(REPOSITORY) == sorted(spec.name for spec in SPECS)


@each_folder
def test_the_card_keeps_the_schema(name):
    card = json.loads((REPOSITORY / name / "metadata.json").read_text())
    problems = jsonschema.Draft202012Validator(SCHEMA).iter_errors(card)
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []
    assert card["changelog"][0]["version"] == card["version"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_card_code_configuration_and_weights_agree(spec):
    model = inspect_model(spec, REPOSITORY / spec.name)
    assert model.refusal == ""
    assert model.weights_verified


@each_folder
def test_the_labels_are_the_cards(name):
    card = json.loads((REPOSITORY / name / "metadata.json").read_text())
    path = REPOSITORY / name / "labels.txt"
    labels = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    assert labels == card.get("labels", [])


@each_folder
def test_the_queue_is_bounded_in_length_and_in_time(name):
    config = (REPOSITORY / name / "config.pbtxt").read_text()
    assert int(re.search(r"max_queue_size: (\d+)", config).group(1)) > 0
    assert int(re.search(r"default_timeout_microseconds: (\d+)", config).group(1)) > 0
    assert "timeout_action: REJECT" in config
    assert "allow_timeout_override: true" in config


@each_folder
def test_the_configuration_for_tensorrt_is_fresh(name):
    """Run `python -m services.local.triton.tensorrt` when this fails."""
    folder = REPOSITORY / name
    fresh = tensorrt_config((folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert (folder / "configs" / "tensorrt.pbtxt").read_text(encoding="utf-8") == fresh


@each_folder
def test_figures_of_models_trained_here_have_intervals(name):
    card = json.loads((REPOSITORY / name / "metadata.json").read_text())
    trained_here = (REPOSITORY.parent / "training" / name / "train.py").is_file()
    assert not trained_here or any("ci_low" in metric for metric in card["metrics"])
