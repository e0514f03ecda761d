"""Multi-frame objects: each frame reads as a file of its own would, whatever the pixels are encoded in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from services.chassis.errors import InvalidInput, Reason
from services.imaging.decoding import decode_image
from services.imaging.dicom.decoding import decode_dataset
from services.imaging.dicom.instance import Instance
from services.imaging.images import DecodingLimits
from services.imaging.series.reading import is_series, read_series
from tests.imaging.series.stacks import enhanced, head, written

LIMITS = DecodingLimits()


def with_pixels(syntax, count=4):
    """An enhanced object of `count` frames, encoded in `syntax`."""
    dataset = enhanced(head(count))
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
        dataset["PixelData"].VR = "OW"
    elif syntax == RLELossless:
        written(dataset)  # which gives it a file meta
        dataset.compress(syntax, generate_instance_uid=False)
    return dataset


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_a_frame_reads_as_its_slice_does_alone(syntax):
    instance = Instance(written(with_pixels(syntax), syntax), LIMITS)
    assert (instance.frame_count, instance.has_frame_groups, instance.has_pixels) == (4, True, True)
    for index, alone in enumerate(head(4)):
        frame = decode_dataset(instance.frame(index), LIMITS)
        assert (frame.hounsfield == decode_image(written(alone)).hounsfield).all()


def test_each_frame_has_its_own_rescale():
    intercepts = [-1024, -1100, -1000, -1050]
    instance = Instance(written(enhanced(head(4), intercepts)), LIMITS)
    for index, alone in enumerate(head(4)):
        frame = decode_dataset(instance.frame(index), LIMITS)
        expected = np.maximum(decode_image(written(alone)).hounsfield, intercepts[index])
        assert (frame.hounsfield == expected).all()


def test_frames_in_several_fragments_are_put_together():
    """Ten bytes a fragment, and the offset table that says where frames start."""
    dataset = with_pixels(RLELossless, 3)
    whole = list(generate_frames(dataset.PixelData, number_of_frames=3))
    dataset.PixelData = encapsulate(whole, fragments_per_frame=5, has_bot=True)
    dataset["PixelData"].is_undefined_length = True
    instance = Instance(written(dataset, RLELossless), LIMITS)
    for index, alone in enumerate(head(3)):
        frame = decode_dataset(instance.frame(index), LIMITS)
        assert (frame.hounsfield == decode_image(written(alone)).hounsfield).all()


def test_a_frame_of_a_classic_object_reads_as_pydicom_reads_it():
    path = get_testdata_file("SC_rgb_rle_2frame.dcm")
    instance = Instance(Path(path).read_bytes(), LIMITS)
    frames = [decode_dataset(instance.frame(index), LIMITS).grey for index in range(2)]
    for index, frame in enumerate(frames):
        red, green, blue = np.moveaxis(pixel_array(path, index=index).astype(float), -1, 0)
        assert np.abs(frame - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 1
    assert (frames[0] != frames[1]).any()


def test_frames_without_places_are_taken_as_they_stand_and_told():
    sent = Path(get_testdata_file("SC_rgb_rle_2frame.dcm")).read_bytes()
    assert is_series([sent])
    series = read_series([sent])
    assert [one.instance_number for one in series.slices] == [1, 2]
    assert "SERIES_ORDER_ASSUMED" in [notice.reason for notice in series.notices]


def test_groups_that_do_not_fit_the_frames_are_refused():
    dataset = enhanced(head(4))
    dataset.NumberOfFrames = 5
    with pytest.raises(InvalidInput) as refused:
        Instance(written(dataset), LIMITS)
    assert refused.value.reason is Reason.INPUT_MALFORMED


def test_pixels_that_end_early_are_refused():
    dataset = enhanced(head(4))
    dataset.PixelData = dataset.PixelData[:-100]
    series = read_series([written(dataset)])
    series.decode(2)
    with pytest.raises(InvalidInput) as refused:
        series.decode(3)
    assert refused.value.reason is Reason.INPUT_MALFORMED
    assert "fewer frames than it declares" in refused.value.description


def test_a_frame_is_not_copied_before_it_is_asked_for():
    data = written(enhanced(head(4)))
    instance = Instance(data, LIMITS)
    assert instance._header.data is data
