"""A JPEG frame in colour that would take too much memory, read at half its rows and columns: the same picture
in the same place. Small frames under a small limit; those that reach the real one are in `test_large_files`.
"""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1

from services.chassis.errors import InvalidInput, Reason
from services.imaging.decoding import decode_image
from services.imaging.images import DecodingLimits
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import read_series
from tests.imaging import samples

ROWS, COLUMNS = 301, 402
"""One side odd, and not square."""
SMALL = DecodingLimits(max_picture_bytes=1_000_000)
"""Too little for the whole frame, which takes 1.2 MB."""
_APP0, _APP15 = 0xE0, 0xEF


def colours() -> np.ndarray:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    return np.stack([x * 255 / COLUMNS, y * 255 / ROWS, 200 - x * 100 / COLUMNS], axis=-1).astype(np.uint8)


def jpeg(*, markers: bool = True, **options) -> bytes:
    """`markers`: whether it says by JFIF or Adobe's marker what its colours are."""
    out = io.BytesIO()
    Image.fromarray(colours()).save(out, "JPEG", quality=95, **options)
    return out.getvalue() if markers else without_applications(out.getvalue())


def without_applications(encoded: bytes) -> bytes:
    kept, position = bytearray(encoded[:2]), 2
    while encoded[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(encoded[position + 2 : position + 4], "big")
        if not _APP0 <= encoded[position + 1] <= _APP15:
            kept += encoded[position:end]
        position = end
    return bytes(kept + encoded[position:])


def dicom(*frames: bytes, syntax=JPEGBaseline8Bit, **attributes) -> bytes:
    described = {
        "Rows": ROWS,
        "Columns": COLUMNS,
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_FULL_422",
        "PlanarConfiguration": 0,
        "PixelData": encapsulate(list(frames)),
    }
    return samples.dicom(np.zeros((1, 1), np.uint8), syntax, **(described | attributes))


def means(values: np.ndarray) -> np.ndarray:
    """Of two by two pixels each; the last row or column counts twice where their number is odd."""
    even = np.pad(values.astype(float), ((0, ROWS % 2), (0, COLUMNS % 2), (0, 0)), "edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def reasons(image) -> list[str]:
    return [notice.reason for notice in image.notices]


COLOUR_SPACES = {
    "YBR, JFIF": ("YBR_FULL_422", {}),
    "YBR, JFIF, called RGB": ("RGB", {}),
    "YBR, no marker": ("YBR_FULL", {"markers": False}),
    "YBR 4:4:4": ("YBR_FULL", {"subsampling": 0}),
    "YBR, progressive": ("YBR_FULL_422", {"progressive": True}),
    "RGB, Adobe": ("RGB", {"keep_rgb": True}),
}


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit], ids=lambda s: s.keyword)
@pytest.mark.parametrize("kind", COLOUR_SPACES)
def test_it_has_the_colours_of_the_whole_frame(kind, syntax):
    photometric, options = COLOUR_SPACES[kind]
    file = dicom(jpeg(**options), syntax=syntax, PhotometricInterpretation=photometric)
    limits = DecodingLimits(max_picture_bytes=1_150_000) if "progressive" in kind else SMALL
    whole, half = decode_image(file), decode_image(file, limits)
    assert (whole.grey.shape, reasons(whole)) == ((301, 402), [])
    assert (half.grey.shape, half.rgb.shape, reasons(half)) == ((151, 201), (151, 201, 3), ["IMAGE_REDUCED"])
    assert np.abs(half.rgb - means(colours())).mean() < 2
    assert np.abs(half.rgb - means(whole.rgb)).max() < 4
    assert half.colourfulness == pytest.approx(whole.colourfulness, abs=0.01)


def test_samples_that_are_called_rgb_by_the_data_set_alone_are_not_converted():
    """Without a marker a decoder of JPEG files would take them for YBR."""
    file = dicom(jpeg(markers=False), PhotometricInterpretation="RGB")
    whole, half = decode_image(file), decode_image(file, SMALL)
    assert np.abs(half.rgb - means(whole.rgb)).max() < 4
    assert np.abs(half.rgb - means(colours())).mean() > 50


def test_a_pixel_is_twice_as_far_from_the_next():
    file = dicom(jpeg(), PixelSpacing=["0.1", "0.3"])
    assert decode_image(file).spacing_mm == (0.1, 0.3)
    assert decode_image(file, SMALL).spacing_mm == (0.2, 0.6)
    assert decode_image(dicom(jpeg()), SMALL).spacing_mm is None


def test_it_is_turned_as_the_whole_frame_is():
    """Lying on its side: the patient's feet are where the rows lead to."""
    file = dicom(jpeg(), PatientOrientation=["F", "L"], PixelSpacing=["0.1", "0.3"])
    whole, half = decode_image(file), decode_image(file, SMALL)
    assert (whole.grey.shape, half.grey.shape) == ((402, 301), (201, 151))
    assert half.spacing_mm == (0.6, 0.2)
    assert reasons(half) == ["IMAGE_REDUCED", "IMAGE_REORIENTED"]
    upright = np.swapaxes(means(colours()), 0, 1)
    assert np.abs(half.rgb - upright).mean() < 2


def test_each_frame_of_several_is_read_so():
    file = dicom(jpeg(), jpeg(), NumberOfFrames=2)
    series = read_series([file], SeriesLimits(one_file=SMALL))
    assert [series.decode(index).grey.shape for index in range(2)] == [(151, 201)] * 2


NOT_REDUCED = {
    "grey": (
        JPEGBaseline8Bit,
        lambda: samples.picture(colours()[..., 0], "JPEG"),
        {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"},
    ),
    "palette": (  # whose entries have no mean
        JPEGBaseline8Bit,
        lambda: samples.picture(colours()[..., 0], "JPEG"),
        {"SamplesPerPixel": 1, "PhotometricInterpretation": "PALETTE COLOR"},
    ),
    "lossless": (
        JPEGLosslessSV1,
        lambda: imagecodecs.jpeg8_encode(colours(), lossless=True),
        {"PhotometricInterpretation": "RGB"},
    ),
}


@pytest.mark.parametrize("kind", NOT_REDUCED)
def test_another_frame_is_refused(kind):
    syntax, encoded, attributes = NOT_REDUCED[kind]
    file = dicom(encoded(), syntax=syntax, **attributes)
    with pytest.raises(InvalidInput, match="while it is decoded") as caught:
        decode_image(file, DecodingLimits(max_picture_bytes=300_000))
    assert caught.value.reason is Reason.INPUT_TOO_LARGE


def test_a_truncated_one_is_refused():
    encoded = jpeg()
    with pytest.raises(InvalidInput, match="damaged"):
        decode_image(dicom(encoded[: len(encoded) // 2]), SMALL)
