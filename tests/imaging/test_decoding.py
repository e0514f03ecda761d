from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from services.chassis.errors import InvalidInput, Reason
from services.imaging.decoding import decode_image
from services.imaging.grey import spread
from services.imaging.images import DecodingLimits, FileFormat
from services.imaging.pictures import is_quick
from tests.imaging import large, samples

CHEST = samples.chest()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_picture_keeps_its_grey_values(file_format):
    image = decode_image(samples.picture(CHEST, file_format))
    assert image.file_format == file_format
    assert image.colourfulness == 0
    assert np.abs(image.grey.astype(int) - CHEST).mean() < 2


@pytest.mark.parametrize(
    ("data", "quick"),
    [
        (samples.picture(CHEST, "JPEG"), True),
        (samples.picture(CHEST, "JPEG", progressive=True), False),  # goes over its pixels many times
        (samples.picture(CHEST, "PNG"), False),  # its header does not bound what it inflates to
        (samples.picture(np.zeros((513, 512), np.uint8), "JPEG"), False),
        (samples.picture(CHEST, "JPEG", comment=b"x" * 60_000) + b"\0" * 8_000, False),
        (samples.picture(CHEST, "JPEG")[:20], False),
        (samples.dicom(CHEST), False),
        (b"", False),
    ],
)
def test_only_a_small_picture_of_one_pass_is_quick(data, quick):
    assert is_quick(data) is quick


def test_colour_is_reduced_to_grey_and_noticed():
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[..., 0] = 200
    image = decode_image(samples.picture(colour))
    assert image.grey.shape == (64, 64)
    assert image.colourfulness > 0.5


def test_a_picture_turned_by_its_exif_tag_is_set_upright():
    exif = samples.Image.Exif()
    exif[0x0112] = 6
    assert decode_image(samples.picture(CHEST, "JPEG", exif=exif)).grey.shape == CHEST.shape[::-1]


