"""Any ONNX file with a card: what is served is what came; what cannot be served is refused, and why."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from services.local.models import check
from services.local.triton.tensorrt import tensorrt_config
from tests.importing import onnx_models
from tests.importing.conftest import without
from tests.importing.onnx_models import DESCRIBED
from training.importing import Refused, facts, graph
from training.importing.facts import SCHEMA
from training.importing.folder import check_free
from training.importing.importer import run
from training.importing.onnx_file import OnnxFile
from training.model_card import MODEL_REPOSITORY


def silent(_):
    """Nobody listens."""


@pytest.fixture
def file(tmp_path):
    return onnx_models.pictures(tmp_path / "source.onnx")


def test_the_folder_is_complete_and_the_weights_are_those_that_came(file, order, given, repository):
    given |= DESCRIBED
    said = []
    run(order(origin=file), OnnxFile(file, {}), said.append)
    folder = repository / "imported"
    written = json.loads((folder / "metadata.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(written)) == []
    assert (folder / "1" / "model.onnx").read_bytes() == file.read_bytes()
    assert (folder / "labels.txt").read_text() == "no\nyes\n"
    config = (folder / "config.pbtxt").read_text()
    assert (folder / "configs" / "tensorrt.pbtxt").read_text() == tensorrt_config(config)
    assert written["outputs"][0]["shape"] == ["2"]  # the file left the axis open; what it answers has two
    assert written["precision"].startswith("fp32")
    assert written["reproduce"] == f"import it (sha256 {written['weights_sha256']})"
    assert any("parity of scores: largest difference 0.00e+00" in line for line in said)
    assert [path.name for path in repository.iterdir()] == ["imported"]
    assert {path.name for path in repository.parent.iterdir()} == {"source.onnx", "triton_repo"}


def test_a_service_would_serve_it(file, order, given, repository):
    """Card, configuration, weights and the code of the task agree, by the check that services make."""
    given |= DESCRIBED
    run(order(origin=file), OnnxFile(file, {}), silent)
    [checked] = check([repository])
    assert (checked.name, checked.service, checked.problems) == ("imported", "imaging", ())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scores_tensor": "nothing"}, "serving.image_classification.scores_tensor names nothing"),
        ({"labels": [{"name": "one"}]}, "has 1 names, and scores has a place for 2"),
        ({"preprocessing": {"tensor": "pixels", "steps": [{"grey": {}}]}}, "they give uint8"),
    ],
)
def test_what_no_service_would_serve_is_refused_and_leaves_nothing(
    file, order, given, repository, changes, sentence
):
    given |= copy.deepcopy(DESCRIBED)
    given["serving"]["image_classification"] |= changes
    with pytest.raises(Refused, match=re.escape(sentence)):
        run(order(origin=file), OnnxFile(file, {}), silent)
    assert list(repository.iterdir()) == []


def test_without_a_task_it_is_asked_for(file, order, given):
    with pytest.raises(Refused, match="serving: Which task"):
        run(order(given=given | without(DESCRIBED, "serving")), OnnxFile(file, {}), silent)


def test_triton_keeps_no_order_of_its_own(file, order, given, repository):
    """Its queues with levels, a bound or a timeout wake up late: docs/adr/0053."""
    given |= DESCRIBED
    run(order(), OnnxFile(file, {}), silent)
    config = (repository / "imported" / "config.pbtxt").read_text()
    assert "dynamic_batching {" in config
    assert not re.search("priority_levels|queue_policy", config)


def test_axes_that_follow_the_input_are_free_and_the_others_fixed(tmp_path):
    found = graph.inspect(onnx_models.counted(tmp_path / "counted.onnx"))
    assert [(t.name, t.datatype, t.shape) for t in found.inputs] == [("tokens", "INT64", (-1,))]
    assert [(t.name, t.shape) for t in found.outputs] == [("doubled", (-1,)), ("total", (1,))]


def test_bad_names_are_refused_and_can_be_given_better_ones(tmp_path, order, given, repository):
    file = onnx_models.pictures(tmp_path / "source.onnx", names=("input.1", "325"))
    with pytest.raises(Refused, match=re.escape("--rename input.1=NEW_NAME")):
        OnnxFile(file, {})
    given |= DESCRIBED
    run(order(), OnnxFile(file, {"input.1": "pixels", "325": "scores"}), silent)
    x = np.random.default_rng(1).random((2, 1, 8, 8), dtype=np.float32)
    renamed = graph.runner(repository / "imported" / "1" / "model.onnx")[0]({"pixels": x})["scores"]
    np.testing.assert_array_equal(renamed, graph.runner(file)[0]({"input.1": x})["325"])
    with pytest.raises(Refused, match="no input or output named 326"):
        OnnxFile(file, {"326": "scores"})


@pytest.mark.parametrize(
    ("make", "changes", "sentence"),
    [
        (onnx_models.linear, {"batch": 1}, "free batch axis"),
        (onnx_models.linear, {"opset": 9}, "is of opset 9"),
        (onnx_models.linear, {"domain": "my.operators"}, "needs operators of my.operators"),
        (onnx_models.centred, {}, "depends on the rows beside it"),
        (onnx_models.logarithm, {}, "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero):RuntimeWarning")  # numpy, of the logarithm
def test_what_cannot_be_served_is_refused_with_the_reason(tmp_path, make, changes, sentence):
    path = make(tmp_path / "source.onnx", **changes)
    with pytest.raises(Refused, match=sentence):
        graph.inspect(path)


def test_what_is_no_onnx_file_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    for path in (tmp_path / "x.onnx", tmp_path / "nowhere.onnx"):
        with pytest.raises(Refused, match="no ONNX model"):
            OnnxFile(path, {})


def test_half_precision_is_told_from_single(tmp_path):
    path = onnx_models.linear(tmp_path / "half.onnx", dtype=np.float16)
    assert graph.inspect(path).precision == "fp16"


def test_a_file_that_computes_something_else_is_refused_and_leaves_nothing(file, order, given, repository):
    given |= DESCRIBED

    class Wrong(OnnxFile):
        def reference(self, inputs):
            return {name: array + 1e-3 for name, array in super().reference(inputs).items()}

    with pytest.raises(Refused, match="not what the source computes"):
        run(order(), Wrong(file, {}), silent)
    assert list(repository.iterdir()) == []
    assert {path.name for path in repository.parent.iterdir()} == {"source.onnx", "triton_repo"}


def test_a_model_that_is_there_is_replaced_only_when_forced(file, order, given, repository):
    given |= DESCRIBED
    run(order(), OnnxFile(file, {}), silent)
    (repository / "imported" / "mine.txt").write_text("mine")
    with pytest.raises(Refused, match="--force"):
        run(order(), OnnxFile(file, {}), silent)
    assert (repository / "imported" / "mine.txt").is_file()
    run(order(force=True), OnnxFile(file, {}), silent)
    assert not (repository / "imported" / "mine.txt").exists()
    assert [path.name for path in repository.iterdir()] == ["imported"]


def test_a_forced_import_that_fails_keeps_the_old_model(file, order, given, repository, tmp_path):
    given |= DESCRIBED
    run(order(), OnnxFile(file, {}), silent)
    before = (repository / "imported" / "metadata.json").read_bytes()
    given["version"] = "no version"
    with pytest.raises(Refused, match="version"):
        run(order(force=True), OnnxFile(file, {}), silent)
    assert (repository / "imported" / "metadata.json").read_bytes() == before


def test_a_model_that_comes_with_its_card_needs_nothing_else(order, repository):
    folder = MODEL_REPOSITORY / "treatment_ranker"
    file, card = folder / "1" / "model.onnx", json.loads((folder / "metadata.json").read_text())
    given = facts.read_file(folder / "metadata.json")
    source = OnnxFile(file, {}, [folder / name for name in ("labels.txt", "vocabulary.json")])
    made = run(order("treatment_ranker", given=given, origin=file), source, silent)
    written = json.loads((repository / "treatment_ranker" / "metadata.json").read_text())
    assert written == card
    assert made.weights_sha256 == card["weights_sha256"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights_sha256": "0" * 64}, "given weights_sha256"),
        ({"precision": "int8"}, "the weights are fp32"),
        ({"inputs": [{"name": "pixels", "description": "x", "shape": ["4"]}]}, "not what the facts say"),
        ({"inputs": [*DESCRIBED["inputs"], {"name": "age", "description": "years"}]}, "has not: age"),
        ({"name": "other"}, "given name is other"),
    ],
)
def test_a_card_that_contradicts_the_file_is_refused(file, order, given, changes, sentence):
    given |= DESCRIBED | changes
    with pytest.raises(Refused, match=sentence):
        run(order(), OnnxFile(file, {}), silent)


def test_nothing_is_exported_before_the_card_is_complete(file, order, given, repository):
    source = OnnxFile(file, {})
    source.export = None  # would fail
    with pytest.raises(Refused, match="licence: Under which licence"):
        run(order(given=without(given | DESCRIBED, "licence")), source, silent)
    assert list(repository.iterdir()) == []


def test_a_repository_that_is_not_there_yet_is_made_with_its_first_model(tmp_path, file, order, given):
    given |= DESCRIBED
    mine = tmp_path / "mine"
    run(replace(order(origin=file), repository=mine), OnnxFile(file, {}), silent)
    assert (mine / "imported" / "metadata.json").is_file()


@pytest.mark.parametrize("place", ["nowhere/models", "source.onnx"])
def test_a_repository_that_cannot_be_made_is_refused_before_anything_is_read(place, tmp_path):
    (tmp_path / "source.onnx").touch()
    with pytest.raises(Refused, match="folder"):
        check_free(tmp_path / place, "imported", force=False)
