"""Models of volumes through the real service, by their cards alone: to classify, and to segment."""

from __future__ import annotations

import io

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from medmesh.common.v1.serving_pb2 import ModelServing
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.models.inference import Tensor
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.preprocessing.steps import Unfit
from services.imaging.settings import ImagingSettings
from services.imaging.tasks.model import volume_preparation_of
from tests.fakes import FakeInference, model_card, write_model_repository
from tests.imaging.series.stacks import (
    PIXEL_MM,
    SIDE,
    SLICE_MM,
    files,
    first_position,
    head,
    hounsfield,
    written,
    zipped,
)

APPLIES = 'applies_to { modalities: "CT" body_parts: "HEAD" }'
CLASSIFIER = """
    preprocessing_version: "image/1"
    image_classification {{
      {applies}
      extent: IMAGE_EXTENT_VOLUME
      preprocessing {{ tensor: "volume" {steps} }}
      scores_tensor: "probabilities"
      labels {{ name: "normal" meaning: LABEL_MEANING_NORMAL }}
      labels {{ name: "large_head" meaning: LABEL_MEANING_FINDING }}
      exclusive: true
      calibration {{ description: "none" }}
    }}"""
SEGMENTER = """
    preprocessing_version: "image/1"
    image_segmentation {{
      {applies}
      extent: IMAGE_EXTENT_VOLUME
      preprocessing {{ tensor: "volume" {steps} }}
      scores_tensor: "scores"
      activation: ACTIVATION_SOFTMAX
      labels {{ name: "background" meaning: LABEL_MEANING_NORMAL }}
      labels {{ name: "bone" meaning: LABEL_MEANING_FINDING }}
    }}"""
PLAIN = "steps { hounsfield {} }"
ORIENTED = 'steps { hounsfield {} } steps { orientation { axis_codes: "RAS" } }'
SPACED = ORIENTED + " steps { spacing { depth_mm: 2 height_mm: 2 width_mm: 2.5 } }"
SCALED = PLAIN + " steps { clip { min: -1000 max: 1000 } } steps { rescale { factor: 0.001 offset: 1 } }"
ANY = (1, -1, -1, -1)


def serving(form: str, steps: str) -> ModelServing:
    return text_format.Parse(form.format(applies=APPLIES, steps=steps), ModelServing())


def classifier(steps=PLAIN, shape=ANY):
    inputs = [Tensor("volume", np.float32, shape)]
    outputs = [Tensor("probabilities", np.float32, (2,))]
    return model_card("head_size", serving(CLASSIFIER, steps), inputs, outputs)


def segmenter(steps):
    inputs = [Tensor("volume", np.float32, ANY)]
    outputs = [Tensor("scores", np.float32, (2, -1, -1, -1))]
    return model_card("skull", serving(SEGMENTER, steps), inputs, outputs)


def bone_is(threshold):
    def infer(inputs):
        bone = inputs["volume"][:, 0] > threshold
        return {"scores": np.stack([~bone, bone], axis=1).astype(np.float32)}

    return infer


@pytest.fixture
def run(tmp_path):
    """Analyses a series with the models of these cards, each a function."""

    async def run(sent, *models, **options):
        inference = FakeInference({card.name: function for card, function in models})
        repository = write_model_repository(tmp_path / "models", [card for card, _ in models])
        settings = ImagingSettings(listen="127.0.0.1:0", model_repository=(repository,))
        request = pb.AnalyzeImageRequest(
            sources=[pb.ImageSource(content=sent)], options=pb.ImageOptions(**options)
        )
        async with (
            running_server(SERVICE, settings, inference=inference) as running,
            grpc.aio.insecure_channel(running.address) as channel,
        ):
            answer = await ImagingServiceStub(channel).AnalyzeImage(request)
        return answer.analysis, inference

    return run


def truth(count=30):
    """Hounsfield units `[slices, rows, columns]` of the head at the voxels of its series."""
    start = first_position()
    z, y, x = np.arange(count) * SLICE_MM, np.arange(SIDE) * PIXEL_MM, np.arange(SIDE) * PIXEL_MM
    grid = np.meshgrid(start[2] + z, start[1] + y, start[0] + x, indexing="ij")
    return hounsfield(*grid[::-1])


