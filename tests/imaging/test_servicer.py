from __future__ import annotations

import asyncio
import hashlib
import io

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from PIL import Image

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.imaging.v1 import imaging_pb2 as pb
from services.imaging.models import CHEST_XRAY
from services.imaging.preprocessing import stretch_to_square
from tests.imaging import samples

CHEST = samples.chest()
FILE = samples.dicom(CHEST)


async def analyze(imaging, image=FILE, **options):
    request = pb.AnalyzeImageRequest(image=image, options=pb.ImageOptions(**options))
    return (await imaging.stub.AnalyzeImage(request, timeout=20)).analysis


async def refused(call):
    """Status name, reason and field of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(details).details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return caught.value.code().name, info.reason, [violation.field for violation in bad.field_violations]


def invalid(reason, field):
    return ("INVALID_ARGUMENT", reason, [field])


async def test_findings_come_most_probable_first_with_codes_and_provenance(imaging):
    analysis = await analyze(imaging)
    assert analysis.findings[0].label == "bacterial_pneumonia"
    assert analysis.findings[0].probability == pytest.approx(0.9)
    assert analysis.findings[0].concept.code == "53084003"
    normal = next(f for f in analysis.findings if f.label == "normal")
    assert not normal.HasField("concept")
    assert analysis.provenance.model_name == "chest_xray"
    assert analysis.provenance.preprocessing_version == CHEST_XRAY.spec.preprocessing_version
    assert analysis.provenance.intended_use


async def test_the_file_is_described_but_not_kept(imaging):
    properties = (await analyze(imaging)).properties
    assert (properties.format, properties.height_px, properties.width_px) == ("DICOM", *CHEST.shape)
    assert properties.photometric_interpretation == "MONOCHROME2"
    assert properties.sha256 == hashlib.sha256(FILE).hexdigest()


async def test_the_model_is_given_the_preprocessed_image(imaging):
    await analyze(imaging)
    tensor = dict(imaging.inference.calls)["chest_xray"]["image"]
    assert np.array_equal(tensor[0], stretch_to_square(CHEST, 224))


async def test_heat_maps_come_only_when_asked_for(imaging):
    assert not (await analyze(imaging)).findings[0].HasField("heat_map")
    analysis = await analyze(imaging, include_heat_map=True)
    heat = analysis.findings[0].heat_map
    assert (heat.row_count, heat.column_count, len(heat.values)) == (7, 7, 49)
    assert np.argmax(heat.values) == 8  # the fake's second label is warm at row 1, column 1
    assert not analysis.overlay_png


async def test_the_overlay_is_a_picture_of_the_strongest_abnormal_finding(imaging):
    imaging.chest[:] = [0.8, 0.15, 0.05]
    analysis = await analyze(imaging, include_overlay=True)
    with Image.open(io.BytesIO(analysis.overlay_png)) as picture:
        drawn = np.asarray(picture).astype(int)
    assert drawn.shape == (*CHEST.shape, 3)
    colour = drawn.max(axis=2) - drawn.min(axis=2)
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert (row * 7 // CHEST.shape[0], column * 7 // CHEST.shape[1]) == (1, 1)


async def test_a_clear_answer_is_a_set_of_one_and_an_unclear_one_abstains(imaging):
    clear = await analyze(imaging)
    assert (list(clear.prediction_set.labels), clear.abstained) == (["bacterial_pneumonia"], False)
    assert clear.prediction_set.coverage == pytest.approx(0.9)
    imaging.chest[:] = [0.1, 0.5, 0.4]
    unclear = await analyze(imaging)
    assert list(unclear.prediction_set.labels) == ["bacterial_pneumonia", "viral_pneumonia"]
    assert unclear.abstained


async def test_a_model_without_conformal_calibration_gives_no_set(imaging):
    head = await analyze(imaging, samples.picture(CHEST), body_part=pb.BODY_PART_HEAD)
    assert not head.HasField("prediction_set")


async def test_the_gate_accepts_what_the_model_reads(imaging):
    gate = (await analyze(imaging)).gate
    assert (gate.kind, gate.accepted) == (pb.ImageGate.KIND_CHEST_XRAY, True)


@pytest.mark.parametrize(
    ("probabilities", "rejection", "flag"),
    [
        ({"chest_xray": 0.01, "other": 0.98}, "NOT_EXPECTED_KIND", None),
        ({"chest_xray": 0.01, "head_ct": 0.98}, "NOT_EXPECTED_KIND", None),
        ({"upside_down": 0.9}, "UPSIDE_DOWN", "upside_down"),
        ({"sound": 0.1, "photograph": 0.9}, "PHOTOGRAPH", "photograph"),
        ({"sound": 0.1, "screenshot": 0.9}, "SCREENSHOT", "photograph"),
        ({"sound": 0.1, "blurred": 0.9}, "BLURRED", None),
        ({"sound": 0.1, "covered": 0.9}, "COVERED", None),
        ({"sound": 0.1, "cropped": 0.9}, "CROPPED", None),
        ({"sound": 0.1, "degraded": 0.9}, "DEGRADED", None),
        ({"sound": 0.1, "drawn": 0.9}, "DRAWN", None),
    ],
)
async def test_what_the_gate_rejects_is_answered_but_abstained(imaging, probabilities, rejection, flag):
    imaging.gate.update(probabilities)
    analysis = await analyze(imaging)
    assert not analysis.gate.accepted
    assert list(analysis.gate.rejections) == [pb.ImageGate.Rejection.Value(f"REJECTION_{rejection}")]
    assert analysis.abstained
    (notice,) = [n for n in analysis.notices if n.reason == "IMAGE_NOT_ACCEPTED"]
    assert notice.review_required
    assert flag is None or getattr(analysis.gate, flag)


async def test_a_picture_in_colour_is_not_accepted_for_its_colour(imaging):
    out = io.BytesIO()
    Image.fromarray(np.stack([CHEST, CHEST // 2, CHEST // 4], axis=-1)).save(out, "PNG")
    analysis = await analyze(imaging, out.getvalue(), body_part=pb.BODY_PART_CHEST)
    assert list(analysis.gate.rejections) == [pb.ImageGate.REJECTION_COLOUR]
    assert analysis.gate.photograph


async def test_an_inverted_image_is_turned_round_and_said_so(imaging):
    imaging.gate["inverted"] = 0.95
    analysis = await analyze(imaging, samples.dicom(255 - CHEST))
    assert analysis.gate.inverted
    assert analysis.gate.accepted
    assert "GREY_SCALE_INVERTED" in [n.reason for n in analysis.notices]
    tensor = dict(imaging.inference.calls)["chest_xray"]["image"]
    assert np.array_equal(tensor[0], stretch_to_square(CHEST, 224))


async def test_without_its_gate_the_service_still_answers(imaging):
    imaging.inference.stop("image_gate")
    analysis = await analyze(imaging)
    assert not analysis.HasField("gate")
    assert analysis.findings


async def test_the_body_part_is_the_requests_then_the_files_then_the_gates(imaging):
    stated = await analyze(imaging, samples.picture(CHEST), body_part=pb.BODY_PART_HEAD)
    assert stated.provenance.model_name == "head_ct"
    recognised = await analyze(imaging, samples.picture(CHEST))
    assert recognised.body_part == pb.BODY_PART_CHEST
    assert "BODY_PART_RECOGNISED" in [n.reason for n in recognised.notices]
    from_file = await analyze(imaging)
    assert not from_file.notices


async def test_an_unrecognised_picture_without_a_body_part_is_refused(imaging):
    imaging.gate.update(chest_xray=0.01, other=0.98)
    call = analyze(imaging, samples.picture(CHEST))
    assert await refused(call) == invalid("INPUT_MISSING", "options.body_part")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "INPUT_MISSING"),
        (b"no image at all", "INPUT_UNSUPPORTED"),
        (FILE[:2000], "INPUT_MALFORMED"),
        (samples.dicom(None), "INPUT_UNSUPPORTED"),
        (samples.png_header(60_000, 60_000), "INPUT_TOO_LARGE"),
        (bytes(1_000_001), "INPUT_TOO_LARGE"),
        (samples.dicom(CHEST, BodyPartExamined="KNEE"), "INPUT_UNSUPPORTED"),
        (samples.dicom(CHEST, Modality="CT"), "INPUT_UNSUPPORTED"),
    ],
    ids=["empty", "text", "truncated", "no pixels", "bomb", "too large", "knee", "chest CT"],
)
async def test_bad_input_names_the_field_and_the_server_goes_on(imaging, image, reason):
    assert await refused(analyze(imaging, image)) == invalid(reason, "image")
    assert (await analyze(imaging)).findings


async def test_an_unknown_body_part_is_refused(imaging):
    assert await refused(analyze(imaging, body_part=99)) == invalid("INPUT_UNSUPPORTED", "options.body_part")


async def test_a_model_that_is_not_served_is_unavailable(imaging):
    imaging.inference.stop("chest_xray")
    assert (await refused(analyze(imaging)))[:2] == ("UNAVAILABLE", "MODEL_UNAVAILABLE")


def parts(image, size=20_000, **options):
    yield pb.AnalyzeImageStreamRequest(options=pb.ImageOptions(**options))
    for start in range(0, len(image), size):
        yield pb.AnalyzeImageStreamRequest(chunk=image[start : start + size])


async def test_a_stream_gives_the_same_answer_as_one_message(imaging):
    whole = await analyze(imaging, include_heat_map=True)
    response = await imaging.stub.AnalyzeImageStream(parts(FILE, 1000, include_heat_map=True), timeout=20)
    assert response.analysis == whole


@pytest.mark.parametrize(
    ("messages", "reason", "field"),
    [
        ([], "INPUT_MISSING", "options"),
        (list(parts(FILE))[1:], "INPUT_INCONSISTENT", "options"),
        ([*parts(FILE), *parts(b"")], "INPUT_INCONSISTENT", "options"),
        (list(parts(b"")), "INPUT_MISSING", "image"),
        (list(parts(bytes(1_000_001), 500_000)), "INPUT_TOO_LARGE", "image"),
        (list(parts(bytes(3_500_000), 3_500_000)), "INPUT_TOO_LARGE", "chunk"),
    ],
    ids=["nothing", "no options", "options twice", "no bytes", "too much", "large chunk"],
)
async def test_a_bad_stream_names_the_field(imaging, messages, reason, field):
    call = imaging.stub.AnalyzeImageStream(iter(messages), timeout=20)
    assert await refused(call) == invalid(reason, field)


async def test_many_callers_at_once_each_get_their_own_answer(imaging):
    images = [samples.dicom(np.clip(CHEST.astype(int) + k, 0, 255).astype(np.uint8)) for k in range(12)]
    answers = await asyncio.gather(*(analyze(imaging, image) for image in images))
    assert [a.properties.sha256 for a in answers] == [hashlib.sha256(i).hexdigest() for i in images]


async def test_the_models_are_listed(imaging):
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(imaging.channel)
    models = (await stub.ListModels(catalog_pb2.ListModelsRequest(), timeout=20)).models
    assert [(m.name, m.ready) for m in models] == [
        ("chest_xray", True),
        ("head_ct", True),
        ("image_gate", True),
    ]
