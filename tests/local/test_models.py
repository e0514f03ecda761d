"""`medmesh models check`: what would be refused is known before anything is served."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil

import onnx
import pytest

from services.local import models, topology
from tests.chassis.models.folders import edit, write_multiplier
from tests.fakes import REAL_MODELS
from tools.bootstrap import Missing


@pytest.mark.slow
def test_the_shipped_models_would_be_served_each_by_its_service():
    found = {one.name: one for one in models.check([REAL_MODELS])}
    assert {name for name, one in found.items() if one.problems} == set()
    assert {one.service for one in found.values()} == {"imaging", "language", "recommendation"}
    assert found["image_gate"].task == "image_gate"


@pytest.mark.slow
def test_what_only_the_code_of_a_task_knows_is_found_too(tmp_path):
    shutil.copytree(REAL_MODELS / "note_embedding", tmp_path / "note_embedding")
    (tmp_path / "note_embedding" / "tokenizer.json").write_text("{}")
    digest = models.inspect_all([tmp_path])[0].problems
    assert [problem.field for problem in digest] == ["serving.files[0].sha256"]
    edit(
        tmp_path / "note_embedding" / "metadata.json",
        lambda card: card["serving"]["files"][0].update(sha256=hashlib.sha256(b"{}").hexdigest()),
    )
    assert models.inspect_all([tmp_path])[0].problems == ()  # as far as the folder shows
    (one,) = models.check([tmp_path])
    assert one.service == "language"
    assert [problem.field for problem in one.problems] == ["serving.text_embedding"]


def test_a_folder_may_be_a_repository_or_one_models_own_and_both_are_checked_apart(tmp_path):
    own = write_multiplier(tmp_path / "one", "same", 1.0)
    other = write_multiplier(tmp_path / "two", "same", 2.0)
    edit(other / "metadata.json", lambda card: card.pop("version"))
    found = models.inspect_all([own, tmp_path / "two"])
    assert [one.folder for one in found] == [own, other]
    assert [len(one.problems) for one in found] == [0, 1]


@pytest.mark.slow
def test_a_task_that_no_service_serves_is_reported(tmp_path, monkeypatch):
    folder = write_multiplier(tmp_path, "doubler")
    known = topology.load()
    without = {name: service for name, service in known.services.items() if name != "recommendation"}
    monkeypatch.setattr(topology, "load", lambda: dataclasses.replace(known, services=without))
    (one,) = models.check([folder])
    assert "which no service implements yet" in one.problems[0].what


def test_a_model_that_generates_text_has_to_stream_it(tmp_path):
    folder = write_multiplier(tmp_path, "writer")
    serving = {
        "preprocessing_version": "text/1",
        "text_generation": {"prompt_tensor": "x", "text_tensor": "y"},
    }
    edit(folder / "metadata.json", lambda card: card.update(serving=serving))
    (one,) = models.inspect_all([folder])
    assert "config.pbtxt: model_transaction_policy.decoupled" in {p.field for p in one.problems}


def test_a_folder_without_models_is_reported(tmp_path):
    with pytest.raises(Missing, match="holds no model"):
        models.check([tmp_path])


@pytest.mark.live
def test_what_only_running_shows_is_found_when_it_is_asked_for(tmp_path):
    """A graph whose output is not of the shape that it declares: nothing but running it tells."""
    for name in ("good", "bad"):
        shutil.copytree(REAL_MODELS / "patient_encoder", tmp_path / name)
        config = tmp_path / name / "config.pbtxt"
        config.write_text(
            re.sub(r"^(name:|parameters .*medmesh).*\n", "", config.read_text(), flags=re.MULTILINE)
        )
        edit(tmp_path / name / "metadata.json", lambda card, name=name: card.update(name=name))
    weights = tmp_path / "bad" / "1" / "model.onnx"
    model = onnx.load(weights)
    output = next(value for value in model.graph.output if value.name == "representation")
    node = next(node for node in model.graph.node if "representation" in node.output)
    node.output[list(node.output).index("representation")] = "one"
    model.graph.node.append(onnx.helper.make_node("Concat", ["one", "one"], ["representation"], axis=0))
    assert output.type.tensor_type.shape.dim[0].dim_param  # the batch: the graph gives two rows for one
    onnx.save(model, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    edit(tmp_path / "bad" / "metadata.json", lambda card: card.update(weights_sha256=digest))
    assert [one.problems for one in models.check([tmp_path])] == [(), ()]
    bad, good = models.check([tmp_path], run=True)
    assert good.problems == ()
    assert [problem.field for problem in bad.problems] == ["1/"]
    assert "does not run" in bad.problems[0].what