def test_sixteen_bit_png_is_spread_over_the_grey_scale():
    wide = (CHEST.astype(np.uint16) * 16) + 500
    grey = decode_image(samples.picture(wide)).grey
    assert grey.min() == 0
    assert grey.max() == 255
    assert np.corrcoef(grey.ravel(), CHEST.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("syntax", [samples.ExplicitVRLittleEndian, JPEGBaseline8Bit, samples.DEFLATED])
def test_dicom_is_read_in_each_kind_of_encoding(syntax):
    image = decode_image(samples.dicom(CHEST, syntax))
    assert (image.file_format, image.body_part, image.modality) == (FileFormat.DICOM, "CHEST", "CR")
    assert np.abs(image.grey.astype(int) - CHEST).mean() < 2


def test_monochrome1_is_turned_round():
    image = decode_image(samples.dicom(255 - CHEST, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(image.grey, CHEST)
    assert image.photometric_interpretation == "MONOCHROME1"


def test_the_window_of_the_file_is_applied():
    values = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    grey = decode_image(samples.dicom(values, WindowCenter=2048, WindowWidth=1024)).grey
    assert (grey[values < 1530] == 0).all()
    assert (grey[values > 2565] == 255).all()
    assert 120 < grey[np.abs(values.astype(int) - 2048) < 4].mean() < 136


def test_ct_is_given_in_hounsfield_units():
    stored = np.full((64, 64), 1064, np.int16)
    image = decode_image(
        samples.dicom(stored, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024, BodyPartExamined="HEAD")
    )
    assert image.hounsfield is not None
    assert (image.hounsfield == 40).all()


def test_a_radiograph_has_no_hounsfield_units():
    assert decode_image(samples.dicom(CHEST, RescaleSlope=1, RescaleIntercept=0)).hounsfield is None


def half(data):
    return data[: len(data) // 2]


BAD_FILES = {
    "empty": (b"", Reason.INPUT_MISSING),
    "text": (b"this is no image, it is a sentence", Reason.INPUT_UNSUPPORTED),
    "gif": (b"GIF89a" + bytes(100), Reason.INPUT_UNSUPPORTED),
    "truncated png": (half(samples.picture(CHEST)), Reason.INPUT_MALFORMED),
    "png signature only": (b"\x89PNG\r\n\x1a\n", Reason.INPUT_MALFORMED),
    "truncated jpeg": (half(samples.picture(CHEST, "JPEG")), Reason.INPUT_MALFORMED),
    "jpeg signature only": (b"\xff\xd8\xff", Reason.INPUT_MALFORMED),
    "truncated dicom": (samples.dicom(CHEST)[:3000], Reason.INPUT_MALFORMED),
    "dicom cut in its header": (samples.dicom(CHEST)[:180], Reason.INPUT_MALFORMED),
    "dicom noise": (bytes(128) + b"DICM" + bytes(range(256)) * 4, Reason.INPUT_MALFORMED),
    "dicom without pixel data": (samples.dicom(None), Reason.INPUT_UNSUPPORTED),
    "dicom without rows": (samples.dicom(CHEST, Rows=None), Reason.INPUT_MALFORMED),
    "truncated deflated dicom": (samples.dicom(CHEST, samples.DEFLATED)[:-50], Reason.INPUT_MALFORMED),
    "several frames": (samples.dicom(CHEST, NumberOfFrames=2), Reason.INPUT_UNSUPPORTED),
    "tiny": (samples.picture(CHEST[:8, :8]), Reason.INPUT_OUT_OF_RANGE),
    "png bomb": (samples.png_header(60_000, 60_000), Reason.INPUT_TOO_LARGE),
    "png of 8001 x 8001": (samples.png_header(8001, 8001), Reason.INPUT_TOO_LARGE),
    "dicom bomb": (samples.dicom(CHEST, Rows=65_000, Columns=65_000), Reason.INPUT_TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_names_the_field_and_the_reason(name):
    data, reason = BAD_FILES[name]
    with pytest.raises(InvalidInput) as caught:
        decode_image(data)
    assert (caught.value.field, caught.value.reason) == ("sources", reason)
    assert "Synthetic" not in str(caught.value)


def test_an_unread_transfer_syntax_is_named_as_such():
    unread = samples.dicom(CHEST).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.8\0", 1)
    with pytest.raises(InvalidInput, match="transfer syntax") as caught:
        decode_image(unread)
    assert caught.value.reason is Reason.INPUT_UNSUPPORTED


def test_a_frame_of_another_size_than_declared_is_refused_unread():
    with pytest.raises(InvalidInput, match="another size") as caught:
        decode_image(samples.dicom(CHEST, JPEGBaseline8Bit, Rows=40, Columns=40))
    assert caught.value.reason is Reason.INPUT_MALFORMED


def test_a_file_beyond_the_limit_is_refused_by_its_size_alone():
    with pytest.raises(InvalidInput) as caught:
        decode_image(bytes(2000), DecodingLimits(max_file_bytes=1000))
    assert caught.value.reason is Reason.INPUT_TOO_LARGE


def progressive(scan_count: int) -> bytes:
    """A JPEG whose last scan is repeated: each goes over all pixels, and weighs fifty bytes."""
    out = io.BytesIO()
    Image.new("L", (512, 512)).save(out, "JPEG", progressive=True)
    last = out.getvalue().rindex(b"\xff\xda")
    return out.getvalue()[:-2] + out.getvalue()[last:-2] * scan_count + b"\xff\xd9"


def test_a_jpeg_of_thousands_of_scans_is_refused_undecoded_as_a_picture_and_as_a_frame():
    frame = encapsulate([progressive(3000)])
    framed = samples.dicom(CHEST, JPEGBaseline8Bit, Rows=512, Columns=512, PixelData=frame)
    for data in (progressive(3000), framed):
        with pytest.raises(InvalidInput, match="scans") as caught:
            decode_image(data)
        assert caught.value.reason is Reason.INPUT_TOO_LARGE
    assert decode_image(progressive(5)).grey.shape == (512, 512)


KINDS = {
    "RGBA": ("PNG", {}),
    "RGB": ("PNG", {}),
    "P": ("PNG", {}),
    "LA": ("PNG", {}),
    "L": ("PNG", {}),
    "I;16": ("PNG", {}),
    "RGB, JPEG": ("JPEG", {}),
    "CMYK, JPEG": ("JPEG", {}),
    "L, progressive": ("JPEG", {"progressive": True}),
    "RGB, progressive": ("JPEG", {"progressive": True, "subsampling": 0}),
    "CMYK, progressive": ("JPEG", {"progressive": True, "subsampling": 0}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [4000, 5500, 8000])
def test_a_large_picture_takes_no_more_memory_than_the_limit(tmp_path, kind, side):
    """It is decoded within it, a JPEG at half its sides where that helps, or refused undecoded."""
    form, options = KINDS[kind]
    if side == 5500 and "progressive" not in kind:
        pytest.skip("between what fits and what does not lie the progressive ones")
    Image.new(kind.partition(",")[0], (side, side)).save(tmp_path / "large", form, **options)
    grown, shape, *notices = large.decoded(tmp_path / "large")
    assert int(grown) < 1.04 * DecodingLimits().max_picture_bytes
    expected = {
        8000: "4000" if kind.endswith("JPEG") else "8000" if kind in GREY_ALONE else "refused",
        5500: {"CMYK, progressive": "refused", "RGB, progressive": "2750"}.get(kind, "5500"),
    }.get(side, "4000")
    assert shape == expected
    assert ("IMAGE_REDUCED" in notices) == (shape not in {"refused", str(side)})


GREY_ALONE = {"L", "I;16", "L, progressive"}


def test_deep_values_are_shown_as_if_all_of_them_were_looked_at_at_once():
    values = np.random.default_rng(3).integers(100, 60_000, (1311, 1507), dtype=np.uint16)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    assert np.array_equal(decode_image(out.getvalue()).grey, spread(values))


def test_a_deflated_bomb_is_inflated_no_further_than_the_limit():
    bomb = samples.deflated_bomb(8_000_000)
    assert len(bomb) < 20_000
    with pytest.raises(InvalidInput, match="inflates") as caught:
        decode_image(bomb, DecodingLimits(max_inflated_bytes=1_000_000))
    assert caught.value.reason is Reason.INPUT_TOO_LARGE


def test_real_dicom_files_are_read(shared_data):
    files = sorted((shared_data / "dicom").glob("*.dcm"))
    assert files
    for file in files:
        image = decode_image(file.read_bytes())
        assert (image.grey.shape, image.body_part) == ((1024, 1024), "CHEST")
        assert image.grey.std() > 30


def test_the_same_pixels_tagged_monochrome1_are_shown_as_the_tag_says(shared_data):
    plain, tagged = (
        decode_image((shared_data / "dicom" / name).read_bytes()).grey
        for name in ("chest_xray_rsna.dcm", "chest_xray_monochrome1.dcm")
    )
    assert np.array_equal(tagged, 255 - plain)


PICTURES = {
    "8 bits": Image.fromarray(CHEST),
    "palette": Image.fromarray(CHEST).convert("P"),
    "RGB": Image.fromarray(CHEST).convert("RGB"),
    "grey and alpha": Image.fromarray(CHEST).convert("LA"),
    "RGBA": Image.fromarray(CHEST).convert("RGBA"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_png_gives_the_same_grey_values_whatever_its_mode(kind):
    """I01."""
    out = io.BytesIO()
    PICTURES[kind].save(out, "PNG")
    image = decode_image(out.getvalue())
    assert np.abs(image.grey.astype(int) - CHEST).max() <= 1
    assert not image.notices


@pytest.mark.parametrize("factor", [16, 257])
def test_a_png_of_12_or_16_bits_is_shown_over_its_range_and_says_so(factor):
    """I01."""
    image = decode_image(samples.picture(CHEST.astype(np.uint16) * factor))
    assert np.corrcoef(image.grey.ravel(), CHEST.ravel())[0, 1] > 0.99
    assert [notice.reason for notice in image.notices] == ["GREY_SCALE_MEASURED"]
