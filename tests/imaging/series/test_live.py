"""A head CT of thirty real slices on a real Triton: the slices that bleed are the key slices."""

from __future__ import annotations

import shutil

import grpc
import numpy as np
import pytest
from PIL import Image

from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.conftest import REPOSITORY
from tests.imaging.series.stacks import SIDE, files, head, zipped

pytestmark = pytest.mark.live
MODELS = ("head_ct", "image_gate")
BLEEDING_AT = (12, 13, 14)
"""Places of the bleeding slices among the thirty."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in MODELS:
        shutil.copytree(REPOSITORY / "triton_repo" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def triton(repository, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=log)) as server:
        yield server


@pytest.fixture
async def stub(triton, repository):
    settings = ImagingSettings(
        listen="127.0.0.1:0", triton_url=triton.grpc_address, model_repository=(repository,)
    )
    async with (
        running_server(SERVICE, settings) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield ImagingServiceStub(channel)


def scanned(pictures, side=4 * SIDE):
    """Slices of one series that show these pictures, which were made through the brain window."""
    stack = head(len(pictures))
    for one, picture in zip(stack, pictures, strict=True):
        grey = np.asarray(Image.open(picture).convert("L").resize((side, side)), dtype=np.float64)
        one.Rows = one.Columns = side
        one.PixelSpacing = [1.0, 1.0]
        one.PixelData = np.rint(grey * 80 / 255 + 1024).astype("<u2").tobytes()
    return stack


async def test_the_slices_that_bleed_are_the_key_slices(stub, shared_data):
    normal = sorted((shared_data / "head_ct" / "normal").glob("*.png"))[:27]
    bleeding = sorted((shared_data / "head_ct" / "hemorrhage").glob("*.png"))[:3]
    pictures = [*normal[: BLEEDING_AT[0]], *bleeding, *normal[BLEEDING_AT[0] :]]
    source = pb.ImageSource(content=zipped(files(scanned(pictures)[::-1])))
    analysis = (await stub.AnalyzeImage(pb.AnalyzeImageRequest(sources=[source]))).analysis
    (result,) = analysis.results
    assert analysis.series.slice_count == 30
    assert tuple(sorted(one.index for one in result.key_slices)) == BLEEDING_AT
    assert result.findings[0].label == "intracranial_haemorrhage"
    for one in result.key_slices:
        alone = pb.ImageSource(content=files(scanned(pictures))[one.index])
        of_slice = (await stub.AnalyzeImage(pb.AnalyzeImageRequest(sources=[alone]))).analysis.results[0]
        assert [f.probability for f in of_slice.findings] == pytest.approx(
            [f.probability for f in one.findings], abs=1e-4
        )
