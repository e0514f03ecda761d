"""Every model's folder is complete: card, configuration, labels, weights."""

from __future__ import annotations

import json
import re

import pytest

from services.chassis.models import tasks
from services.chassis.models.triton_config import read_configuration
from services.local.triton.repository import model_names
from services.local.triton.tensorrt import tensorrt_config
from tests.models.conftest import CHECKED, REPOSITORY

each_folder = pytest.mark.parametrize("name", model_names(REPOSITORY))


@each_folder
def test_card_configuration_graph_weights_and_files_agree(name):
    assert [str(problem) for problem in CHECKED[name].problems] == []


@each_folder
def test_the_configuration_states_the_digest_of_the_weights(name):
    """So that Triton's own word of what it runs can be held against the card."""
    config = (REPOSITORY / name / "config.pbtxt").read_text(encoding="utf-8")
    assert read_configuration(config).digests == {1: CHECKED[name].card.weights_sha256}


@each_folder
def test_the_card_says_what_a_reader_has_to_know(name):
    card = CHECKED[name].card
    for field in ("summary", "architecture", "precision", "licence", "reproduce", "calibration"):
        assert len(getattr(card, field)) > 3, field
    for field in ("datasets", "metrics", "limitations", "changelog"):
        assert len(getattr(card, field)) > 0, field


@each_folder
def test_the_labels_are_the_cards(name):
    path = REPOSITORY / name / "labels.txt"
    _, labels = tasks.labels_of(CHECKED[name].card.serving)
    if labels:
        assert path.read_text(encoding="utf-8").splitlines() == labels


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
