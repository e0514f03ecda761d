"""A service serves every model whose card names one of its tasks, and refuses by name what does not hold."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from services.chassis.errors import ModelUnavailable, ModelUnknown
from services.chassis.models.catalog import Catalog
from services.chassis.models.served import Task
from services.chassis.observability.telemetry import Telemetry
from tests.chassis.models.folders import add_version, edit, write_multiplier
from tests.fakes import FakeInference

TASK = Task("record_embedding", lambda served: served)
OTHER = Task("text_embedding", lambda served: served)


def multiply(factor):
    return lambda inputs: {"y": inputs["x"] * np.float32(factor)}


@pytest.fixture
def inference():
    return FakeInference({"doubler": multiply(2), "tripler": multiply(3)})


def catalog(inference, *repository, tasks=(TASK,), **options):
    return Catalog("sample", repository, tasks, inference, Telemetry("sample"), **options)


X = {"x": np.ones((1, 2), np.float32)}


async def test_a_model_answers_with_its_provenance(tmp_path, inference):
    write_multiplier(tmp_path, "doubler")
    served = catalog(inference, tmp_path).only(TASK)
    inferred = await served.infer(X)
    assert inferred.outputs["y"].tolist() == [[2.0, 2.0]]
    provenance = inferred.provenance
    assert (provenance.model_name, provenance.model_version) == ("doubler", "1")
    assert (provenance.card_version, provenance.preprocessing_version) == ("1.0.0", "record/1")
    assert provenance.weights_sha256 == served.card.weights_sha256
    assert provenance.model_sha256 == served.version.model_sha256
    assert (provenance.runtime, provenance.intended_use) == ("fake 1.0", "For tests only.")
    assert provenance.weights_verification == 1  # STATED: the fake has no other word than the card's


async def test_the_intended_use_of_whoever_deploys_it_goes_before_the_cards(tmp_path, inference):
    write_multiplier(tmp_path, "doubler")
    served = catalog(inference, tmp_path, intended_use="Ward 7's pilot.").only(TASK)
    assert (await served.infer(X)).provenance.intended_use == "Ward 7's pilot."


def test_models_of_other_tasks_are_another_services(tmp_path, inference):
    write_multiplier(tmp_path, "doubler")
    found = catalog(inference, tmp_path, tasks=(OTHER,))
    assert found.entries() == []
    with pytest.raises(ModelUnavailable, match="no model with the task text_embedding"):
        found.only(OTHER)


def test_a_request_may_name_models_and_else_gets_the_defaults(tmp_path, inference):
    write_multiplier(tmp_path, "doubler")
    write_multiplier(tmp_path, "tripler")
    third = write_multiplier(tmp_path, "optional")
    edit(third / "metadata.json", lambda card: card["serving"].update(default_answer=False))
    found = catalog(inference, tmp_path)
    assert [m.name for m in found.models(TASK)] == ["doubler", "optional", "tripler"]
    assert [m.name for m in found.choose(TASK, [])] == ["doubler", "tripler"]
    assert [m.name for m in found.choose(TASK, ["optional", "doubler", "optional"])] == [
        "optional",
        "doubler",
    ]
    with pytest.raises(ModelUnknown) as caught:
        found.choose(TASK, ["doubler", "Mrs Example"])
    assert "Mrs Example" not in str(caught.value)


def test_of_several_defaults_the_one_of_the_first_folder_gives_the_one_answer(tmp_path, inference):
    write_multiplier(tmp_path / "own", "tripler")
    write_multiplier(tmp_path / "shipped", "doubler")
    assert catalog(inference, tmp_path / "own", tmp_path / "shipped").only(TASK).name == "tripler"
    assert catalog(inference, tmp_path / "shipped", tmp_path / "own").only(TASK).name == "doubler"


def test_what_does_not_hold_is_refused_by_name_and_the_rest_is_served(tmp_path, inference):
    write_multiplier(tmp_path, "doubler")
    bad = write_multiplier(tmp_path, "tripler")
    with (bad / "1" / "model.onnx").open("ab") as weights:
        weights.write(b"\0")
    found = catalog(inference, tmp_path)
    assert [m.name for m in found.models(TASK)] == ["doubler"]
    with pytest.raises(
        ModelUnavailable, match="tripler is not served: weights_sha256 is not the digest"
    ) as caught:
        found.named(TASK, "tripler")
    assert caught.value.metadata == {"model": "tripler"}
    assert found.choose(TASK, [])[0].name == "doubler"


def test_why_the_only_model_of_a_task_is_refused_is_reported_to_whoever_asks(tmp_path, inference):
    folder = write_multiplier(tmp_path, "doubler")
    (folder / "config.pbtxt").write_text("nonsense {")
    with pytest.raises(ModelUnavailable, match=r"doubler is not served: config\.pbtxt is not a Triton"):
        catalog(inference, tmp_path).only(TASK)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            FileNotFoundError(2, "gone", "/somewhere/vocabulary.json"),
            "needs vocabulary.json, which is missing",
        ),
        (ValueError("the window is empty"), "cannot be served: the window is empty"),
        (RuntimeError("whatever lies in /somewhere"), "cannot be served: RuntimeError"),
    ],
)
def test_what_a_task_cannot_build_is_refused_with_the_reason(tmp_path, inference, error, told):
    def build(served):
        raise error

    write_multiplier(tmp_path, "doubler")
    entry = catalog(inference, tmp_path, tasks=(Task("record_embedding", build),)).entry("doubler")
    assert entry.served is None
    assert told in entry.refusal
    assert "/somewhere" not in entry.refusal


def test_a_card_that_cannot_be_read_at_all_is_reported(tmp_path, inference):
    folder = write_multiplier(tmp_path, "doubler")
    (folder / "metadata.json").write_text("{")
    (entry,) = catalog(inference, tmp_path).entries()
    assert (entry.name, entry.served, entry.checked.task) == ("doubler", None, "")
    assert "is not JSON" in entry.refusal


async def test_a_candidate_runs_beside_and_its_agreement_is_counted(tmp_path):
    folder = write_multiplier(tmp_path, "doubler")
    add_version(folder, 2, 3.0, candidate=2, shadow_candidate=True)
    inference = FakeInference({"doubler/1": multiply(2), "doubler/2": multiply(-3)})
    found = catalog(inference, tmp_path)
    served, shadow = found.only(TASK), found.entry("doubler").shadow
    inferred = await served.infer({"x": np.array([[1, 2], [5, 5]], np.float32)})
    assert inferred.outputs["y"].tolist() == [[2, 4], [10, 10]]
    assert inferred.provenance.model_version == "1"
    while shadow.comparison.compared_count < 2:
        await _pause()
    assert shadow.comparison.agreed_count == 1  # of equal scores the first is the highest in both
    assert shadow.comparison.max_abs_difference == 25.0
    assert [name for name, _ in inference.calls] == ["doubler", "doubler"]


async def test_a_candidate_that_fails_or_hangs_changes_no_answer(tmp_path):
    folder = write_multiplier(tmp_path, "doubler")
    add_version(folder, 2, 3.0, candidate=2, shadow_candidate=True)
    inference = FakeInference(
        {"doubler/1": multiply(2), "doubler/2": lambda _: {"y": np.zeros((9, 9), np.float32)}}
    )
    found = catalog(inference, tmp_path)
    served, shadow = found.only(TASK), found.entry("doubler").shadow
    for _ in range(5):
        assert (await served.infer(X)).outputs["y"].tolist() == [[2.0, 2.0]]
    while shadow.comparison.missed_count < 5:
        await _pause()
    assert shadow.comparison.compared_count == 0
    await found.close()


async def _pause():
    await asyncio.sleep(0.01)
