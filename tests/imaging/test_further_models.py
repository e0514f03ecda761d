"""Models of a user's own are served, routed to and explained by their cards alone; on a fake and on a real
Triton, with the project's models beside them.
"""

from __future__ import annotations

import io
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from medmesh.common.v1.serving_pb2 import LABEL_MEANING_QUALITY
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.errors import Overloaded
from services.chassis.rpc.server import running_server
from services.chassis.rpc.status import from_rpc_error
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.conftest import REPOSITORY
from tests.fakes import FakeInference, write_model_repository
from tests.imaging import further_models, samples
from tests.imaging.conftest import CHEST, HEAD, cards, findings, gate_says
from tests.imaging.test_servicer import invalid, reasons, refused

PIXELS = samples.chest(300, 240)
FILE = samples.dicom(PIXELS)
OURS = ("chest_xray", "head_ct", "image_gate")


@dataclass
class Served:
    """The service with the project's models and the further ones."""

    stub: Any
    inference: FakeInference | None
    """None: on a real Triton."""
    channel: grpc.aio.Channel

    async def analyze(self, image=FILE, **options):
        request = pb.AnalyzeImageRequest(
            sources=[pb.ImageSource(content=image)], options=pb.ImageOptions(**options)
        )
        return (await self.stub.AnalyzeImage(request, timeout=60)).analysis


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    pytest.importorskip("onnx")
    repository = tmp_path_factory.mktemp("repository")
    for name in OURS:
        shutil.copytree(REPOSITORY / "triton_repo" / name, repository / name)
    further_models.write(repository)
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=log)) as server:
        yield server.grpc_address, repository


@asynccontextmanager
async def _serving(settings, inference=None):
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        assert all(entry.served for entry in running.parts.catalog.entries())
        yield Served(imaging_pb2_grpc.ImagingServiceStub(channel), inference, channel)


@pytest.fixture
async def fake(tmp_path):
    inference = FakeInference(
        {
            **further_models.answers(),
            "chest_xray": lambda _: findings(CHEST, 7),
            "head_ct": lambda _: findings(HEAD, 5),
            "image_gate": lambda _: {"probabilities": np.array([[*gate_says().values()]], np.float32)},
        }
    )
    repository = write_model_repository(
        tmp_path, [*cards(), *(further_models.card(name) for name in further_models.SERVING)]
    )
    async with _serving(
        ImagingSettings(listen="127.0.0.1:0", model_repository=(repository,)), inference
    ) as served:
        yield served


@pytest.fixture
async def real(triton):
    address, repository = triton
    async with _serving(
        ImagingSettings(listen="127.0.0.1:0", triton_url=address, model_repository=(repository,))
    ) as served:
        yield served


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.live)])
def served(request):
    return request.getfixturevalue(request.param)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def knee(*, bright=False) -> np.ndarray:
    """Grey, in places with a bright spot where the knee model looks for a fracture."""
    grey = np.full((140, 140), 100, np.uint8)
    if bright:
        grey[20:40, 100:120] = 255
    return grey


async def test_two_chest_models_answer_side_by_side_each_with_its_own_findings(served):
    analysis = await served.analyze()
    assert [result.provenance.model_name for result in analysis.results] == ["chest_findings", "chest_xray"]
    own, ours = analysis.results
    assert {finding.label for finding in own.findings} == {*further_models.CHEST_LABELS}
    assert "bacterial_pneumonia" in [finding.label for finding in ours.findings]
    assert (own.exclusive, own.calibrated, own.HasField("prediction_set")) == (False, False, False)
    assert (ours.exclusive, ours.calibrated, ours.HasField("prediction_set")) == (True, True, True)
    assert own.provenance.weights_sha256 != ours.provenance.weights_sha256 or served.inference
    assert own.gate_decision == ours.gate_decision
    assert len(analysis.gates) == 1


