"""A card is read strictly: everything in it that is not understood is named by its path, all at once."""

from __future__ import annotations

import json

import pytest

from services.chassis.models.card import TASKS, read_aliases, read_card, task_named_in
from tests.fakes import REAL_MODELS

REAL = sorted(folder.name for folder in REAL_MODELS.iterdir() if folder.is_dir())


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "metadata.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.mark.parametrize("name", REAL)
def test_the_shipped_cards_are_read(name):
    path = REAL_MODELS / name / "metadata.json"
    card, problems = read_card(path)
    assert (card.name, problems) == (name, [])
    assert task_named_in(path) == card.serving.WhichOneof("task")


def test_every_field_that_is_not_understood_is_named(written):
    card, problems = read_card(
        written(
            {
                "nmae": "reader",
                "version": 3,
                "model_version": "one",
                "serving_parameters": {"temperature": 1},
                "metrics": [{"name": "auroc"}, {"name": "auroc", "value": "high"}],
                "serving": {
                    "image_classification": {
                        "activation": "SOFTMAX",
                        "labels": [{"name": "a"}, {"title": "b"}, "c"],
                        "preprocessing": {"steps": [{"gray": {}}]},
                    }
                },
            }
        )
    )
    assert card is None
    assert {problem.field for problem in problems} == {
        "nmae",
        "version",
        "model_version",
        "serving_parameters",
        "metrics[1].value",
        "serving.image_classification.activation",
        "serving.image_classification.labels[1].title",
        "serving.image_classification.labels[2]",
        "serving.image_classification.preprocessing.steps[0].gray",
    }
    told = {problem.field: str(problem) for problem in problems}
    assert "did you mean name" in told["nmae"]
    assert "ACTIVATION_SOFTMAX" in told["serving.image_classification.activation"]
    assert "did you mean grey" in told["serving.image_classification.preprocessing.steps[0].gray"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "is not JSON (line 1)"),
        ("[]", "is not a JSON object"),
        ({"serving": {"image_gate": {}, "text_embedding": {}}}, "names two values where one belongs"),
        ({"serving": []}, "is not a JSON object"),
        ({"metrics": {}}, "is not a list"),
    ],
)
def test_what_is_no_card_at_all_is_reported(written, content, what):
    card, problems = read_card(written(content))
    assert card is None
    assert what in [problem.what for problem in problems]


def test_a_missing_card_is_reported(tmp_path):
    card, (problem,) = read_card(tmp_path / "metadata.json")
    assert card is None
    assert str(problem).startswith("metadata.json is missing; add the card")


def test_the_task_of_a_card_that_does_not_hold_is_still_known(written):
    assert task_named_in(written({"nmae": 1, "serving": {"text_embedding": {"odd": 1}}})) == "text_embedding"
    assert task_named_in(written({"serving": {"fortune_telling": {}}})) == ""
    assert task_named_in(written("{")) == ""
    assert "time_series_risk" in TASKS


def test_aliases_are_read_as_strictly(tmp_path):
    assert read_aliases(tmp_path)[0].candidate == 0
    (tmp_path / "aliases.json").write_text('{"stable": 1, "candidate": 2, "shadow_candidate": true}')
    aliases, problems = read_aliases(tmp_path)
    assert (aliases.stable, aliases.candidate, aliases.shadow_candidate, problems) == (1, 2, True, [])
    (tmp_path / "aliases.json").write_text('{"canditate": 2}')
    _, (problem,) = read_aliases(tmp_path)
    assert "did you mean candidate" in str(problem)
