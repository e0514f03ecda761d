from __future__ import annotations

import asyncio
import hmac
import io

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from PIL import Image

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc, serving_pb2
from medmesh.imaging.v1 import imaging_pb2 as pb
from services.chassis.errors import DeadlineExceeded, ModelFailed, ModelUnavailable, Overloaded
from services.imaging.analysis import ImageAnalyzer
from services.imaging.preprocessing import VOCABULARY
from services.imaging.preprocessing.resizing import resized
from tests.imaging import samples

CHEST = samples.chest()
FILE = samples.dicom(CHEST)


def request(image=FILE, **options):
    source = pb.ImageSource(content=image)
    return pb.AnalyzeImageRequest(sources=[source], options=pb.ImageOptions(**options))


async def analyze(imaging, image=FILE, **options):
    return (await imaging.stub.AnalyzeImage(request(image, **options), timeout=20)).analysis


async def read(imaging, image=FILE, **options):
    """The one result of an image that one model reads."""
    (result,) = (await analyze(imaging, image, **options)).results
    return result


def reasons(notices):
    return [notice.reason for notice in notices]


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
    result = await read(imaging)
    assert result.findings[0].label == "bacterial_pneumonia"
    assert result.findings[0].probability == pytest.approx(0.9)
    assert result.findings[0].concepts[0].code == "53084003"
    assert not result.findings[0].HasField("threshold")
    normal = next(f for f in result.findings if f.label == "normal")
    assert not normal.concepts
    assert normal.meaning == serving_pb2.LABEL_MEANING_NORMAL
    assert (result.exclusive, result.calibrated) == (True, True)
    assert (result.provenance.model_name, result.provenance.model_version) == ("chest_xray", "1")
    assert result.provenance.preprocessing_version == VOCABULARY
    assert result.provenance.intended_use


async def test_the_file_is_described_but_not_kept(imaging):
    analysis = await analyze(imaging, samples.dicom(CHEST, PixelSpacing=["0.2", "0.3"]))
    properties = analysis.properties
    assert (properties.format, properties.height_px, properties.width_px) == ("DICOM", *CHEST.shape)
    assert (properties.photometric_interpretation, properties.modality) == ("MONOCHROME2", "CR")
    assert (properties.row_spacing_mm, properties.column_spacing_mm) == (0.2, 0.3)
    assert not analysis.HasField("digests")


async def test_a_modality_that_is_no_term_of_the_standard_is_not_repeated(imaging):
    call = analyze(imaging, samples.dicom(CHEST, Modality="MEIER"))
    assert await refused(call) == invalid("INPUT_UNSUPPORTED", "sources")
    knee = samples.picture(CHEST)
    assert not (await analyze(imaging, knee, body_part="CHEST")).properties.modality


async def test_the_model_is_given_the_preprocessed_image(imaging):
    await analyze(imaging)
    tensor = dict(imaging.inference.calls)["chest_xray"]["image"]
    assert np.array_equal(tensor[0, 0], resized(CHEST, 224, 224))


async def test_heat_maps_come_only_when_asked_for(imaging):
    plain = await read(imaging)
    assert not plain.findings[0].HasField("heat_map")
    assert not plain.HasField("explanation")
    result = await read(imaging, include_heat_map=True)
    heat = result.findings[0].heat_map
    assert (heat.row_count, heat.column_count, len(heat.values)) == (7, 7, 49)
    assert np.argmax(heat.values) == 8  # the fake's second label is warm at row 1, column 1
    assert result.explanation.method == pb.Explanation.METHOD_ACTIVATION_MAP
    assert result.explanation.extra_inference_count == 0
    assert not result.overlay_png