async def test_independent_labels_have_probabilities_and_thresholds_of_their_own(served):
    (result,) = (await served.analyze(models=["chest_findings"])).results
    square = Image.fromarray(PIXELS[30:270]).resize((56, 56), Image.Resampling.BILINEAR)
    tensor = np.asarray(square, np.float32) * (2 / 255) - 1
    expected = logistic((further_models.chest_kernel()[:, 0] * tensor).sum(axis=(1, 2)))
    found = {finding.label: finding for finding in result.findings}
    for label, probability in zip(further_models.CHEST_LABELS, expected, strict=True):
        assert found[label].probability == pytest.approx(probability, abs=1e-4)
    assert [found[label].threshold for label in further_models.CHEST_LABELS] == [0.3, 0.5, 0.5]
    assert found["support_devices"].meaning == LABEL_MEANING_QUALITY
    assert found["cardiomegaly"].concepts[0].code == "8186001"
    probabilities = [finding.probability for finding in result.findings]
    assert probabilities == sorted(probabilities, reverse=True)


async def test_only_the_named_models_answer_each_once(served):
    analysis = await served.analyze(models=["chest_xray", "lung_masks", "chest_xray"])
    assert [result.provenance.model_name for result in analysis.results] == ["chest_xray", "lung_masks"]


@pytest.mark.parametrize("name", ["no_such_model", "image_gate"])
async def test_a_name_that_no_model_which_reads_images_has_is_not_found(fake, name):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake.analyze(models=["chest_xray", name])
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert from_rpc_error(caught.value, "imaging").metadata["field"] == "options.models[1]"


async def test_a_named_model_that_does_not_apply_is_refused_unless_the_caller_states_its_body_part(served):
    expected = invalid("INPUT_UNSUPPORTED", "options.models")
    assert await refused(served.analyze(models=["knee_xray"])) == expected
    analysis = await served.analyze(models=["knee_xray"], body_part="KNEE")
    assert "BODY_PART_OVERRIDDEN" in reasons(analysis.notices)
    assert analysis.body_part == "KNEE"


async def test_a_named_model_of_another_modality_is_refused(fake):
    ct = samples.dicom(PIXELS, Modality="CT", BodyPartExamined="CHEST")
    call = fake.analyze(ct, models=["chest_findings"])
    assert await refused(call) == invalid("INPUT_UNSUPPORTED", "options.models")


async def test_a_model_that_was_not_made_for_the_patient_says_so_and_the_other_does_not(fake):
    analysis = await fake.analyze(samples.dicom(PIXELS, PatientAge="004Y"))
    own, ours = analysis.results
    assert reasons(own.notices) == ["OUTSIDE_MODEL_POPULATION"]
    assert own.notices[0].model_name == "chest_findings"
    assert "from 18" in own.notices[0].message
    assert not ours.notices


@pytest.mark.parametrize("part", ["KNEE", "Rodilla", "PATELLA"])
async def test_a_body_part_that_the_gate_does_not_know_is_read_where_the_file_names_it(served, part):
    analysis = await served.analyze(samples.dicom(knee(bright=True), BodyPartExamined=part, Modality="DX"))
    (result,) = analysis.results
    assert (analysis.body_part, result.provenance.model_name) == ("KNEE", "knee_xray")
    assert result.gate_decision == pb.GATE_DECISION_NOT_ASKED
    assert not analysis.gates
    assert not result.notices
    assert result.findings[0].label == "fracture"
    assert sum(finding.probability for finding in result.findings) == pytest.approx(1)
    if served.inference:
        assert "image_gate" not in [name for name, _ in served.inference.calls]


