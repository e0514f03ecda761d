"""A card that is missing or broken costs its own model: the others are served."""

from __future__ import annotations

from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, write_model_repository
from tests.imaging import samples
from tests.imaging.conftest import CHEST, HEAD, cards, findings, gate_says

FUNCTIONS = {
    "chest_xray": lambda _: findings(CHEST, 7),
    "head_ct": lambda _: findings(HEAD, 5),
    "image_gate": lambda _: {"probabilities": np.array([[*gate_says().values()]], np.float32)},
}
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
    settings = ImagingSettings(listen="127.0.0.1:0", model_repository=(repository,), drain_s=0)
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
