"""A series through the real service: one answer a model with its key slices, whatever the series comes as."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from medmesh.common.v1 import upload_pb2
from medmesh.common.v1.upload_pb2_grpc import UploadServiceStub
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.errors import ModelFailed, ModelUnavailable
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, real_card, write_model_repository
from tests.imaging.series.stacks import enhanced, files, head, written, zipped

BLEEDING = {11: 0.9, 12: 0.8, 13: 0.7, 20: 0.6}
"""Slices by number, and how likely the fake model calls them bleeding."""


def marked(number: int, dataset):
    """Draws the slice's number into its upper left corner, as a grey level of the brain window."""
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns).copy()
    stored[:16, :16] = 1024 + round(number * 8 * 80 / 255)
    dataset.PixelData = stored.tobytes()
    return dataset


def stack(count=30):
    return [marked(one.InstanceNumber, one) for one in head(count)]


def number_of(image) -> int:
    """Of a prepared slice `[1, side, side]`."""
    return round(float(image[0, 4:12, 4:12].mean()) / 8)


@dataclass
class Mesh:
    stub: ImagingServiceStub
    uploads: UploadServiceStub
    inference: FakeInference
    rejected: set[int] = field(default_factory=set)
    """Slices that the gate calls cropped, by number."""
    bleeding: dict[int, float] = field(default_factory=lambda: dict(BLEEDING))

    async def analyze(self, *sources, **options):
        request = pb.AnalyzeImageRequest(
            sources=[pb.ImageSource(content=one) for one in sources], options=pb.ImageOptions(**options)
        )
        return (await self.stub.AnalyzeImage(request)).analysis


