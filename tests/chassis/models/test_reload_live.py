"""A reload on a real Triton, through the service's own rpc, while eight callers go on calling.

Each answer tells by its numbers which weights computed it: version n of `multiplier` multiplies by n. What
the provenance says is held against that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections import Counter
from dataclasses import replace

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import InferenceServerClient

from medmesh.common.v1 import catalog_pb2 as pb
from medmesh.common.v1 import catalog_pb2_grpc
from services.chassis.errors import ModelUnavailable
from services.chassis.models.inference import Verification
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import model_folders
from services.chassis.models.triton import TritonInference
from services.chassis.rpc.server import running_server
from services.chassis.settings import ServiceSettings
from services.local.triton import EmbeddedTriton, TritonSettings, launcher
from services.local.triton.processes import model_instances
from tests.chassis.conftest import DOUBLING, PREFIX, Handlers, Text
from tests.chassis.models.folders import (
    add_version,
    edit,
    flip,
    write_json,
    write_mapped_multiplier,
    write_multiplier,
    write_weights,
)
from tests.fakes import model_version
from training.model_card import with_digest

pytestmark = pytest.mark.live

CALLERS = 8
MAXIMUM_DEADLINE_S = 15.0
"""Also how long an old version stays loaded."""
NOT_SERVED = (grpc.StatusCode.UNAVAILABLE, "The model is not served at present.")
X = {"x": np.ones((1, 1), np.float32)}


@pytest.fixture
def repository(tmp_path):
    write_multiplier(tmp_path / "models", "multiplier", 1.0)
    write_multiplier(tmp_path / "models", "steady", 7.0)
    return tmp_path / "models"


@pytest.fixture
async def triton(repository, tmp_path):
    """The embedded Triton, and what keeps its links: as `medmesh up` does."""
    settings = TritonSettings(repository=(repository,), log=tmp_path / "triton.log")
    server = await asyncio.to_thread(EmbeddedTriton.start, settings, [].append)

    async def tend():
        while True:
            server.check()
            await asyncio.sleep(0.2)

    tending = asyncio.create_task(tend())
    yield server
    assert not tending.done(), tending.exception()
    tending.cancel()
    await asyncio.to_thread(server.stop)


async def answer(parts, message, context):
    """Multiplies 1 by the model that the note names; says which version says it did, and the product."""
    inferred = await parts.catalog.named(DOUBLING, message.note).infer(X)
    await asyncio.sleep(0.001)
    provenance, product = inferred.provenance, inferred.outputs["y"][0, 0]
    return Text(note=f"{provenance.model_version} {product:g} {provenance.weights_sha256}")


@pytest.fixture
async def channel(repository, triton):
    settings = ServiceSettings(
        model_repository=(repository,),
        triton_url=triton.grpc_address,
        maximum_deadline_s=MAXIMUM_DEADLINE_S,
        default_deadline_s=MAXIMUM_DEADLINE_S,
    )
    async with (
        running_server(Handlers(unary=answer).service(), settings) as running,
        grpc.aio.insecure_channel(running.address) as open_channel,
    ):
        yield open_channel


def call(channel, model="multiplier"):
    return channel.unary_unary(PREFIX + "Unary", Text.SerializeToString, Text.FromString)(Text(note=model))


def upgrade(folder, version):
    digest = write_weights(folder / str(version) / "model.onnx", float(version))
    edit(
        folder / "metadata.json",
        lambda card: card.update(model_version=version, version=f"{version}.0.0", weights_sha256=digest),
    )
    return digest


async def reload(channel):
    catalog = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
    answered = await catalog.ReloadModels(pb.ReloadModelsRequest())
    return {
        m.name: (pb.ModelReload.Result.Name(m.result), [p.field for p in m.problems]) for m in answered.models
    }


async def test_no_request_of_eight_callers_fails_and_each_answer_names_what_computed_it(
    repository, triton, channel
):
    folder = repository / "multiplier"
    digests = {1: inspect(model_folders([repository])["multiplier"]).stable.card.weights_sha256}
    answers, ended = Counter(), asyncio.Event()

    async def caller():
        while not ended.is_set():
            version, product, digest = (await call(channel)).note.split()
            assert float(product) == int(version)
            assert digest == digests[int(version)]
            answers[int(version)] += 1

    callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
    for version in (2, 3, 4):
        await until(lambda seen=version - 1: answers[seen] > 50)
        digests[version] = upgrade(folder, version)
        assert (await reload(channel))["multiplier"] == ("RESULT_TAKEN_UP", [])
        await until(lambda seen=version: answers[seen] > 50)
    await until(lambda: ready_versions(triton) == {4}, 60)  # the old ones are unloaded under load, too
    ended.set()
    await asyncio.gather(*callers)  # a failed request fails its caller
    assert set(answers) == {1, 2, 3, 4}


async def test_what_does_not_hold_is_refused_by_field_and_everything_goes_on(repository, channel):
    folder = repository / "multiplier"
    assert (await call(channel)).note.startswith("1 1 ")
    upgrade(folder, 2)
    flip(folder / "2" / "model.onnx")
    result, fields = (await reload(channel))["multiplier"]
    assert (result, "weights_sha256" in fields) == ("RESULT_REFUSED", True)
    assert (await call(channel)).note.startswith("1 1 ")
    assert (await call(channel, "steady")).note.startswith("1 7 ")
    upgrade(folder, 2)
    assert (await reload(channel))["multiplier"] == ("RESULT_TAKEN_UP", [])
    assert (await call(channel)).note.startswith("2 2 ")


async def test_a_model_dropped_in_answers_and_one_taken_out_is_unknown(repository, channel):
    write_multiplier(repository, "fresh", 5.0)
    assert (await reload(channel))["fresh"] == ("RESULT_TAKEN_UP", [])
    assert (await call(channel, "fresh")).note.startswith("1 5 ")
    (repository / "fresh").rename(repository.parent / "put away")
    assert (await reload(channel))["fresh"] == ("RESULT_REMOVED", [])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, "fresh")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_candidate_is_compared_on_live_requests(repository, channel):
    folder = repository / "multiplier"
    add_version(folder, 2, 2.0, candidate=2, shadow_candidate=True)
    assert (await reload(channel))["multiplier"] == ("RESULT_TAKEN_UP", [])
    for _ in range(5):
        assert (await call(channel)).note.startswith("1 1 ")
    catalog = catalog_pb2_grpc.ModelCatalogServiceStub(channel)

    async def candidate():
        models = (await catalog.ListModels(pb.ListModelsRequest())).models
        return next(model.candidate for model in models if model.name == "multiplier")

    async with asyncio.timeout(30):
        while (found := await candidate()).compared_count + found.missed_count < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (found.model_version, found.shadow) == ("2", True)
    assert found.max_abs_difference == 1.0
    write_json(folder / "aliases.json", {"stable": 2})
    assert (await reload(channel))["multiplier"] == ("RESULT_TAKEN_UP", [])
    assert (await call(channel)).note.startswith("2 2 ")


class TestAByteFlippedAfterTheLoad:
    """Two services, as replicas, on one Triton; only the first one looks."""

    @pytest.fixture
    async def replicas(self, repository, triton):
        async with contextlib.AsyncExitStack() as stack:
            opened = []
            for every_s in (0.2, 0.0):
                settings = ServiceSettings(
                    model_repository=(repository,),
                    triton_url=triton.grpc_address,
                    default_deadline_s=30.0,
                    weights_check_s=every_s,
                    health_interval_s=0.1,
                )
                service = Handlers(unary=answer).service()
                running = await stack.enter_async_context(running_server(service, settings))
                opened.append(await stack.enter_async_context(grpc.aio.insecure_channel(running.address)))
            yield opened

    async def test_weights_are_refused_by_both_until_they_are_whole_and_loaded_again(
        self, repository, triton, replicas
    ):
        looks, other = replicas
        for channel in replicas:
            assert (await call(channel)).note.startswith("1 1 ")
        before = instance_of(triton, "multiplier")
        weights = repository / "multiplier" / "1" / "model.onnx"
        content = weights.read_bytes()
        flip(weights)
        await refused(looks)
        reason = "multiplier is not served: 1/model.onnx has changed since it was taken up"
        assert (await told(looks, "multiplier")).startswith(reason)
        assert await model_health(looks) == "refused: multiplier"
        await until(lambda: instance_of(triton, "multiplier") is None)
        await refused(other)  # Triton has given it up, and does not load it as it is
        assert (await call(looks, "steady")).note.startswith("1 7 ")
        assert (await reload(looks))["multiplier"][0] == "RESULT_REFUSED"

        weights.write_bytes(content)
        await asyncio.sleep(1)
        await refused(looks)
        assert (await reload(looks))["multiplier"] == ("RESULT_TAKEN_UP", [])
        assert (await call(looks)).note.startswith("1 1 ")
        assert await model_health(looks) == ""
        assert instance_of(triton, "multiplier") not in {None, before}
        assert (await reload(other))["multiplier"] == ("RESULT_UNCHANGED", [])
        await asyncio.sleep(5)  # what did not load is not tried again before
        assert (await call(other)).note.startswith("1 1 ")

    async def test_a_file_that_is_mapped_changes_answers_and_is_refused(self, repository, triton, replicas):
        looks, _ = replicas
        mapped = write_mapped_multiplier(repository, "mapped", 2.0)
        assert (await reload(looks))["mapped"] == ("RESULT_TAKEN_UP", [])
        assert (await call(looks, "mapped")).note.startswith("1 2 ")
        before, content, state = instance_of(triton, "mapped"), mapped.read_bytes(), mapped.stat()
        runs = inspect(model_folders([repository])["mapped"]).stable.runs
        flip(mapped)
        inference = TritonInference(triton.grpc_address)  # as a caller of Triton that does not look
        assert (await inference.infer(runs, X, timeout_s=30)).outputs["y"][0, 0] != 2.0
        await inference.close()
        await refused(looks, "mapped")
        reason = "mapped is not served: 1/factor has changed since it was taken up"
        assert (await told(looks, "mapped")).startswith(reason)
        mapped.write_bytes(content)
        # Nothing but the content tells Triton that the file was another one.
        os.utime(mapped, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert (await reload(looks))["mapped"] == ("RESULT_TAKEN_UP", [])
        assert (await call(looks, "mapped")).note.startswith("1 2 ")
        await until(lambda: before not in model_instances(triton.pid))  # which mapped the file
        assert (await call(looks, "mapped")).note.startswith("1 2 ")


async def refused(channel, model="multiplier"):
    """Returns once it is refused, as one that is refused at its load."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call(channel, model)
            except grpc.aio.AioRpcError as error:
                assert (error.code(), error.details()) == NOT_SERVED  # noqa: PT017 - it is waited for
                return
            await asyncio.sleep(0.02)


