"""The card says what the user said; what nobody said is asked for, and nothing is made up."""

from __future__ import annotations

import pytest

from tests.importing.conftest import without
from training.importing import Refused, facts
from training.importing.paths import set_fact

TENSORS = ("inputs.image", "outputs.scores")


def test_without_anything_all_is_missing_and_each_item_has_a_question():
    lacking = facts.missing({}, {}, TENSORS)
    assert set(lacking) == {*facts.QUESTIONS, "inputs.image.description", "outputs.scores.description"}
    assert facts.question("inputs.image.description") == facts.TENSOR_QUESTION
    assert facts.question("datasets.3.licence") == facts.QUESTIONS["datasets.0.licence"]


def test_what_lacks_is_listed_and_refused_when_nobody_can_be_asked(given):
    given["datasets"].append({"name": "second"})
    with pytest.raises(Refused) as refused:
        facts.complete({}, without(given, "licence"), (), ask=None)
    listed = [line.split(":")[0].strip() for line in str(refused.value).splitlines()[1:-1]]
    assert listed == ["licence", "datasets.1.source", "datasets.1.licence", "datasets.1.population"]


def test_a_person_is_asked_for_what_lacks_and_for_nothing_else(given):
    asked = []

    def ask(text):
        asked.append(text.split("\n")[1].strip(" :"))
        answers = {"name": "auroc_pneumonia", "value": "0.93", "case_count": "120"}
        return answers.get(asked[-1].rpartition(".")[2], "answered in words")

    said = facts.complete({}, without(given, "metrics", "licence"), (), ask)
    figures = [f"metrics.0.{part}" for part in ("name", "value", "case_count", "measured_on")]
    assert asked == ["licence", *figures]
    assert said["metrics"] == [
        {
            "name": "auroc_pneumonia",
            "value": 0.93,
            "case_count": 120,
            "measured_on": "answered in words",
        }
    ]


def test_an_answer_of_the_wrong_form_is_asked_for_again_with_the_reason(given):
    answers = iter(["Area under the curve", "auroc", "high", "0.9", "0", "12", "held-out patients of 2024"])
    asked = []

    def ask(text):
        asked.append(text)
        return next(answers)

    said = facts.complete({}, without(given, "metrics"), (), ask)
    assert said["metrics"][0] | {"measured_on": ""} == {
        "name": "auroc",
        "value": 0.9,
        "case_count": 12,
        "measured_on": "",
    }
    assert "'Area under the curve' does not match" in asked[1]
    assert "metrics.0.value=high does not fit a card" in asked[3]
    assert "0 is less than the minimum of 1" in asked[5]


def test_an_empty_answer_ends_the_import(given):
    with pytest.raises(Refused, match="without licence"):
        facts.complete({}, without(given, "licence"), (), ask=lambda _: " ")


def test_the_importers_own_limitation_does_not_stand_for_the_users(given):
    known = {"limitations": ["Known from the format."]}
    assert facts.missing(facts.merge(known, {}), {}, ()).count("limitations.0") == 1
    assert facts.complete(known, given, (), None)["limitations"] == [
        *given["limitations"],
        "Known from the format.",
    ]


def test_what_the_user_says_goes_before_what_is_proposed(given):
    known = {
        "summary": "Proposed.",
        "inputs": [{"name": "image", "description": "proposed"}, {"name": "age", "description": "years"}],
    }
    given["inputs"] = [{"name": "image", "description": "said"}]
    merged = facts.merge(known, given)
    assert merged["summary"] == given["summary"]
    assert {t["name"]: t["description"] for t in merged["inputs"]} == {"image": "said", "age": "years"}