@pytest.fixture
async def mesh(tmp_path):
    columns = [column.name for column in real_card("image_gate").serving.image_gate.columns]
    made = Mesh(None, None, FakeInference({}))

    def head_ct(inputs):
        bleeding = np.array([made.bleeding.get(number_of(one), 0.05) for one in inputs["image"]], np.float32)
        maps = np.zeros((len(bleeding), 2, 5, 5), np.float32)
        maps[:, 1, 2, 3] = 1
        both = np.stack([1 - bleeding, bleeding], axis=1)
        return {"probabilities": both, "logits": np.log(both), "activation_map": maps}

    def image_gate(inputs):
        answers = []
        for one in inputs["image"]:
            said = dict.fromkeys(columns, 0.01) | {"head_ct": 0.97, "sound": 0.95}
            if number_of(one) in made.rejected:
                said |= {"sound": 0.05, "cropped": 0.9}
            answers.append([said[name] for name in columns])
        return {"probabilities": np.array(answers, np.float32)}

    def chest_xray(inputs):
        raise AssertionError("a head is no chest")

    made.inference.functions.update(head_ct=head_ct, image_gate=image_gate, chest_xray=chest_xray)
    repository = write_model_repository(
        tmp_path / "models", [real_card(name) for name in ("head_ct", "image_gate", "chest_xray")]
    )
    settings = ImagingSettings(listen="127.0.0.1:0", model_repository=(repository,), upload_folder=tmp_path)
    async with (
        running_server(SERVICE, settings, inference=made.inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        made.stub, made.uploads = ImagingServiceStub(channel), UploadServiceStub(channel)
        yield made


def probability(result, label="intracranial_haemorrhage"):
    return next(finding.probability for finding in result.findings if finding.label == label)


def reasons(notices):
    return [notice.reason for notice in notices]


async def test_thirty_slices_give_one_answer_with_its_key_slices(mesh):
    slices = stack()
    analysis = await mesh.analyze(zipped(files(slices[::-1])))
    (result,) = analysis.results
    assert result.provenance.model_name == "head_ct"
    assert probability(result) == pytest.approx((0.9 + 0.8 + 0.7) / 3, abs=1e-6)
    assert sum(finding.probability for finding in result.findings) == pytest.approx(1)
    assert [(one.index, one.instance_number) for one in result.key_slices] == [(10, 11), (11, 12), (12, 13)]
    assert [one.sop_instance_uid for one in result.key_slices] == [s.SOPInstanceUID for s in slices[10:13]]
    assert [probability(one) for one in result.key_slices] == pytest.approx([0.9, 0.8, 0.7])
    assert (analysis.series.slice_count, analysis.series.slice_spacing_mm) == (30, pytest.approx(5.0))
    assert analysis.body_part == "HEAD"
    assert result.gate_decision == pb.GATE_DECISION_ACCEPTED
    assert not result.abstained


async def test_it_is_not_called_calibrated(mesh):
    (result,) = (await mesh.analyze(zipped(files(stack(6))))).results
    assert not result.calibrated
    assert not result.HasField("prediction_set")
    (notice,) = [one for one in result.notices if one.reason == "SERIES_NOT_CALIBRATED"]
    assert notice.review_required
    assert notice.model_name == "head_ct"


async def test_files_an_archive_an_enhanced_object_and_an_upload_get_the_same_answer(mesh):
    slices = stack(14)
    as_archive = zipped(files(slices))
    as_files = (await mesh.analyze(*files(slices))).results[0]
    as_zip = (await mesh.analyze(as_archive)).results[0]
    as_frames = (await mesh.analyze(written(enhanced(slices)))).results[0]
    upload = await sent(mesh, as_archive)
    named = pb.AnalyzeImageRequest(sources=[pb.ImageSource(upload_id=upload)])
    as_upload = (await mesh.stub.AnalyzeImage(named)).analysis.results[0]
    assert as_files == as_zip == as_upload
    assert [f.probability for f in as_frames.findings] == [f.probability for f in as_files.findings]
    assert [one.index for one in as_frames.key_slices] == [one.index for one in as_files.key_slices]


async def sent(mesh, data, *, all_of_it=True):
    start = upload_pb2.StartUploadRequest(size_bytes=len(data))
    upload_id = (await mesh.uploads.StartUpload(start)).upload.upload_id
    part = data if all_of_it else data[:-1]
    chunk = upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=part)
    await mesh.uploads.WriteUpload(iter([chunk]))
    return upload_id


def violation(error):
    bad = BadRequest()
    status = Status.FromString(dict(error.value.trailing_metadata())["grpc-status-details-bin"])
    assert any(detail.Unpack(bad) for detail in status.details)
    return bad.field_violations[0]


@pytest.mark.parametrize("unfinished", [True, False])
async def test_an_upload_that_is_not_there_is_named(mesh, unfinished):
    upload_id = await sent(mesh, b"data", all_of_it=False) if unfinished else "unknown"
    request = pb.AnalyzeImageRequest(sources=[pb.ImageSource(upload_id=upload_id)])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.stub.AnalyzeImage(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation(refused).field == "sources[0].upload_id"


async def test_slices_that_the_gate_does_not_accept_do_not_count(mesh):
    mesh.rejected = {1, 2, 30}
    (result,) = (await mesh.analyze(zipped(files(stack())))).results
    assert probability(result) == pytest.approx(0.8, abs=1e-6)
    (notice,) = [one for one in result.notices if one.reason == "SERIES_SLICES_NOT_ACCEPTED"]
    assert not notice.review_required
    assert not result.abstained


async def test_a_conspicuous_slice_that_the_gate_does_not_accept_asks_for_review(mesh):
    mesh.rejected = {11, 1}
    (result,) = (await mesh.analyze(zipped(files(stack())))).results
    assert [one.instance_number for one in result.key_slices] == [12, 13, 20]
    (notice,) = [one for one in result.notices if one.reason == "SERIES_SLICES_NOT_ACCEPTED"]
    assert (notice.review_required, list(notice.places)) == (True, ["slices[10]"])


async def test_a_slice_that_would_only_have_counted_among_others_asks_for_review_too(mesh):
    """The third of the three that count is weaker than the one that is not accepted."""
    mesh.rejected = {13}
    (result,) = (await mesh.analyze(zipped(files(stack())))).results
    assert probability(result) == pytest.approx((0.9 + 0.8 + 0.6) / 3, abs=1e-6)
    (notice,) = [one for one in result.notices if one.reason == "SERIES_SLICES_NOT_ACCEPTED"]
    assert (notice.review_required, list(notice.places)) == (True, ["slices[12]"])


async def test_a_series_of_which_no_slice_is_accepted_is_abstained_on(mesh):
    mesh.rejected = set(range(1, 9))
    (result,) = (await mesh.analyze(zipped(files(stack(8))))).results
    assert result.abstained
    assert result.gate_decision == pb.GATE_DECISION_REJECTED
    assert list(result.rejections) == [pb.REJECTION_CROPPED]
    assert "IMAGE_NOT_ACCEPTED" in reasons(result.notices)


async def test_a_gate_that_fails_takes_no_answer_away(mesh):
    mesh.inference.fail("image_gate", ModelFailed())
    (result,) = (await mesh.analyze(zipped(files(stack(14))))).results
    assert probability(result) == pytest.approx(0.8, abs=1e-6)
    assert result.gate_decision == pb.GATE_DECISION_NOT_JUDGED
    assert "IMAGE_NOT_JUDGED" in reasons(result.notices)


async def test_where_only_the_gate_can_say_what_it_shows_its_failure_is_not_the_series_fault(mesh):
    mesh.inference.fail("image_gate", ModelUnavailable())
    slices = stack(6)
    for one in slices:
        del one.BodyPartExamined
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.analyze(zipped(files(slices)))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_heat_maps_are_those_of_the_key_slices(mesh):
    (result,) = (await mesh.analyze(zipped(files(stack(14))), include_overlay=True)).results
    assert result.overlay_png.startswith(b"\x89PNG")
    for one in result.key_slices:
        heat = next(f.heat_map for f in one.findings if f.label == "intracranial_haemorrhage")
        values = np.array(heat.values).reshape(heat.row_count, heat.column_count)
        assert np.unravel_index(values.argmax(), values.shape) == (2, 3)


async def test_what_is_unusual_about_the_series_is_told_once(mesh):
    slices = stack(14)
    del slices[5]
    analysis = await mesh.analyze(zipped(files(slices)))
    assert reasons(analysis.notices).count("SERIES_SLICES_MISSING") == 1


async def test_a_model_that_reads_no_series_is_refused_when_named(mesh):
    films = head(3, Modality="DX", BodyPartExamined="CHEST")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.analyze(zipped(files(films)), models=["chest_xray"])
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation(refused).field == "options.models"
    assert "slice_aggregation" in violation(refused).description


async def test_a_series_of_what_only_models_of_single_images_read_is_refused_with_what_to_do(mesh):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.analyze(zipped(files(head(3, Modality="DX", BodyPartExamined="CHEST"))))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "as a file of its own" in refused.value.details()


async def test_digests_are_of_the_files_and_of_what_was_read(mesh):
    slices, key = stack(4), b"0123456789abcdef"
    first = (await mesh.analyze(zipped(files(slices)), digest_key=key)).digests
    for one in slices:
        one.PatientName = "Another^Name"
    shuffled = (await mesh.analyze(*files(slices[::-1]), digest_key=key)).digests
    assert first.content_hmac_sha256 == shuffled.content_hmac_sha256
    assert first.file_hmac_sha256 != shuffled.file_hmac_sha256
    slices[0].PixelData = slices[1].PixelData
    other = (await mesh.analyze(zipped(files(slices)), digest_key=key)).digests
    assert other.content_hmac_sha256 != first.content_hmac_sha256


async def test_a_single_slice_reads_as_an_image(mesh):
    analysis = await mesh.analyze(written(stack(12)[10]))
    (result,) = analysis.results
    assert not analysis.HasField("series")
    assert not result.key_slices
    assert result.calibrated