async def told(channel, model):
    """Why a model is not served, as `medmesh models` tells it."""
    listed = await catalog_pb2_grpc.ModelCatalogServiceStub(channel).ListModels(pb.ListModelsRequest())
    return next(one.reason for one in listed.models if one.name == model)


async def model_health(channel):
    """What the health of `models` tells; empty: they are well."""
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="models"))
    await check
    return dict(await check.trailing_metadata()).get("x-medmesh-problem", "")


def instance_of(triton, model):
    """The process that runs a model; None: none does."""
    return next((pid for pid, name in model_instances(triton.pid).items() if name == model), None)


class TestStart:
    """What Triton loads by itself is the highest version; which one answers, the card and the aliases say."""

    @pytest.fixture
    def repository(self, repository):
        folder = repository / "multiplier"
        add_version(folder, 2, 2.0, stable=1)
        (folder / "3").mkdir()
        (folder / "3" / "model.onnx").write_bytes(b"under way")
        return repository

    async def test_the_version_that_is_to_answer_is_loaded_when_it_is_asked_for(self, channel):
        assert (await call(channel)).note.startswith("1 1 ")

    async def test_a_triton_that_comes_back_is_given_its_versions_again(self, triton, channel):
        assert (await call(channel)).note.startswith("1 1 ")
        inference = TritonInference(triton.grpc_address)
        # as after a restart, when it has loaded another one or none
        await inference.unload(model_version("multiplier", [], []), [])
        await inference.close()
        assert (await call(channel)).note.startswith("1 1 ")


