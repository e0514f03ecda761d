"""`DeidentifyImage` of a real imaging server; the model below the inference seam says where text is."""

from __future__ import annotations

import io

import grpc
import numpy as np
import pydicom
import pytest
from PIL import Image

from medmesh.imaging.v1 import deidentification_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.errors import ModelFailed
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, real_card, write_model_repository
from tests.imaging import samples
from tests.imaging.test_servicer import reasons, refused

NAME = "pixel_text"
KEY = b"a key of sixteen bytes or more"
GREY = samples.chest(300, 400)
TEXT = (slice(40, 60), slice(100, 220))
"""Where the fake model sees text: white on a ground of at most 210."""
WRITTEN = GREY.copy()
WRITTEN[TEXT] = 255


def text_where_it_is_white(inputs):
    tiles = inputs["image"][:, 0]
    cells = tiles.reshape(len(tiles), 128, 4, 128, 4).min(axis=(2, 4))
    return {"probabilities": (cells >= 250).astype(np.float32) * 0.9}


@pytest.fixture
async def imaging(tmp_path):
    inference = FakeInference({NAME: text_where_it_is_white})
    settings = ImagingSettings(
        listen="127.0.0.1:0",
        model_repository=(write_model_repository(tmp_path, [real_card(NAME)]),),
        maximum_image_bytes=1_000_000,
    )
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield imaging_pb2_grpc.ImagingServiceStub(channel), inference


async def deidentify(imaging, data, *, key=KEY, parts=3, **options):
    async def messages():
        yield pb.DeidentifyImageRequest(options=pb.ImageDeidentificationOptions(key=key, **options))
        size = -(-len(data) // parts) or 1
        for start in range(0, len(data), size):
            yield pb.DeidentifyImageRequest(chunk=data[start : start + size])

    answers = [answer async for answer in imaging[0].DeidentifyImage(messages(), timeout=30)]
    assert [answer.WhichOneof("part") for answer in answers[:2]] == ["deidentification", "chunk"]
    return b"".join(answer.chunk for answer in answers), answers[0].deidentification


async def test_a_dicom_file_comes_back_clean_with_what_was_done(imaging):
    data, done = await deidentify(imaging, samples.dicom(WRITTEN, PatientID="4711"))

    after = pydicom.dcmread(io.BytesIO(data))
    assert (after.pixel_array[TEXT] == WRITTEN.min()).all()
    far = np.ones(GREY.shape, bool)
    far[20:80, 80:240] = False
    assert np.array_equal(after.pixel_array[far], WRITTEN[far])
    assert after.PatientID not in {"", "4711"}
    assert done.sop_instance_uid == after.SOPInstanceUID
    assert (done.format, done.frame_count, done.examined_frame_count) == ("DICOM", 1, 1)
    assert done.provenance.model_name == NAME
    (region,) = done.masked_regions
    assert region.left_px <= 100
    assert region.left_px + region.width_px >= 220
    changes = {change.name: pb.AttributeChange.Action.Name(change.action) for change in done.changes}
    assert changes["Patient ID"] == "ACTION_REPLACED"
    assert changes["SOP Instance UID"] == "ACTION_UID_MAPPED"


async def test_a_picture_comes_back_clean(imaging):
    data, done = await deidentify(imaging, samples.picture(WRITTEN))
    with Image.open(io.BytesIO(data)) as image:
        assert (np.asarray(image)[TEXT] == 0).all()
    assert done.format == "PNG"


async def test_each_frame_is_looked_at(imaging):
    frames = np.stack([GREY, GREY, WRITTEN])
    data, done = await deidentify(imaging, samples.dicom(GREY, NumberOfFrames=3, PixelData=frames.tobytes()))
    assert (done.frame_count, done.examined_frame_count) == (3, 3)
    pixels = pydicom.dcmread(io.BytesIO(data)).pixel_array
    assert (pixels[(slice(None), *TEXT)] == GREY.min()).all()


async def test_markers_stay_where_that_is_asked_for(imaging):
    marker = np.full(GREY.shape, 100, np.uint8)
    marker[40:60, 100:116] = 255
    kept, done = await deidentify(
        imaging, samples.picture(marker), burned_in_text=pb.BURNED_IN_TEXT_MARKERS_KEPT
    )
    assert not done.masked_regions
    with Image.open(io.BytesIO(kept)) as image:
        assert np.array_equal(np.asarray(image), marker)
    _, done = await deidentify(imaging, samples.picture(marker))
    assert len(done.masked_regions) == 1


async def test_pixels_leave_unseen_only_where_that_is_asked_for(imaging):
    imaging[1].fail(NAME, ModelFailed())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await deidentify(imaging, samples.dicom(WRITTEN))
    assert caught.value.code() == grpc.StatusCode.INTERNAL

    data, done = await deidentify(imaging, samples.dicom(WRITTEN), burned_in_text=pb.BURNED_IN_TEXT_KEPT)
    assert reasons(done.notices) == ["PIXELS_NOT_EXAMINED"]
    assert done.notices[0].review_required
    assert not done.HasField("provenance")
    assert pydicom.dcmread(io.BytesIO(data)).PixelData == WRITTEN.tobytes()


@pytest.mark.parametrize(
    ("data", "options", "reason", "field"),
    [
        (b"", {}, "INPUT_MISSING", "chunk"),
        (b"Mr. Smith", {}, "INPUT_UNSUPPORTED", "chunk"),
        (samples.dicom(GREY)[:500], {}, "INPUT_MALFORMED", "chunk"),
        (samples.dicom(GREY), {"key": b"short"}, "INPUT_OUT_OF_RANGE", "options.key"),
        (samples.dicom(GREY), {"key": b""}, "INPUT_MISSING", "options.key"),
        (bytes(1_000_001), {}, "INPUT_TOO_LARGE", "chunk"),
    ],
)
async def test_bad_input_names_its_field(imaging, data, options, reason, field):
    found = await refused(deidentify(imaging, data, **options))
    assert found == ("INVALID_ARGUMENT", reason, [field])
