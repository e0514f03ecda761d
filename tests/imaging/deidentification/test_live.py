"""Burned-in text on a real Triton: what was drawn into a picture is covered, and the rest is as it was."""

from __future__ import annotations

import io
import shutil

import grpc
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from medmesh.imaging.v1 import deidentification_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.conftest import REPOSITORY
from tests.imaging import samples

pytestmark = pytest.mark.live
NAME = "pixel_text"
KEY = b"a key of sixteen bytes or more"


async def test_text_in_a_picture_is_covered(tmp_path):
    shutil.copytree(REPOSITORY / "triton_repo" / NAME, tmp_path / "models" / NAME)
    grey = np.tile(np.linspace(40, 120, 480).astype(np.uint8), (480, 1))
    picture = Image.fromarray(grey)
    box = (40, 30, 250, 60)
    ImageDraw.Draw(picture).text(box[:2], "SMITH, JOHN A", fill=255, font=ImageFont.load_default(28))

    async def messages():
        yield pb.DeidentifyImageRequest(options=pb.ImageDeidentificationOptions(key=KEY))
        yield pb.DeidentifyImageRequest(chunk=samples.picture(np.asarray(picture)))

    triton_settings = TritonSettings(repository=(tmp_path / "models",), log=tmp_path / "triton.log")
    with EmbeddedTriton.start(triton_settings) as triton:
        settings = ImagingSettings(
            listen="127.0.0.1:0", triton_url=triton.grpc_address, model_repository=(tmp_path / "models",)
        )
        async with (
            running_server(SERVICE, settings) as running,
            grpc.aio.insecure_channel(running.address) as channel,
        ):
            answers = [a async for a in ImagingServiceStub(channel).DeidentifyImage(messages(), timeout=60)]

    data = b"".join(answer.chunk for answer in answers)
    with Image.open(io.BytesIO(data)) as image:
        after = np.asarray(image)
    written = np.asarray(picture) != grey
    assert written.any()
    assert (after[written] == 0).all()
    far = np.ones(grey.shape, bool)
    for region in answers[0].deidentification.masked_regions:
        rows = slice(region.top_px, region.top_px + region.height_px)
        far[rows, region.left_px : region.left_px + region.width_px] = False
    assert np.array_equal(after[far], grey[far])
    assert far.mean() > 0.8
