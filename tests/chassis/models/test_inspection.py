"""A model's folder holds, or everything that is wrong with it is named with its field."""

from __future__ import annotations

import hashlib
import json
import shutil

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.models import checks
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import model_folders
from tests.chassis.models.folders import add_version, edit, write_json, write_multiplier, write_weights
from tests.fakes import REAL_MODELS


def checked(repository, name, *, complete=True):
    return inspect(model_folders([repository])[name], complete=complete)


def fields(model):
    return [problem.field for problem in model.problems]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in REAL_MODELS.glob("*/metadata.json")))
def test_the_shipped_models_hold(name):
    model = checked(REAL_MODELS, name)
    assert model.problems == ()
    assert model.stable.runs.number == 1
    assert model.stable.weights == REAL_MODELS / name / "1" / "model.onnx"


@pytest.fixture
def multiplier(tmp_path):
    return write_multiplier(tmp_path, "doubler")


@pytest.fixture
def chest(tmp_path):
    """A copy of a model with labels, calibration, thresholds and evidence."""
    shutil.copytree(REAL_MODELS / "chest_xray", tmp_path / "chest_xray")
    return tmp_path / "chest_xray"


def test_a_complete_folder_holds(multiplier):
    model = checked(multiplier.parent, "doubler")
    assert (model.problems, model.task) == ((), "record_embedding")
    assert model.stable.runs.max_batch_count == 8


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda card: card.update(name="other"), "name"),
        (lambda card: card.pop("version"), "version"),
        (lambda card: card.update(changelog=[{"version": "9.0.0"}]), "changelog"),
        (lambda card: card.pop("intended_use"), "intended_use"),
        (lambda card: card.pop("serving"), "serving"),
        (
            lambda card: card["serving"].update(preprocessing_version="record/9"),
            "serving.preprocessing_version",
        ),
        (
            lambda card: card["serving"]["record_embedding"].update(embedding_tensor="z"),
            "serving.record_embedding.embedding_tensor",
        ),
        (
            lambda card: card["serving"]["record_embedding"]["preprocessing"].update(tensor="z"),
            "serving.record_embedding.preprocessing.tensor",
        ),
        (
            lambda card: card["serving"]["record_embedding"].update(reference_file="people.npz"),
            "serving.record_embedding.reference_file",
        ),
        (
            lambda card: card["serving"]["record_embedding"].update(reference_file="../x.npz"),
            "serving.record_embedding.reference_file",
        ),
        (lambda card: card["inputs"][0].update(datatype="FP8"), "inputs[0].datatype"),
        (lambda card: card["inputs"][0].update(shape=[4]), "inputs[0].shape"),
        (lambda card: card["outputs"][0].update(name="z"), "outputs[0]"),
        (lambda card: card["outputs"][0].update(datatype="INT64"), "outputs[0].datatype"),
        (lambda card: card.update(weights_sha256="0" * 64), "weights_sha256"),
        (lambda card: card.update(weights_sha256="none"), "weights_sha256"),
        (lambda card: card.update(model_version=2), "2/model.onnx"),
        (
            lambda card: card["serving"].update(files=[{"path": "config.pbtxt", "sha256": "0" * 64}]),
            "serving.files[0].sha256",
        ),
        (
            lambda card: card["serving"].update(files=[{"path": "absent", "sha256": "0" * 64}]),
            "serving.files[0]",
        ),
    ],
)
def test_what_is_wrong_with_a_card_is_named_by_its_field(multiplier, change, field):
    edit(multiplier / "metadata.json", change)
    model = checked(multiplier.parent, "doubler")
    assert model.stable is None
    assert field in fields(model)
    assert all(problem.what and problem.remedy for problem in model.problems)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda task: task["labels"].pop(), "labels"),
        (lambda task: task["labels"].append({"name": "normal"}), "labels"),
        (lambda task: task["labels"][1].update(meaning="LABEL_MEANING_NORMAL"), "labels"),
        (lambda task: task["labels"][1].update(threshold=1.5), "labels[1].threshold"),
        (lambda task: task.update(activation="ACTIVATION_SIGMOID"), "exclusive"),
        (lambda task: task.update(exclusive=False, activation="ACTIVATION_SOFTMAX"), "exclusive"),
        (lambda task: task.update(scores_tensor="activation_map"), "labels"),
        (lambda task: task["conformal"].update(coverage=90), "conformal.coverage"),
        (lambda task: task["conformal"]["thresholds"].pop(), "conformal.thresholds"),
        (
            lambda task: task["conformal"]["thresholds"][0].update(max_improbability=-0.1),
            "conformal.thresholds[0].max_improbability",
        ),
        (
            lambda task: task["conformal"]["thresholds"][0].update(label="gout"),
            "conformal.thresholds[0].label",
        ),
        (
            lambda task: task["calibration"].update(curves=[{"label": "gout", "rise": 1, "fall": 1}]),
            "calibration.curves[0].label",
        ),
        (lambda task: task["calibration"].update(curves=[{"rise": -1, "fall": 1}]), "calibration.curves[0]"),
        (lambda task: task["calibration"].update(curves=[{"offset": 1}]), "calibration.curves[0]"),
    ],
)
def test_labels_and_thresholds_have_to_agree(chest, change, field):
    edit(chest / "metadata.json", lambda card: change(card["serving"]["image_classification"]))
    assert f"serving.image_classification.{field}" in fields(checked(chest.parent, "chest_xray"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda entry: entry.update(metric="auroc_of_gout"), "metric"),
        (lambda entry: entry.update(metric="recall"), "metric"),  # only of subgroups
        (lambda entry: entry.update(labels=["gout"]), "labels"),
        (lambda entry: entry.update(calibrated_share=1.0), "calibrated_share"),
        (lambda entry: entry.update(outside_population_factor=2), "outside_population_factor"),
        (lambda entry: entry.update(within={"code": "90560007"}), "within"),
        (lambda entry: entry.pop("held_out_negative_count"), "held_out_negative_count"),
        (lambda entry: entry.update(held_out_positive_count=2), "held_out_positive_count"),
        (lambda entry: entry["condition"].update(code="53084003"), "condition"),  # another entry's
        (lambda entry: entry["condition"].pop("code"), "condition"),
    ],
)
def test_evidence_rests_on_a_metric_and_on_cases(chest, change, field):
    edit(chest / "metadata.json", lambda card: change(card["serving"]["evidence"][0]))
    assert f"serving.evidence[0].{field}" in fields(checked(chest.parent, "chest_xray"))