def test_single_facts_can_be_set_by_their_path():
    said = {}
    for path, text in (
        ("licence", "CC-BY-4.0"),
        ("version", "2.0.0"),
        ("limitations.0", "2018 scanners only"),
        ("metrics.0.value", "0.9"),
        ("metrics.0.case_count", "12"),
        ("inputs.image.description", "grey levels"),
        ("serving.image_classification.exclusive", "true"),
        ("serving.image_classification.applies_to.body_parts", "CHEST, ABDOMEN"),
        ("serving.image_classification.applies_to.views", "any"),
        ("serving.image_classification.labels.effusion.threshold", "0.3"),
    ):
        set_fact(said, path, text)
    assert said == {
        "licence": "CC-BY-4.0",
        "version": "2.0.0",
        "limitations": ["2018 scanners only"],
        "metrics": [{"value": 0.9, "case_count": 12}],
        "inputs": [{"name": "image", "description": "grey levels"}],
        "serving": {
            "image_classification": {
                "exclusive": True,
                "applies_to": {"body_parts": ["CHEST", "ABDOMEN"], "views": []},
                "labels": [{"name": "effusion", "threshold": 0.3}],
            }
        },
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("metrics.0.value", "high"),
        ("metrics.5.value", "1"),
        ("licence.x.y", "1"),
        ("licenze", "MIT"),
        ("limitations.2", "the second is missing"),
        ("serving.image_classification", "yes"),
        ("serving.image_classification.exclusive", "perhaps"),
        ("serving.image_classification.activation", "SOFTMAX"),
        ("serving.image_classification.preprocessing.steps", "grey"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, text):
    with pytest.raises(Refused, match="does not fit a card"):
        set_fact({"licence": "MIT", "metrics": []}, path, text)


def test_a_file_of_facts_may_be_toml_or_another_card(tmp_path):
    (tmp_path / "facts.toml").write_text('licence = "MIT"\n[[metrics]]\nname = "auroc"\nvalue = 0.9\n')
    (tmp_path / "card.json").write_text('{"licence": "MIT", "metrics": [{"name": "auroc", "value": 0.9}]}')
    assert facts.read_file(tmp_path / "facts.toml") == facts.read_file(tmp_path / "card.json")


def test_a_figure_of_zero_that_a_json_card_leaves_out_is_a_figure(tmp_path):
    (tmp_path / "card.json").write_text('{"metrics": [{"name": "false_alarms", "case_count": 38}]}')
    assert facts.read_file(tmp_path / "card.json")["metrics"][0]["value"] == 0


@pytest.mark.parametrize("text", ['licens = "MIT"', 'metrics = "good"', "licence = "])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "facts.toml").write_text(text)
    with pytest.raises(Refused, match="does not have the form of a card"):
        facts.read_file(tmp_path / "facts.toml")


def test_what_is_said_of_a_label_leaves_the_others_and_what_is_said_of_steps_replaces_them():
    task = {
        "labels": [{"name": "effusion", "threshold": 0.4}, {"name": "mass"}],
        "preprocessing": {"tensor": "image", "steps": [{"grey": {}}, {"resize": {"height_px": 8}}]},
    }
    said = {
        "labels": [{"name": "effusion", "threshold": 0.3}],
        "preprocessing": {"steps": [{"color": {}}]},
    }
    merged = facts.merge(
        {"serving": {"image_classification": task}}, {"serving": {"image_classification": said}}
    )["serving"]["image_classification"]
    assert merged == {
        "labels": [{"name": "effusion", "threshold": 0.3}, {"name": "mass"}],
        "preprocessing": {"tensor": "image", "steps": [{"color": {}}]},
    }


def test_another_task_than_the_proposed_one_takes_nothing_of_it():
    known = {"serving": {"image_classification": {"exclusive": True}, "preprocessing_version": "image/1"}}
    given = {"serving": {"image_segmentation": {"scores_tensor": "masks"}}}
    assert facts.merge(known, given)["serving"] == given["serving"]


def test_a_figure_that_the_source_has_is_completed_by_its_number():
    known = {"metrics": [{"name": "mean_dice", "value": 0.96}]}
    given = {"metrics": [{"case_count": 9, "measured_on": "nine patients"}]}
    assert facts.merge(known, given)["metrics"] == [
        {"name": "mean_dice", "value": 0.96, "case_count": 9, "measured_on": "nine patients"}
    ]


def test_questions_of_a_kind_of_model_are_put_and_an_empty_list_is_an_answer(given):
    asked = {"serving.image_classification.applies_to.body_parts": "Which part of the body?"}
    with pytest.raises(Refused, match="body_parts: Which part of the body"):
        facts.complete({}, given, (), None, asked)
    said = facts.complete({}, given, (), lambda _: "any", asked)
    assert said["serving"] == {"image_classification": {"applies_to": {"body_parts": []}}}
