"""Every model's folder is complete: card, configuration, labels, weights."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from services.chassis.models import tasks
from services.chassis.models.triton_config import read_configuration
from services.imaging.__main__ import SERVICE as IMAGING
from services.language.__main__ import SERVICE as LANGUAGE
from services.local.triton.tensorrt import tensorrt_config
from services.recommendation.__main__ import SERVICE as RECOMMENDATION
from tests.models.conftest import ANSWERERS, MODELS, REPOSITORY, WRITERS, each_model

SCHEMA = json.loads((REPOSITORY.parent / "docs" / "model-card.schema.json").read_text())
SERVICES = (IMAGING, LANGUAGE, RECOMMENDATION)
each_folder = pytest.mark.parametrize("name", sorted(MODELS))


def test_every_model_in_the_repository_is_served_by_some_service():
    served = {task.name for service in SERVICES for task in service.tasks}
    assert {model.task for model in MODELS.values()} <= served


@each_folder
def test_the_card_keeps_the_schema(name):
    card = json.loads((REPOSITORY / name / "metadata.json").read_text())
    problems = jsonschema.Draft202012Validator(SCHEMA).iter_errors(card)
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []
    assert card["changelog"][0]["version"] == card["version"]


@each_model
def test_card_configuration_graph_and_weights_agree(model):
    assert [str(problem) for problem in model.problems] == []
    assert model.stable.weights is not None


@each_model
def test_the_configuration_states_the_digest_of_the_weights(model):
    """So that Triton's own word of what it runs can be held against the card."""
    config = read_configuration(model.stable.runs.config)
    assert config.digests == {1: model.card.weights_sha256}


@each_folder
def test_the_labels_are_the_cards(name):
    path = REPOSITORY / name / "labels.txt"
    _, labels = tasks.labels_of(MODELS[name].card.serving)
    if path.is_file() and labels:
        assert path.read_text(encoding="utf-8").splitlines() == labels


@pytest.mark.parametrize("name", sorted(ANSWERERS))
def test_triton_keeps_no_order_of_its_own(name):
    """Its queues with levels, a bound or a timeout wake up late: docs/adr/0053."""
    for config in (REPOSITORY / name).glob("**/*.pbtxt"):
        assert not re.search("priority_levels|queue_policy", config.read_text())


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_writer_is_bounded_in_tokens_in_requests_and_in_time(name):
    """Its backend takes requests out of Triton's queue at once, and keeps them in one of its own."""
    config = (REPOSITORY / name / "config.pbtxt").read_text()
    for bound in ("max_token_count", "max_active_count", "max_waiting_count", "max_seconds"):
        assert int(re.search(rf'"{bound}" value: {{ string_value: "(\d+)" }}', config).group(1)) > 0
    card = MODELS[name].card.serving.text_generation
    assert f'"max_token_count" value: {{ string_value: "{card.max_token_count}" }}' in config


@pytest.mark.parametrize("name", sorted(ANSWERERS))
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
