"""What stands in the repository is what an export writes: writing a card again changes no file."""

from __future__ import annotations

import shutil

import pytest

from tests.fakes import REAL_MODELS, real_card
from training.model_card import decided_serving, with_digest, write_card

NAMES = sorted(path.parent.name for path in REAL_MODELS.glob("*/metadata.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_written_as_it_stands(name, tmp_path):
    shutil.copytree(REAL_MODELS / name, tmp_path / name)
    card = real_card(name)
    card.weights_sha256 = ""
    del card.serving.files[:]
    write_card(card, tmp_path)
    for path in sorted((REAL_MODELS / name).rglob("*")):
        if path.is_file():
            assert (
                tmp_path / name / path.relative_to(REAL_MODELS / name)
            ).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("name", NAMES)
def test_what_is_decided_stands_in_the_card(name):
    """What is measured (calibration, thresholds, digests) comes on top; nothing that is decided is lost."""
    decided, card = decided_serving(name), real_card(name).serving
    merged = type(card)()
    merged.CopyFrom(card)
    for field in ("evidence", "files"):
        merged.ClearField(field)
        decided.ClearField(field)
    task = decided.WhichOneof("task")
    assert card.WhichOneof("task") == task
    found, expected = getattr(merged, task), getattr(decided, task)
    measured = {"calibration", "conformal", "decision_threshold", "columns"}
    for message in (found, expected):
        for field in measured & set(message.DESCRIPTOR.fields_by_name):
            message.ClearField(field)
    assert merged == decided


def test_a_digest_is_stated_once():
    config = 'backend: "onnxruntime"\n'
    once = with_digest(config, 1, "a" * 64)
    assert once.count("medmesh.weights_sha256.1") == 1
    changed = with_digest(once, 1, "b" * 64)
    assert ("a" * 64 in changed, "b" * 64 in changed) == (False, True)
    assert with_digest(changed, 2, "c" * 64).count("medmesh.weights_sha256.") == 2