def test_the_metric_of_evidence_is_an_auroc(chest):
    def percent(card):
        for metric in card["metrics"]:
            if metric["name"] == card["serving"]["evidence"][0]["metric"]:
                metric["value"] = 99.8

    edit(chest / "metadata.json", percent)
    assert "serving.evidence[0].metric" in fields(checked(chest.parent, "chest_xray"))


def test_all_problems_of_a_card_are_reported_at_once(chest):
    def break_much(card):
        card["serving"]["image_classification"]["labels"].pop()
        card["serving"]["image_classification"]["scores_tensor"] = "scores"
        card["serving"]["evidence"][0]["metric"] = "none"
        card["inputs"][0]["shape"] = [1, 10, 10]

    edit(chest / "metadata.json", break_much)
    (chest / "labels.txt").write_text("something else")
    with (chest / "1" / "model.onnx").open("r+b") as weights:
        weights.seek(5000)
        weights.write(b"\0")
    told = set(fields(checked(chest.parent, "chest_xray")))
    assert {
        "serving.image_classification.labels",
        "serving.image_classification.scores_tensor",
        "serving.evidence[0].metric",
        "inputs[0].shape",
        "serving.files[0].sha256",
        "weights_sha256",
    } <= told


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("nonsense {", "config.pbtxt"),
        ('name: "other"', "config.pbtxt"),
        ("dims: [ 3 ]", "inputs[0].shape"),
        ('parameters { key: "medmesh.weights_sha256.1" value: { string_value: "00" } }', "config.pbtxt"),
        ('input [ { name: "w" data_type: TYPE_FP32 dims: [ -1 ] } ]', "inputs"),
    ],
)
def test_the_configuration_has_to_agree(multiplier, text, field):
    config = multiplier / "config.pbtxt"
    whole = config.read_text()
    config.write_text(
        whole.replace("dims: [ -1 ]", text, 1) if text.startswith("dims") else f"{whole}\n{text}\n"
    )
    assert field in fields(checked(multiplier.parent, "doubler"))


