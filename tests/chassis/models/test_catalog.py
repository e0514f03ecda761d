"""A model is served only while its card, its config, its weights and the service agree."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from google.protobuf import json_format

from services.chassis.errors import ModelUnavailable, ModelUnknown
from services.chassis.models.catalog import UNVERIFIED, Catalog, CataloguedInference
from services.chassis.models.inference import ModelSpec, Tensor
from tests.fakes import FakeInference, model_card, write_model_repository

SPEC = ModelSpec(
    "reader",
    (Tensor("input_ids", np.int64, (-1,)),),
    (Tensor("scores", np.float32, (-1, 5)),),
    preprocessing_version="reader/1",
)
CONFIG = """
backend: "onnxruntime"
max_batch_size: 4
input [ { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] } ]
output [ { name: "scores" data_type: TYPE_FP32 dims: [ -1, 5 ] } ]
dynamic_batching { default_queue_policy { timeout_action: REJECT max_queue_size: 8 } }
instance_group [ { count: 2 kind: KIND_CPU } ]
"""
WEIGHTS = b"the weights"


@pytest.fixture
def repository(tmp_path):
    """A complete model folder."""
    card = model_card(SPEC, weights_sha256=hashlib.sha256(WEIGHTS).hexdigest())
    write_model_repository(tmp_path, [card])
    (tmp_path / "reader" / "config.pbtxt").write_text(CONFIG)
    (tmp_path / "reader" / "1").mkdir()
    (tmp_path / "reader" / "1" / "model.onnx").write_bytes(WEIGHTS)
    return tmp_path


def edit(repository, **fields):
    path = repository / "reader" / "metadata.json"
    card = model_card(SPEC, weights_sha256=hashlib.sha256(WEIGHTS).hexdigest())
    for name, value in fields.items():
        setattr(card, name, value)
    path.write_text(json_format.MessageToJson(card, preserving_proto_field_name=True))


def test_a_model_that_agrees_with_itself_is_served_with_its_provenance(repository):
    catalog = Catalog("language", repository, [SPEC])
    assert catalog.refusal("reader") == ""
    provenance = catalog.provenance("reader", "triton 2.51.0")
    assert (provenance.model_name, provenance.model_version) == ("reader", "1")
    assert provenance.weights_sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert (provenance.runtime, provenance.preprocessing_version) == ("triton 2.51.0", "reader/1")
    assert provenance.intended_use == "For tests only."


def test_the_intended_use_of_whoever_deploys_it_goes_before_the_cards(repository):
    catalog = Catalog("language", repository, [SPEC], intended_use="Ward 7's pilot.")
    assert catalog.provenance("reader", "x").intended_use == "Ward 7's pilot."


def test_weights_on_another_machine_are_served_and_said_to_be_unverified(repository):
    (repository / "reader" / "1" / "model.onnx").unlink()
    provenance = Catalog("language", repository, [SPEC]).provenance("reader", "triton 2.51.0")
    assert provenance.runtime == f"triton 2.51.0 ({UNVERIFIED})"


async def test_exchanged_weights_are_not_served(repository):
    (repository / "reader" / "1" / "model.onnx").write_bytes(b"other weights")
    catalog = Catalog("language", repository, [SPEC])
    guarded = CataloguedInference(FakeInference({"reader": lambda _: {}}), catalog)
    assert "not those of its card" in catalog.refusal("reader")
    assert not await guarded.is_ready("reader")
    with pytest.raises(ModelUnavailable, match="not those of its card"):
        await guarded.infer("reader", {})
    with pytest.raises(ModelUnavailable):
        catalog.provenance("reader", "x")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda r: (r / "reader" / "metadata.json").unlink(), "has no metadata.json"),
        (lambda r: (r / "reader" / "metadata.json").write_text("{"), "no model card"),
        (lambda r: (r / "reader" / "metadata.json").write_text('{"nome": "x"}'), "no model card"),
        (lambda r: (r / "reader" / "metadata.json").write_bytes(b"\xff"), "no model card"),
        (lambda r: edit(r, name="writer"), "another model's"),
        (lambda r: edit(r, preprocessing_version="reader/2"), "preprocessing reader/2"),
        (lambda r: (r / "reader" / "config.pbtxt").write_text("nonsense {"), "cannot be read"),
        (lambda r: (r / "reader" / "config.pbtxt").write_text(CONFIG.replace("INT64", "INT32")), "inputs"),
        (lambda r: (r / "reader" / "config.pbtxt").write_text(CONFIG.replace(", 5 ]", ", 4 ]")), "outputs"),
    ],
)
def test_each_contradiction_is_a_reason_not_to_serve(repository, break_it, reason):
    break_it(repository)
    assert reason in Catalog("language", repository, [SPEC]).refusal("reader")


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (Tensor("tokens", np.int64, (-1,)), "has no input tokens"),
        (Tensor("input_ids", np.int32, (-1,)), "another type or shape"),
        (Tensor("input_ids", np.int64, (-1, 2)), "another type or shape"),
    ],
)
def test_a_card_that_is_not_what_the_service_expects_is_a_reason_too(repository, tensor, reason):
    spec = ModelSpec("reader", (tensor,), SPEC.outputs, "reader/1")
    assert reason in Catalog("language", repository, [spec]).refusal("reader")


async def test_an_unknown_model_is_unknown(repository):
    catalog = Catalog("language", repository, [SPEC])
    with pytest.raises(ModelUnknown):
        catalog.card("writer")
    assert not await CataloguedInference(FakeInference({}), catalog).is_ready("writer")


def test_what_lies_beside_the_weights_is_loaded_from_the_models_folder(repository):
    (repository / "reader" / "vocabulary.json").write_text("[1, 2]")
    catalog = Catalog("language", repository, [SPEC])
    found = catalog.load("reader", lambda folder: (folder / "vocabulary.json").read_text())
    assert (found, catalog.serves("reader")) == ("[1, 2]", True)


def test_a_model_whose_files_are_missing_is_not_served_and_the_file_is_named(repository):
    catalog = Catalog("language", repository, [SPEC])
    assert catalog.load("reader", lambda folder: (folder / "vocabulary.json").read_text()) is None
    assert not catalog.serves("reader")
    assert catalog.refusal("reader").startswith("reader has no vocabulary.json")


def test_a_model_whose_files_are_broken_is_not_served(repository):
    def broken(folder):
        raise RuntimeError(folder)

    catalog = Catalog("language", repository, [SPEC])
    assert catalog.load("reader", broken) is None
    assert catalog.refusal("reader").startswith("The files of reader beside its weights cannot be read")


def test_nothing_is_loaded_for_a_model_that_is_refused_already(repository):
    (repository / "reader" / "metadata.json").unlink()
    catalog = Catalog("language", repository, [SPEC])
    assert catalog.load("reader", lambda _: pytest.fail("was read")) is None
    assert "metadata.json" in catalog.refusal("reader")
