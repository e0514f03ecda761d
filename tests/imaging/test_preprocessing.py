from __future__ import annotations

import numpy as np
import pytest

from services.imaging.analysis import prepare
from services.imaging.decoding import decode_image
from services.imaging.models import CHEST_XRAY, HEAD_CT
from services.imaging.preprocessing import brain_window, spread, stretch_to_square
from tests.imaging import samples

CHEST = samples.chest()


def test_the_tensor_is_a_grey_square_of_bytes():
    tensor = stretch_to_square(CHEST, 224)
    assert (tensor.shape, tensor.dtype) == ((1, 224, 224), np.uint8)


def test_an_image_that_fits_is_passed_as_it_is():
    square = stretch_to_square(CHEST, 64)[0]
    assert np.array_equal(stretch_to_square(square, 64)[0], square)


@pytest.mark.parametrize("bad", [CHEST.astype(np.float32), CHEST[np.newaxis]])
def test_other_arrays_are_refused(bad):
    with pytest.raises(ValueError, match="expected uint8"):
        stretch_to_square(bad, 64)


def test_a_large_image_is_averaged_not_sampled():
    checks = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    assert np.abs(stretch_to_square(checks.astype(np.uint8), 128).astype(int) - 127).max() < 8


def test_the_brain_window_shows_0_to_80_hounsfield_units():
    units = np.array([[-1000, 0, 40, 80, 1000]], np.float32)
    assert brain_window(units).tolist() == [[0, 0, 128, 255, 255]]


def test_values_without_contrast_become_black():
    assert not spread(np.full((40, 40), 7, np.float32)).any()


def test_the_same_radiograph_gives_the_same_tensor_whatever_its_file():
    as_png = prepare(decode_image(samples.picture(CHEST)), CHEST_XRAY)
    as_dicom = prepare(decode_image(samples.dicom(CHEST)), CHEST_XRAY)
    turned = prepare(
        decode_image(samples.dicom(255 - CHEST, PhotometricInterpretation="MONOCHROME1")), CHEST_XRAY
    )
    assert np.array_equal(as_png, as_dicom)
    assert np.array_equal(as_png, turned)


def test_a_ct_is_read_in_its_brain_window_and_a_radiograph_is_not():
    units = np.tile(np.linspace(-1000, 1000, 64), (64, 1)).astype(np.int16)
    image = decode_image(
        samples.dicom(units, Modality="CT", BodyPartExamined="HEAD", RescaleSlope=1, RescaleIntercept=0)
    )
    assert np.array_equal(
        prepare(image, HEAD_CT), stretch_to_square(brain_window(units.astype(np.float32)), HEAD_CT.side_px)
    )
    assert not np.array_equal(prepare(image, CHEST_XRAY), prepare(image, HEAD_CT))


def test_training_reads_a_file_exactly_as_a_request_does(shared_data):
    data = pytest.importorskip("training.chest_xray.data")
    radiographs = data.load("val", shared_data)
    few = np.zeros(len(radiographs.files), bool)
    few[::100] = True
    chosen = radiographs.take(few)
    served = [prepare(decode_image(file.read_bytes()), CHEST_XRAY)[0] for file in chosen.files]
    assert np.array_equal(chosen.images(CHEST_XRAY.side_px), np.stack(served))


def test_pixels_that_are_not_square_change_nothing_for_a_network():
    """Pixel Aspect Ratio is not applied: the whole image is stretched to the square either way."""
    tall = np.repeat(CHEST, 2, axis=0)
    there = stretch_to_square(CHEST, 64).astype(int)
    assert np.abs(stretch_to_square(tall, 64).astype(int) - there).mean() < 1