def test_the_graph_has_to_agree(multiplier):
    (multiplier / "1" / "model.onnx").write_bytes(b"junk")
    assert {"weights_sha256", "1/model.onnx"} <= set(fields(checked(multiplier.parent, "doubler")))


def test_a_graph_with_a_fixed_batch_is_reported_unless_the_configuration_has_no_batch(multiplier, tmp_path):
    path = multiplier / "1" / "model.onnx"
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(multiplier / "metadata.json", lambda card: card.update(weights_sha256=digest))
    assert set(fields(checked(tmp_path, "doubler"))) == {"inputs[0]", "outputs[0]"}
    config = (multiplier / "config.pbtxt").read_text()
    lone = config.replace("max_batch_size: 8", "max_batch_size: 0").replace("dims: [ -1 ]", "dims: [ 1, -1 ]")
    (multiplier / "config.pbtxt").write_text(lone[: lone.index("dynamic_batching")])
    model = checked(tmp_path, "doubler")
    assert model.problems == ()
    assert model.stable.runs.max_batch_count == 1


def test_weights_and_configuration_may_lie_elsewhere_but_not_when_all_has_to_be_there(multiplier):
    shutil.rmtree(multiplier / "1")
    (multiplier / "config.pbtxt").unlink()
    alone = checked(multiplier.parent, "doubler", complete=False)
    assert (alone.problems, alone.stable.weights, alone.stable.runs.config) == ((), None, "")
    assert fields(checked(multiplier.parent, "doubler")) == ["config.pbtxt", "1/model.onnx"]


def test_files_that_the_card_names_are_listed_with_their_digests(multiplier):
    (multiplier / "people.npz").write_bytes(b"people")
    edit(
        multiplier / "metadata.json",
        lambda card: card["serving"]["record_embedding"].update(reference_file="people.npz"),
    )
    (problem,) = checked(multiplier.parent, "doubler").problems
    assert (problem.field, "people.npz" in problem.what) == ("serving.files", True)
    entry = json.loads(problem.remedy.removeprefix("add "))  # the remedy can be pasted
    edit(multiplier / "metadata.json", lambda card: card["serving"].update(files=[entry]))
    assert checked(multiplier.parent, "doubler").problems == ()


def test_the_digest_of_the_model_changes_with_whatever_decides_its_answers(multiplier):
    first = checked(multiplier.parent, "doubler").stable.model_sha256
    edit(multiplier / "metadata.json", lambda card: card.update(summary="Other."))
    second = checked(multiplier.parent, "doubler").stable.model_sha256
    assert first != second


def test_a_file_that_may_not_be_read_is_a_problem_of_its_model(multiplier, monkeypatch):
    digest = checks.sha256

    def refuse(path):
        if path.suffix == ".onnx":
            raise PermissionError(13, "Permission denied", str(path))
        return digest(path)

    monkeypatch.setattr("services.chassis.models.checks.sha256", refuse)  # root may read everything
    (problem,) = checked(multiplier.parent, "doubler").problems
    assert (problem.field, problem.what) == ("model.onnx", "cannot be read (Permission denied)")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3), st.just([]), st.just({})
)


