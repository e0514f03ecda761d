"""Series on a real Triton: slices that bleed are the key slices, and a model of volumes gets the whole."""

from __future__ import annotations

import hashlib
import io
import shutil

import grpc
import numpy as np
import pytest
from google.protobuf import json_format
from PIL import Image

from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.conftest import REPOSITORY
from tests.imaging.series.stacks import SIDE, files, head, zipped
from tests.imaging.series.test_volume_models import ORIENTED, segmenter, truth

pytestmark = pytest.mark.live
MODELS = ("head_ct", "image_gate")
BONE_HU = 500
BLEEDING_AT = (12, 13, 14)
"""Places of the bleeding slices among the thirty."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in MODELS:
        shutil.copytree(REPOSITORY / "triton_repo" / name, folder / name)
    write_skull(folder / "skull")
    return folder


def write_skull(folder):
    """A model of volumes: bone is what is denser than `BONE_HU`."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Mul", ["volume", "zero"], ["background"]),
        helper.make_node("Sub", ["volume", "bone"], ["denser"]),
        helper.make_node("Concat", ["background", "denser"], ["scores"], axis=1),
    ]
    constants = [onnx.numpy_helper.from_array(np.float32(v), k) for k, v in (("zero", 0), ("bone", BONE_HU))]
    sides = ["d", "h", "w"]
    graph = helper.make_graph(
        nodes,
        "skull",
        [helper.make_tensor_value_info("volume", kind, ["n", 1, *sides])],
        [helper.make_tensor_value_info("scores", kind, ["n", 2, *sides])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    weights = model.SerializeToString()
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(weights)
    (folder / "config.pbtxt").write_text(
        'name: "skull"\nbackend: "onnxruntime"\nmax_batch_size: 1\n'
        'input [{ name: "volume" data_type: TYPE_FP32 dims: [1, -1, -1, -1] }]\n'
        'output [{ name: "scores" data_type: TYPE_FP32 dims: [2, -1, -1, -1] }]\n'
        "instance_group [{ count: 1 kind: KIND_CPU }]\n"
    )
    card = segmenter(ORIENTED)
    card.weights_sha256 = hashlib.sha256(weights).hexdigest()
    text = json_format.MessageToJson(card, preserving_proto_field_name=True)
    (folder / "metadata.json").write_text(text)


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
    options = pb.ImageOptions(models=["head_ct"])
    request = pb.AnalyzeImageRequest(sources=[source], options=options)
    analysis = (await stub.AnalyzeImage(request)).analysis
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


async def test_a_model_of_slices_and_one_of_volumes_answer_side_by_side(stub):
    source = pb.ImageSource(content=zipped(files(head())))
    analysis = (await stub.AnalyzeImage(pb.AnalyzeImageRequest(sources=[source]), timeout=60)).analysis
    of_slices, of_volume = analysis.results
    assert of_slices.provenance.model_name == "head_ct"
    assert len(of_slices.key_slices) == 3
    assert of_volume.provenance.model_name == "skull"
    (mask,) = of_volume.masks
    bone = truth() > BONE_HU
    assert mask.pixel_count == bone.sum()
    shown = np.asarray(Image.open(io.BytesIO(mask.mask_png)))
    assert (shown == bone[mask.slice_index]).all()