async def test_colour_is_normalised_by_channel_with_the_channels_last(served):
    (result,) = (await served.analyze(samples.picture(knee()), body_part="KNEE")).results
    grey = (100 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    found = {finding.label: finding.probability for finding in result.findings}
    assert found["fracture"] == pytest.approx(logistic(2 * grey.mean()), abs=1e-4)


async def test_where_the_graph_has_no_activation_map_the_evidence_is_found_by_occlusion(served):
    picture = samples.picture(knee(bright=True))
    (result,) = (await served.analyze(picture, body_part="KNEE", include_overlay=True)).results
    assert result.explanation.method == pb.Explanation.METHOD_OCCLUSION
    assert result.explanation.extra_inference_count == 49
    heat = next(finding.heat_map for finding in result.findings if finding.label == "fracture")
    assert (heat.row_count, heat.column_count) == (7, 7)
    assert np.argmax(heat.values) == 7 * 1 + 5
    assert sorted(heat.values)[-2] < 0.2
    with Image.open(io.BytesIO(result.overlay_png)) as drawn:
        assert drawn.size == (140, 140)
    if served.inference:
        sizes = [len(inputs["pixel_values"]) for name, inputs in served.inference.calls]
        assert sum(sizes) == 50


async def test_a_heat_map_of_a_cropped_input_lies_where_the_model_looked(served):
    wide = np.full((112, 224), 90, np.uint8)
    options = {"body_part": "CHEST", "models": ["chest_findings"], "include_heat_map": True}
    (result,) = (await served.analyze(samples.picture(wide), **options)).results
    heat = next(finding.heat_map for finding in result.findings if finding.label == "cardiomegaly")
    assert (heat.row_count, heat.column_count) == (7, 14)
    values = np.array(heat.values).reshape(7, 14)
    assert not values[:, :3].any()
    assert not values[:, 11:].any()


async def test_a_mask_has_the_size_of_the_image_and_its_area_where_the_spacing_is_known(served):
    grey = np.full((80, 160), 50, np.uint8)
    grey[20:60, 40:100] = 220
    file = samples.dicom(grey, PixelSpacing=["0.5", "0.25"])
    (result,) = (await served.analyze(file, models=["lung_masks"], include_overlay=True)).results
    (mask,) = result.masks
    with Image.open(io.BytesIO(mask.mask_png)) as picture:
        bits = np.asarray(picture)
    assert bits.dtype == np.bool_
    assert np.array_equal(bits, grey == 220)
    assert (mask.label, mask.pixel_count) == ("bright", 40 * 60)
    assert mask.area_mm2 == pytest.approx(40 * 0.5 * 60 * 0.25)
    assert not result.findings
    assert result.overlay_png
    without = samples.picture(grey)
    (result,) = (await served.analyze(without, models=["lung_masks"], body_part="CHEST")).results
    assert not result.masks[0].HasField("area_mm2")


async def test_the_spacing_on_the_detector_is_not_that_in_the_patient(fake):
    at_detector = {"PixelSpacing": ["0.5", "0.25"], "ImagerPixelSpacing": ["0.5", "0.25"]}
    calibrated = at_detector | {"PixelSpacingCalibrationType": "FIDUCIAL"}
    for attributes, known in ((at_detector, False), (calibrated, True)):
        (result,) = (await fake.analyze(samples.dicom(PIXELS, **attributes), models=["lung_masks"])).results
        assert result.masks[0].HasField("area_mm2") == known


async def test_a_model_that_does_not_answer_costs_its_own_result_and_a_review(fake):
    fake.inference.fail("chest_findings", Overloaded())
    analysis = await fake.analyze()
    assert [result.provenance.model_name for result in analysis.results] == ["chest_xray"]
    (notice,) = analysis.notices
    assert (notice.reason, notice.model_name) == ("MODEL_DID_NOT_ANSWER", "chest_findings")
    assert notice.review_required
    fake.inference.stop("chest_xray")
    status, reason, _ = await refused(fake.analyze())
    assert (status, reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")


async def test_numbers_that_are_no_probabilities_are_not_passed_on(fake):
    fake.inference.functions["chest_xray"] = lambda _: findings([0.2, 3.5, 0.1], 7)
    status, reason, _ = await refused(fake.analyze(models=["chest_xray"]))
    assert (status, reason) == ("INTERNAL", "MODEL_FAILED")


async def test_nothing_says_what_the_image_shows_but_the_named_model_is_taken_at_its_word(fake):
    fake.inference.functions["image_gate"] = lambda _: {
        "probabilities": np.array([[*gate_says(chest_xray=0.01, other=0.98).values()]], np.float32)
    }
    analysis = await fake.analyze(samples.picture(knee()), models=["knee_xray"])
    assert analysis.body_part == "KNEE"
    (notice,) = analysis.notices
    assert (notice.reason, notice.review_required) == ("BODY_PART_ASSUMED", True)


async def test_what_a_gate_recognises_of_an_image_goes_with_the_named_model(fake):
    analysis = await fake.analyze(samples.picture(PIXELS), models=["chest_xray"])
    assert reasons(analysis.notices) == ["BODY_PART_RECOGNISED"]
    assert analysis.results[0].gate_decision == pb.GATE_DECISION_ACCEPTED