def places(value, path=()):
    """Paths of all entries of a card."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_stands_in_a_card_is_checked_and_ends_nothing(tmp_path_factory, data):
    name = data.draw(st.sampled_from(["chest_xray", "clinical_ner", "icu_outcome", "image_gate"]))
    card = json.loads((REAL_MODELS / name / "metadata.json").read_text())
    card["changelog"] = card["changelog"][:1]
    card["metrics"] = card["metrics"][:3]
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(places(card))
        *parents, last = data.draw(st.sampled_from(found))
        target = card
        for key in parents:
            target = target[key]
        if data.draw(st.booleans()):
            target[last] = data.draw(VALUES)
        else:
            del target[last]
    folder = tmp_path_factory.mktemp("cards") / name
    folder.mkdir()
    write_json(folder / "metadata.json", card)
    model = checked(folder.parent, name, complete=False)
    assert (model.stable is None) == bool(model.problems)


class TestVersions:
    def test_the_stable_version_is_that_of_the_card_unless_the_aliases_say_otherwise(self, multiplier):
        add_version(multiplier, 2, 3.0)
        model = checked(multiplier.parent, "doubler")
        assert (model.stable.runs.number, model.candidate) == (1, None)
        write_json(multiplier / "aliases.json", {"stable": 2})
        model = checked(multiplier.parent, "doubler")
        assert (model.stable.runs.number, model.stable.card.version) == (2, "2.0.0")
        assert model.stable.folder == multiplier / "2"

    def test_a_candidate_lies_beside_it(self, multiplier):
        add_version(multiplier, 2, 3.0, candidate=2, shadow_candidate=True)
        model = checked(multiplier.parent, "doubler")
        assert (model.stable.runs.number, model.candidate.runs.number, model.shadow) == (1, 2, True)

    def test_a_candidate_that_does_not_hold_does_not_keep_the_stable_version_back(self, multiplier):
        add_version(multiplier, 2, 3.0, candidate=2)
        write_weights(multiplier / "2" / "model.onnx", 4.0)
        model = checked(multiplier.parent, "doubler")
        assert (model.stable.runs.number, model.candidate) == (1, None)
        assert fields(model) == ["2/weights_sha256"]

    def test_a_version_without_a_card_is_reported(self, multiplier):
        write_json(multiplier / "aliases.json", {"stable": 3})
        assert fields(checked(multiplier.parent, "doubler")) == ["3/metadata.json"]

    def test_aliases_that_cannot_be_read_are_reported(self, multiplier):
        write_json(multiplier / "aliases.json", {"stabel": 1})
        assert fields(checked(multiplier.parent, "doubler")) == ["aliases.json: stabel"]

    def test_a_candidate_that_prepares_its_inputs_otherwise_cannot_be_shadowed(self, multiplier):
        add_version(multiplier, 2, 3.0, candidate=2, shadow_candidate=True)
        edit(
            multiplier / "2" / "metadata.json",
            lambda card: card["serving"]["record_embedding"]["preprocessing"].update(
                missing_value="MISSING_VALUE_MEAN"
            ),
        )
        model = checked(multiplier.parent, "doubler")
        assert model.candidate is None
        assert fields(model) == ["aliases.json: shadow_candidate"]


def test_of_two_folders_of_one_name_the_first_counts_and_the_other_is_known(tmp_path):
    write_multiplier(tmp_path / "own", "doubler", 4.0)
    write_multiplier(tmp_path / "shipped", "doubler", 2.0)
    write_multiplier(tmp_path / "shipped", "another")
    found = model_folders([tmp_path / "own", tmp_path / "shipped", tmp_path / "absent"])
    assert list(found) == ["doubler", "another"]
    assert found["doubler"].path == tmp_path / "own" / "doubler"
    assert found["doubler"].shadowed == (tmp_path / "shipped" / "doubler",)
