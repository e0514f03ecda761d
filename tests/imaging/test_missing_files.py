"""A card that is missing or broken costs its own model: the others are served."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clients.cli.doctor import Verdict, _parts
from medmesh.connection import Connection
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from services.local import ports
from tests.fakes import FakeInference, write_model_repository
from tests.imaging import samples
from tests.imaging.conftest import CHEST, HEAD, cards, findings, gate_says

FUNCTIONS = {
    "chest_xray": lambda _: findings(CHEST, 7),
    "head_ct": lambda _: findings(HEAD, 5),
    "image_gate": lambda _: {"probabilities": np.array([[*gate_says().values()]], np.float32)},
}
METRICS = ports.claim("127.0.0.1", {"metrics": 0}, "{}")["metrics"]
IMAGE = samples.dicom(samples.chest())


@asynccontextmanager
async def running_without(tmp_path, name, harm):
    """The service, with one model's card harmed."""
    repository = write_model_repository(tmp_path, cards())
    card = repository / name / "metadata.json"
    if harm == "missing":
        card.unlink()
    else:
        text = card.read_text()
        card.write_text("{" if harm == "broken" else text.replace('"height_px": ', '"height_px": 1'))
    settings = ImagingSettings(
        listen="127.0.0.1:0", model_repository=(repository,), drain_s=0, metrics_listen=f"127.0.0.1:{METRICS}"
    )
    async with (
        running_server(SERVICE, settings, inference=FakeInference(FUNCTIONS)) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield running, imaging_pb2_grpc.ImagingServiceStub(channel)


def request(**options):
    return pb.AnalyzeImageRequest(sources=[pb.ImageSource(content=IMAGE)], options=pb.ImageOptions(**options))


@pytest.mark.parametrize("harm", ["missing", "broken", "other steps"])
@pytest.mark.parametrize("name", ["head_ct", "image_gate"])
async def test_the_chest_is_read_without_an_optional_model(tmp_path, name, harm):
    async with running_without(tmp_path, name, harm) as (running, stub):
        (result,) = (await stub.AnalyzeImage(request(), timeout=20)).analysis.results
        assert result.findings[0].label == "bacterial_pneumonia"
        unjudged = [n for n in result.notices if n.reason == "IMAGE_NOT_JUDGED" and n.review_required]
        assert bool(unjudged) == (name == "image_gate")
        assert running.parts.health.problems == {}
        assert (running.parts.health.trouble("safeguards") == "") == (name != "image_gate")
        assert name not in [e.name for e in running.parts.catalog.entries() if e.served]


async def test_what_only_a_refused_gate_could_say_is_no_fault_of_the_image(tmp_path):
    picture = pb.AnalyzeImageRequest(
        sources=[pb.ImageSource(content=samples.picture(samples.chest()))], options=pb.ImageOptions()
    )
    async with running_without(tmp_path, "image_gate", "other steps") as (_, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.AnalyzeImage(picture, timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_what_a_refused_model_would_read_is_unavailable_and_said_why(tmp_path):
    async with running_without(tmp_path, "chest_xray", "other steps") as (running, stub):
        for options in ({}, {"models": ["chest_xray"]}):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.AnalyzeImage(request(**options), timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        refusal = running.parts.catalog.entry("chest_xray").refusal
        assert "preprocessing.steps: they give [1, 1224" in refusal


async def health_of(running, part):
    """What `Check` answers of a part: its state, and what is wrong with it."""
    async with grpc.aio.insecure_channel(running.address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=part))
        state = health_pb2.HealthCheckResponse.ServingStatus.Name((await call).status)
        return state, dict(await call.trailing_metadata()).get("x-medmesh-problem", "")


def unjudged():
    """What the metrics say of each model that asks for a gate."""
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r'^medmesh_model_unjudged{medmesh_model_name="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found}


@pytest.mark.parametrize(("harm", "gate"), [("other steps", "image_gate"), ("missing", "no gate is served")])
async def test_a_safeguard_that_is_missing_is_named_in_health_and_the_service_serves(tmp_path, harm, gate):
    async with running_without(tmp_path, "image_gate", harm) as (running, _):
        told = f"missing: {gate}; not judged: chest_xray, head_ct"
        assert await health_of(running, "safeguards") == ("NOT_SERVING", told)
        assert (await health_of(running, ""))[0] == "SERVING"
        assert await asyncio.to_thread(unjudged) == {"chest_xray": 1, "head_ct": 1}
        connection = Connection({"imaging": running.address})
        (finding,) = await asyncio.to_thread(lambda: list(_parts(connection, ["imaging"])))
        assert (finding.verdict, finding.subject) == (Verdict.BAD, "imaging: safeguards")
        assert told in finding.found


async def test_a_gate_that_does_not_answer_is_named_in_health_until_it_does(imaging):
    health = imaging.running.parts.health
    await health.refresh()
    assert await health_of(imaging.running, "safeguards") == ("SERVING", "")
    imaging.inference.stop("image_gate")
    await health.refresh()
    told = "missing: image_gate; not judged: chest_xray, head_ct"
    assert await health_of(imaging.running, "safeguards") == ("NOT_SERVING", told)
    assert (await health_of(imaging.running, ""))[0] == "SERVING"
    imaging.inference.start("image_gate")
    await health.refresh()
    assert await health_of(imaging.running, "safeguards") == ("SERVING", "")