async def test_a_classifier_gets_the_whole_volume_and_its_answer_is_calibrated(run):
    both = np.array([[0.2, 0.8]], np.float32)
    model = (classifier(SCALED), lambda inputs: {"probabilities": both})
    analysis, inference = await run(zipped(files(head()[::-1])), model)
    (result,) = analysis.results
    assert [(f.label, f.probability) for f in result.findings] == [
        ("large_head", pytest.approx(0.8)),
        ("normal", pytest.approx(0.2)),
    ]
    assert result.calibrated
    assert not result.key_slices
    ((_, inputs),) = inference.calls
    assert inputs["volume"].shape == (1, 1, 30, SIDE, SIDE)
    expected = np.clip(np.rint(truth()), -1000, 1000) * 0.001 + 1
    assert np.abs(inputs["volume"][0, 0] - expected).max() < 1e-5


@pytest.mark.parametrize("steps", [PLAIN, ORIENTED], ids=["as displayed", "RAS"])
async def test_a_mask_lies_where_the_bone_is(run, steps):
    analysis, _ = await run(zipped(files(head())), (segmenter(steps), bone_is(500)))
    (mask,) = analysis.results[0].masks
    bone = truth() > 500
    by_slice = bone.sum(axis=(1, 2))
    assert mask.label == "bone"
    assert mask.pixel_count == bone.sum()
    assert mask.volume_ml == pytest.approx(bone.sum() * SLICE_MM * PIXEL_MM**2 / 1000)
    assert by_slice[mask.slice_index] == by_slice.max()
    shown = np.asarray(Image.open(io.BytesIO(mask.mask_png)))
    assert (shown == bone[mask.slice_index]).all()
    assert not mask.HasField("area_mm2")


async def test_on_another_grid_the_bone_is_nearly_the_same(run):
    analysis, inference = await run(zipped(files(head())), (segmenter(SPACED), bone_is(450)))
    ((_, inputs),) = inference.calls
    assert inputs["volume"].shape[2:] == (127, 127, 59)  # to the right, the front, the head
    (mask,) = analysis.results[0].masks
    bone = truth() > 500
    assert mask.volume_ml == pytest.approx(bone.sum() * SLICE_MM * PIXEL_MM**2 / 1000, rel=0.1)
    shown = np.asarray(Image.open(io.BytesIO(mask.mask_png)))
    both = (shown & bone[mask.slice_index]).sum()
    assert 2 * both / (shown.sum() + bone[mask.slice_index].sum()) > 0.9


async def test_slices_at_uneven_distances_count_by_the_room_that_they_take(run):
    stack = [one for index, one in enumerate(head()) if index not in {9, 10}]
    analysis, _ = await run(zipped(files(stack)), (segmenter(PLAIN), bone_is(500)))
    (mask,) = analysis.results[0].masks
    bone = (truth() > 500).sum(axis=(1, 2))[[i for i in range(30) if i not in {9, 10}]]
    heights = [i * SLICE_MM for i in range(30) if i not in {9, 10}]
    assert mask.volume_ml == pytest.approx((bone * np.gradient(heights)).sum() * PIXEL_MM**2 / 1000)


async def test_a_model_of_volumes_reads_no_single_image(run):
    model = (classifier(), lambda inputs: {"probabilities": np.array([[0.2, 0.8]], np.float32)})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await run(written(head(1)[0]), model)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "single image" in refused.value.details()


async def test_a_series_without_hounsfield_units_is_refused(run):
    stack = head(4, RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    model = (classifier(), lambda inputs: {"probabilities": np.array([[0.2, 0.8]], np.float32)})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await run(zipped(files(stack)), model)
    assert "Hounsfield" in refused.value.details()


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("steps { grey {} }", "steps[0]: the first step of a volume"),
        (PLAIN + ' steps { orientation { axis_codes: "RAL" } }', "steps[1].orientation: axis_codes"),
        (PLAIN + " steps { spacing { depth_mm: 1 height_mm: 1 } }", "steps[1].spacing: depth_mm"),
        (SCALED + " steps { spacing { depth_mm: 1 height_mm: 1 width_mm: 1 } }", "steps[3]: spacing"),
        ("", "steps: at least one"),
        ("steps { window { center_hu: 40 width_hu: 80 } }", "steps: they give uint8"),
    ],
)
def test_steps_that_do_not_hold_are_named(steps, told):
    card = classifier(steps)
    with pytest.raises(Unfit, match="preprocessing") as unfit:
        volume_preparation_of(card, card.serving.image_classification.preprocessing)
    assert told in str(unfit.value)


def test_a_fixed_size_is_held_to_the_tensor():
    steps = PLAIN + " steps { resize { depth: 16 height_px: 32 width_px: 32 } }"
    card = classifier(steps, (1, 16, 32, 32))
    volume_preparation_of(card, card.serving.image_classification.preprocessing)
    other = classifier(steps, (1, 8, 32, 32))
    with pytest.raises(Unfit, match="16, 32, 32"):
        volume_preparation_of(other, other.serving.image_classification.preprocessing)