def ready_versions(triton):
    """The versions of `multiplier` that Triton has loaded."""
    with InferenceServerClient(triton.grpc_address) as client:
        models = client.get_model_repository_index().models
    return {int(m.version) for m in models if m.name == "multiplier" and m.state == "READY"}


class TestVerification:
    async def test_the_embedded_tritons_weights_are_digested(self, repository, triton):
        runs = inspect(model_folders([repository])["multiplier"]).stable.runs
        inference = TritonInference(triton.grpc_address)
        found = await inference.infer(runs, X, timeout_s=30)
        assert found.verification is Verification.DIGESTED
        await inference.close()

    async def test_an_embedded_triton_with_another_repository_is_found_out_and_goes_on(
        self, triton, repository, tmp_path
    ):
        ours = inspect(model_folders([repository])["multiplier"]).stable.runs
        write_multiplier(tmp_path / "theirs", "multiplier", 9.0)
        theirs = inspect(model_folders([tmp_path / "theirs"])["multiplier"]).stable.runs
        inference = TritonInference(triton.grpc_address)
        with pytest.raises(ModelUnavailable, match="not those whose digest the configuration states"):
            await inference.infer(theirs, X, timeout_s=30)
        assert (await inference.infer(ours, X, timeout_s=30)).outputs["y"][0, 0] == 1.0
        await inference.close()

    async def test_without_model_control_tritons_configuration_is_the_only_word(
        self, repository, tmp_path, monkeypatch
    ):
        """As of one in production, which loads what it has, without model control."""
        made = launcher._arguments

        def uncontrolled(*parts):
            words = [word for word in made(*parts) if not word.startswith("--load-model")]
            return [*words, "--id=triton", "--model-control-mode=none"]

        monkeypatch.setattr(launcher, "_arguments", uncontrolled)
        write_multiplier(repository, "stated", 3.0)
        state_digest(repository / "multiplier")
        state_digest(repository / "stated")
        write_multiplier(tmp_path / "theirs", "multiplier", 9.0)
        models = {name: inspect(folder).stable.runs for name, folder in model_folders([repository]).items()}
        theirs = inspect(model_folders([tmp_path / "theirs"])["multiplier"]).stable.runs
        settings = TritonSettings(repository=(repository,), log=tmp_path / "log")
        server = await asyncio.to_thread(EmbeddedTriton.start, settings, [].append)
        inference = TritonInference(server.grpc_address)
        found = {name: (await inference.infer(models[name], X, timeout_s=30)).verification for name in models}
        assert found == {
            "multiplier": Verification.CONFIGURED,
            "stated": Verification.CONFIGURED,
            "steady": Verification.STATED,
        }
        with pytest.raises(ModelUnavailable, match="serves other weights of version 1 than the card's"):
            await inference.infer(theirs, X, timeout_s=30)
        second = replace(models["steady"], number=2)
        with pytest.raises(
            ModelUnavailable, match="has not loaded version 2 and does not allow model control"
        ):
            await inference.infer(second, X, timeout_s=30)
        await inference.close()
        await asyncio.to_thread(server.stop)


def state_digest(folder):
    """Writes the digest of version 1's weights into the configuration, as an export does."""
    digest = hashlib.sha256((folder / "1" / "model.onnx").read_bytes()).hexdigest()
    config = folder / "config.pbtxt"
    config.write_text(with_digest(config.read_text(), 1, digest))


async def until(condition, timeout_s=30):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)