async def test_the_overlay_is_a_picture_of_the_strongest_abnormal_finding(imaging):
    imaging.chest[:] = [0.8, 0.15, 0.05]
    result = await read(imaging, include_overlay=True)
    with Image.open(io.BytesIO(result.overlay_png)) as picture:
        drawn = np.asarray(picture).astype(int)
    assert drawn.shape == (*CHEST.shape, 3)
    colour = drawn.max(axis=2) - drawn.min(axis=2)
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert (row * 7 // CHEST.shape[0], column * 7 // CHEST.shape[1]) == (1, 1)


async def test_a_clear_answer_is_a_set_of_one_and_an_unclear_one_abstains(imaging):
    clear = await read(imaging)
    assert (list(clear.prediction_set.labels), clear.abstained) == (["bacterial_pneumonia"], False)
    assert clear.prediction_set.coverage == pytest.approx(0.9)
    imaging.chest[:] = [0.1, 0.5, 0.4]
    unclear = await read(imaging)
    assert list(unclear.prediction_set.labels) == ["bacterial_pneumonia", "viral_pneumonia"]
    assert unclear.abstained


async def test_a_model_without_conformal_calibration_gives_no_set(imaging):
    head = await read(imaging, samples.picture(CHEST), body_part="HEAD")
    assert not head.HasField("prediction_set")


async def test_the_gate_accepts_what_the_model_reads(imaging):
    analysis = await analyze(imaging)
    (verdict,) = analysis.gates
    assert (verdict.kind, list(verdict.body_parts)) == ("chest_xray", ["CHEST"])
    assert verdict.provenance.model_name == "image_gate"
    assert analysis.results[0].gate_decision == pb.GATE_DECISION_ACCEPTED


@pytest.mark.parametrize(
    ("probabilities", "rejection"),
    [
        ({"chest_xray": 0.01, "other": 0.98}, "NOT_EXPECTED_KIND"),
        ({"chest_xray": 0.01, "head_ct": 0.98}, "NOT_EXPECTED_KIND"),
        ({"upside_down": 0.9}, "UPSIDE_DOWN"),
        ({"sound": 0.1, "photograph": 0.9}, "PHOTOGRAPH"),
        ({"sound": 0.1, "screenshot": 0.9}, "SCREENSHOT"),
        ({"sound": 0.1, "blurred": 0.9}, "BLURRED"),
        ({"sound": 0.1, "covered": 0.9}, "COVERED"),
        ({"sound": 0.1, "cropped": 0.9}, "CROPPED"),
        ({"sound": 0.1, "degraded": 0.9}, "DEGRADED"),
        ({"sound": 0.1, "drawn": 0.9}, "DRAWN"),
    ],
)
async def test_what_the_gate_rejects_is_answered_but_abstained(imaging, probabilities, rejection):
    imaging.gate.update(probabilities)
    analysis = await analyze(imaging)
    (result,) = analysis.results
    expected = [pb.Rejection.Value(f"REJECTION_{rejection}")]
    assert result.gate_decision == pb.GATE_DECISION_REJECTED
    assert list(result.rejections) == expected
    assert list(analysis.gates[0].flaws) == ([] if rejection == "NOT_EXPECTED_KIND" else expected)
    assert result.abstained
    (notice,) = [n for n in result.notices if n.reason == "IMAGE_NOT_ACCEPTED"]
    assert (notice.review_required, notice.model_name) == (True, "chest_xray")


async def test_a_picture_in_colour_is_not_accepted_for_its_colour(imaging):
    out = io.BytesIO()
    Image.fromarray(np.stack([CHEST, CHEST // 2, CHEST // 4], axis=-1)).save(out, "PNG")
    result = await read(imaging, out.getvalue(), body_part="CHEST")
    assert list(result.rejections) == [pb.REJECTION_COLOR]


async def test_an_inverted_image_is_inverted_back_and_said_so(imaging):
    imaging.gate["inverted"] = 0.95
    analysis = await analyze(imaging, samples.dicom(255 - CHEST))
    assert analysis.gates[0].inverted
    assert analysis.results[0].gate_decision == pb.GATE_DECISION_ACCEPTED
    assert "GREY_SCALE_INVERTED" in reasons(analysis.notices)
    tensor = dict(imaging.inference.calls)["chest_xray"]["image"]
    assert np.array_equal(tensor[0, 0], resized(CHEST, 224, 224))


@pytest.mark.parametrize("error", [ModelUnavailable, Overloaded, ModelFailed])
async def test_a_gate_that_does_not_answer_costs_a_review_and_no_answer(imaging, error):
    imaging.inference.fail("image_gate", error())
    analysis = await analyze(imaging)
    (result,) = analysis.results
    assert not analysis.gates
    assert result.findings
    assert result.gate_decision == pb.GATE_DECISION_NOT_JUDGED
    (notice,) = result.notices
    assert (notice.reason, notice.review_required) == ("IMAGE_NOT_JUDGED", True)


@pytest.mark.parametrize("error", [ModelUnavailable, Overloaded, DeadlineExceeded])
async def test_where_only_the_gate_can_say_what_it_shows_its_failure_is_not_the_images_fault(imaging, error):
    imaging.inference.fail("image_gate", error())
    _, reason, _ = await refused(analyze(imaging, samples.picture(CHEST)))
    assert reason == error.reason.value


async def test_the_body_part_is_the_requests_then_the_files_then_the_gates(imaging):
    stated = await read(imaging, samples.picture(CHEST), body_part="HEAD")
    assert stated.provenance.model_name == "head_ct"
    recognised = await analyze(imaging, samples.picture(CHEST))
    assert recognised.body_part == "CHEST"
    assert "BODY_PART_RECOGNISED" in reasons(recognised.notices)
    from_file = await analyze(imaging)
    assert not from_file.notices


async def test_an_unrecognised_picture_without_a_body_part_is_refused(imaging):
    imaging.gate.update(chest_xray=0.01, other=0.98)
    call = analyze(imaging, samples.picture(CHEST))
    assert await refused(call) == invalid("INPUT_MISSING", "options.body_part")


async def test_an_image_has_keyed_digests_where_a_key_comes(imaging):
    key = bytes(range(32))
    file = samples.dicom(CHEST)
    renamed = samples.dicom(CHEST, StationName="elsewhere", SeriesDescription="sent on by another archive")
    first, copy = [(await analyze(imaging, one, digest_key=key)).digests for one in (file, renamed)]
    expected = hmac.new(key, file, "sha256").hexdigest()
    assert first.file_hmac_sha256 == expected
    assert copy.file_hmac_sha256 != first.file_hmac_sha256
    assert copy.content_hmac_sha256 == first.content_hmac_sha256
    for other in (samples.dicom(CHEST + 1), samples.dicom(CHEST, PatientAge="003Y")):
        assert (
            await analyze(imaging, other, digest_key=key)
        ).digests.content_hmac_sha256 != first.content_hmac_sha256
    again = (await analyze(imaging, file, digest_key=key[::-1])).digests
    assert again.content_hmac_sha256 != first.content_hmac_sha256


async def test_a_digest_key_that_could_be_guessed_is_refused(imaging):
    call = analyze(imaging, digest_key=b"short")
    assert await refused(call) == invalid("INPUT_OUT_OF_RANGE", "options.digest_key")


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
    assert await refused(analyze(imaging, image)) == invalid(reason, "sources")
    assert (await read(imaging)).findings


@pytest.mark.parametrize("part", ["KNEE", "FLIPPER"])
async def test_a_body_part_that_no_model_reads_is_refused_with_what_is_served(imaging, part):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await analyze(imaging, body_part=part)
    told = caught.value.debug_error_string() + str(dict(caught.value.trailing_metadata()))
    assert "chest_xray (CHEST" in told
    assert "head_ct (HEAD" in told
    assert "FLIPPER" not in told


@pytest.mark.parametrize(
    ("sources", "reason", "field"),
    [
        ([], "INPUT_MISSING", "sources"),
        ([pb.ImageSource()], "INPUT_MISSING", "sources[0]"),
        ([pb.ImageSource(uri="file:///etc/passwd")], "INPUT_UNSUPPORTED", "sources.uri"),
    ],
    ids=["none", "empty", "address"],
)
async def test_sources_that_are_not_read_are_refused(imaging, sources, reason, field):
    call = imaging.stub.AnalyzeImage(pb.AnalyzeImageRequest(sources=sources), timeout=20)
    assert await refused(call) == invalid(reason, field)


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
        (list(parts(b"")), "INPUT_MISSING", "sources"),
        (list(parts(bytes(1_000_001), 500_000)), "INPUT_TOO_LARGE", "sources"),
        (list(parts(bytes(3_500_000), 3_500_000)), "INPUT_TOO_LARGE", "chunk"),
    ],
    ids=["nothing", "no options", "options twice", "no bytes", "too much", "large chunk"],
)
async def test_a_bad_stream_names_the_field(imaging, messages, reason, field):
    call = imaging.stub.AnalyzeImageStream(iter(messages), timeout=20)
    assert await refused(call) == invalid(reason, field)


async def test_many_callers_at_once_each_get_their_own_answer(imaging):
    images = [samples.dicom(np.clip(CHEST.astype(int) + k, 0, 255).astype(np.uint8)) for k in range(12)]
    key = bytes(16)
    answers = await asyncio.gather(*(analyze(imaging, image, digest_key=key) for image in images))
    expected = [hmac.new(key, i, "sha256").hexdigest() for i in images]
    assert [a.digests.file_hmac_sha256 for a in answers] == expected


async def test_the_models_are_listed(imaging):
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(imaging.channel)
    models = (await stub.ListModels(catalog_pb2.ListModelsRequest(), timeout=20)).models
    assert [(m.name, m.ready) for m in models] == [
        ("chest_xray", True),
        ("head_ct", True),
        ("image_gate", True),
    ]


async def test_a_small_picture_takes_no_thread(imaging, monkeypatch):
    async def refused(_self, _work):
        raise AssertionError("handed to a thread")

    monkeypatch.setattr(ImageAnalyzer, "blocking", refused)
    answer = await imaging.stub.AnalyzeImage(
        request(samples.picture(samples.chest(), "JPEG"), body_part="CHEST")
    )
    assert [one.provenance.model_name for one in answer.analysis.results] == ["chest_xray"]
    with pytest.raises(grpc.RpcError):
        await imaging.stub.AnalyzeImage(request(samples.picture(samples.chest()), body_part="CHEST"))
