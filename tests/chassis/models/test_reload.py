"""A reload takes up what holds, refuses what does not, and leaves alone whoever is under way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil

import numpy as np
import pytest

from services.chassis.errors import ModelUnavailable
from services.chassis.models.catalog import Catalog
from services.chassis.models.reload import Reloader, Result
from services.chassis.models.served import Task
from services.chassis.observability.telemetry import Telemetry
from tests.chassis.models.folders import (
    add_version,
    edit,
    flip,
    write_json,
    write_multiplier,
    write_weights,
)
from tests.fakes import FakeInference

TASK = Task("record_embedding", lambda served: served)
X = {"x": np.ones((1, 2), np.float32)}


def multiply(factor):
    return lambda inputs: {"y": inputs["x"] * np.float32(factor)}


@pytest.fixture
def inference():
    return FakeInference(
        {
            "doubler/1": multiply(2),
            "doubler/2": multiply(20),
            "tripler": multiply(3),
            "doubler/3": multiply(200),
        }
    )


@pytest.fixture
def repository(tmp_path):
    write_multiplier(tmp_path, "doubler", 2.0)
    write_multiplier(tmp_path, "tripler", 3.0)
    return tmp_path


@pytest.fixture
async def mesh(repository, inference):
    catalog = Catalog("sample", [repository], [TASK], inference, Telemetry("sample"))
    reloader = Reloader(catalog, retire_after_s=0.05)
    yield catalog, reloader
    await reloader.close()


def upgrade(folder, version, factor):
    """The same model with new weights: a further version folder, and a card that describes it."""
    digest = write_weights(folder / str(version) / "model.onnx", factor)
    edit(
        folder / "metadata.json",
        lambda card: card.update(model_version=version, version=f"{version}.0.0", weights_sha256=digest),
    )


async def results(reloader):
    return {reloaded.entry.name: reloaded.result for reloaded in await reloader.reload()}


async def version_of(catalog, name):
    return (await catalog.named(TASK, name).infer(X)).provenance.model_version


async def test_nothing_changed_is_unchanged_and_asks_triton_nothing(mesh, inference):
    _, reloader = mesh
    assert await results(reloader) == {"doubler": Result.UNCHANGED, "tripler": Result.UNCHANGED}
    assert (inference.loaded, inference.calls) == ([], [])


async def test_a_new_version_is_loaded_asked_and_switched_to_and_the_old_one_ends_later(
    mesh, repository, inference
):
    catalog, reloader = mesh
    held = catalog.named(TASK, "doubler")
    upgrade(repository / "doubler", 2, 20.0)
    assert await results(reloader) == {"doubler": Result.TAKEN_UP, "tripler": Result.UNCHANGED}
    assert inference.loaded == [("doubler", 2)]
    assert await version_of(catalog, "doubler") == "2"
    inferred = await held.infer(X)  # a request that began before goes on with what it began with
    assert (inferred.provenance.model_version, inferred.outputs["y"][0, 0]) == ("1", 2.0)
    assert inferred.provenance.weights_sha256 != catalog.entry("doubler").card.weights_sha256
    await until(lambda: inference.unloaded == [("doubler", 1)])


async def test_a_model_dropped_in_is_served_and_one_taken_out_no_longer(mesh, repository, inference):
    catalog, reloader = mesh
    inference.functions["further"] = multiply(5)
    write_multiplier(repository, "further", 5.0)
    shutil.rmtree(repository / "tripler")
    assert await results(reloader) == {
        "doubler": Result.UNCHANGED,
        "further": Result.TAKEN_UP,
        "tripler": Result.REMOVED,
    }
    assert [model.name for model in catalog.models(TASK)] == ["doubler", "further"]
    await until(lambda: inference.unloaded == [("tripler", 1)])


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda folder: (folder / "metadata.json").write_text("{"), "metadata.json"),
        (lambda folder: flip(folder / "2" / "model.onnx"), "weights_sha256"),
        (
            lambda folder: edit(folder / "metadata.json", lambda c: c["outputs"][0].update(name="z")),
            "outputs[0]",
        ),
        (
            lambda folder: edit(folder / "metadata.json", lambda c: c["outputs"][0].update(shape=[3, 3])),
            "outputs[0].shape",
        ),
    ],
)
async def test_what_does_not_hold_is_refused_with_its_field_and_the_old_version_goes_on(
    mesh, repository, inference, spoil, field
):
    catalog, reloader = mesh
    upgrade(repository / "doubler", 2, 20.0)
    spoil(repository / "doubler")
    (doubler, tripler) = await reloader.reload()
    assert (doubler.result, tripler.result) == (Result.REFUSED, Result.UNCHANGED)
    assert field in [problem.field for problem in doubler.entry.problems]
    assert await version_of(catalog, "doubler") == "1"
    assert (inference.loaded, inference.unloaded) == ([], [])


async def test_what_triton_does_not_load_or_run_is_refused(mesh, repository, inference):
    catalog, reloader = mesh
    del inference.functions["doubler/2"]
    upgrade(repository / "doubler", 2, 20.0)
    (doubler, _) = await reloader.reload()
    assert doubler.result is Result.REFUSED
    assert "does not run: it does not load" in doubler.entry.problems[0].what
    inference.functions["doubler/2"] = lambda _: {"y": np.zeros((7, 1), np.float32)}
    (doubler, _) = await reloader.reload()
    assert "another batch size" in doubler.entry.problems[0].what
    assert await version_of(catalog, "doubler") == "1"
    inference.functions["doubler/2"] = multiply(20)
    assert (await results(reloader))["doubler"] is Result.TAKEN_UP
    assert catalog.entry("doubler").problems == ()


async def test_other_weights_under_a_number_that_is_served_are_refused_and_what_they_replaced_too(
    mesh, repository
):
    """Triton may map the file: nobody knows any more what answers."""
    catalog, reloader = mesh
    upgrade(repository / "doubler", 1, 7.0)
    (doubler, _) = await reloader.reload()
    assert doubler.result is Result.REFUSED
    (changed, problem) = doubler.entry.problems
    assert (changed.field, problem.field) == ("1/model.onnx", "model_version")
    assert "put the new weights into 2/" in problem.remedy
    assert catalog.entry("doubler").served is None


async def test_other_weights_under_a_number_that_is_still_loaded_are_refused_too(mesh, repository):
    """A request that began on the old version may still ask for it by its number."""
    catalog, reloader = mesh
    upgrade(repository / "doubler", 2, 20.0)
    await reloader.reload()
    upgrade(repository / "doubler", 1, 7.0)
    (doubler, _) = await reloader.reload()
    assert (doubler.result, doubler.entry.problems[0].field) == (Result.REFUSED, "model_version")
    assert "put the new weights into 3/" in doubler.entry.problems[0].remedy
    assert await version_of(catalog, "doubler") == "2"


async def test_a_changed_card_of_the_same_weights_is_taken_up(mesh, repository):
    catalog, reloader = mesh
    before = catalog.entry("doubler").served.version.model_sha256
    edit(repository / "doubler" / "metadata.json", lambda card: card.update(intended_use="Other."))
    assert (await results(reloader))["doubler"] is Result.TAKEN_UP
    assert catalog.entry("doubler").served.version.model_sha256 != before
    assert (await catalog.named(TASK, "doubler").infer(X)).provenance.intended_use == "Other."


async def test_a_version_that_comes_back_before_it_ended_stays(mesh, repository, inference):
    catalog, reloader = mesh
    original = json.loads((repository / "doubler" / "metadata.json").read_text())
    upgrade(repository / "doubler", 2, 20.0)
    await reloader.reload()
    write_json(repository / "doubler" / "metadata.json", original)
    await reloader.reload()
    assert await version_of(catalog, "doubler") == "1"
    await until(lambda: inference.unloaded == [("doubler", 2)])
    await asyncio.sleep(0.1)
    assert inference.unloaded == [("doubler", 2)]


async def test_a_refused_model_is_served_once_it_is_corrected(repository, inference):
    content = (repository / "tripler" / "config.pbtxt").read_text()
    (repository / "tripler" / "config.pbtxt").write_text("nonsense {")
    catalog = Catalog("sample", [repository], [TASK], inference, Telemetry("sample"))
    reloader = Reloader(catalog, retire_after_s=0.05)
    with pytest.raises(ModelUnavailable):
        catalog.named(TASK, "tripler")
    assert (await results(reloader))["tripler"] is Result.REFUSED
    (repository / "tripler" / "config.pbtxt").write_text(content)
    assert (await results(reloader))["tripler"] is Result.TAKEN_UP
    assert await version_of(catalog, "tripler") == "1"
    await reloader.close()


async def test_a_candidate_is_taken_up_promoted_and_ends_as_candidate(mesh, repository, inference):
    catalog, reloader = mesh
    add_version(repository / "doubler", 2, 20.0, candidate=2, shadow_candidate=True)
    assert (await results(reloader))["doubler"] is Result.TAKEN_UP
    assert inference.loaded == [("doubler", 1), ("doubler", 2)]
    assert await version_of(catalog, "doubler") == "1"
    write_json(repository / "doubler" / "aliases.json", {"stable": 2})
    assert (await results(reloader))["doubler"] is Result.TAKEN_UP
    assert await version_of(catalog, "doubler") == "2"
    assert catalog.entry("doubler").shadow is None
    await until(lambda: inference.unloaded == [("doubler", 1)])


@pytest.mark.parametrize("file", ["1/model.onnx", "metadata.json", "config.pbtxt"])
async def test_a_byte_that_changes_on_disk_refuses_the_model_until_it_is_whole_and_loaded_again(
    mesh, repository, inference, file
):
    catalog, reloader = mesh
    path = repository / "doubler" / file
    content = path.read_bytes()
    flip(path)
    await looked_at(reloader, lambda: catalog.entry("doubler").problems)
    (problem,) = catalog.entry("doubler").problems
    assert str(problem).startswith(f"{file} has changed since it was taken up")
    with pytest.raises(ModelUnavailable, match=f"doubler is not served: {file} has changed since"):
        catalog.named(TASK, "doubler")
    assert inference.dropped == ["doubler"]
    assert (await version_of(catalog, "tripler"), catalog.entry("tripler").problems) == ("1", ())
    path.write_bytes(content)  # what is loaded may have come from the other one
    await looked_at(reloader)
    assert (catalog.entry("doubler").served, inference.loaded) == (None, [])
    assert await results(reloader) == {"doubler": Result.TAKEN_UP, "tripler": Result.UNCHANGED}
    assert (inference.dropped, inference.loaded) == (["doubler", "doubler"], [("doubler", 1)])
    assert (await version_of(catalog, "doubler"), catalog.entry("doubler").problems) == ("1", ())


async def test_what_changes_of_a_candidate_refuses_the_model_too(mesh, repository):
    catalog, reloader = mesh
    add_version(repository / "doubler", 2, 20.0, candidate=2, shadow_candidate=True)
    await reloader.reload()
    flip(repository / "doubler" / "2" / "model.onnx")
    await looked_at(reloader, lambda: catalog.entry("doubler").problems)
    assert catalog.entry("doubler").served is None


async def test_a_reload_refuses_a_model_whose_own_weights_have_changed(mesh, repository, inference):
    catalog, reloader = mesh
    flip(repository / "doubler" / "1" / "model.onnx")
    assert (await results(reloader))["doubler"] is Result.REFUSED
    assert (catalog.entry("doubler").served, inference.dropped) == (None, ["doubler"])


async def test_after_a_successor_was_refused_the_next_look_leaves_what_is_served(mesh, repository, inference):
    """Whoever reloaded has been told; what changes after that refuses it."""
    catalog, reloader = mesh
    upgrade(repository / "doubler", 2, 20.0)
    flip(repository / "doubler" / "2" / "model.onnx")
    assert (await results(reloader))["doubler"] is Result.REFUSED
    await looked_at(reloader)
    assert (await version_of(catalog, "doubler"), inference.dropped) == ("1", [])
    assert catalog.entry("doubler").problems != ()
    flip(repository / "doubler" / "metadata.json")
    await looked_at(reloader, lambda: catalog.entry("doubler").served is None)


async def test_what_is_gone_unreadable_or_added_is_told_and_what_runs_goes_on(mesh, repository):
    catalog, reloader = mesh
    doubler = repository / "doubler"
    (doubler / "configs").mkdir()
    (doubler / "configs" / "plan.pbtxt").write_text("")
    (doubler / "config.pbtxt").unlink()
    (doubler / "1" / "model.onnx").rename(doubler / "1" / "put away")
    (doubler / "1" / "model.onnx").mkdir()
    await looked_at(reloader, lambda: catalog.entry("doubler").problems)
    assert {problem.field: problem.what for problem in catalog.entry("doubler").problems} == {
        "config.pbtxt": "has disappeared since it was taken up",
        "1/model.onnx": "cannot be read (Is a directory)",
        "configs/plan.pbtxt": "has appeared since it was taken up",
    }
    assert await version_of(catalog, "doubler") == "1"


async def test_a_reload_takes_note_of_what_was_added(mesh, repository):
    catalog, reloader = mesh
    (repository / "doubler" / "configs").mkdir()
    (repository / "doubler" / "configs" / "plan.pbtxt").write_text("")
    await looked_at(reloader, lambda: catalog.entry("doubler").problems)
    assert (await results(reloader))["doubler"] is Result.UNCHANGED
    await looked_at(reloader)
    assert catalog.entry("doubler").problems == ()


async def test_a_reload_whose_caller_has_left_is_brought_to_its_end(mesh, repository, inference):
    catalog, reloader = mesh
    upgrade(repository / "doubler", 2, 20.0)
    inference.hold("doubler")  # the inference that is to prove the new version
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reloader.reload(), 0.2)
    assert catalog.entry("doubler").served.version.runs.number == 1
    inference.release("doubler")
    await until(lambda: catalog.entry("doubler").served.version.runs.number == 2)


async def test_files_beside_the_weights_that_change_on_disk_refuse_it_too(mesh, repository):
    catalog, reloader = mesh
    words = repository / "doubler" / "words.json"
    words.write_text("[]")
    stated = {"path": words.name, "sha256": hashlib.sha256(words.read_bytes()).hexdigest()}
    edit(repository / "doubler" / "metadata.json", lambda card: card["serving"].update(files=[stated]))
    assert (await results(reloader))["doubler"] is Result.TAKEN_UP
    await looked_at(reloader)
    assert catalog.entry("doubler").problems == ()
    words.write_text("[1]")
    await looked_at(reloader, lambda: catalog.entry("doubler").problems)
    (problem,) = catalog.entry("doubler").problems
    assert str(problem).startswith("words.json has changed since it was taken up")
    assert catalog.entry("doubler").served is None


async def looked_at(reloader, condition=None):
    """Looks again until something holds; without that, several times."""
    following = asyncio.create_task(reloader.follow(0.01))
    try:
        if condition is None:
            await asyncio.sleep(0.1)
        else:
            await until(condition)
    finally:
        following.cancel()
        assert isinstance(
            (await asyncio.gather(following, return_exceptions=True))[0], asyncio.CancelledError
        )


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)
