"""The test files that come with pydicom, from many makers: read as a plain computation reads them, or refused
(P01 to P10).

The computation is the standard's formula on every pixel, from what pydicom's own decoders give.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.data.data_manager import DATA_ROOT
from pydicom.pixels.utils import pixel_array

from services.chassis.errors import InvalidInput
from services.imaging.decoding import decode_image

FILES = sorted(
    path
    for path in (Path(DATA_ROOT) / "test_files").rglob("*")
    if path.is_file() and path.suffix in {"", ".dcm"}
)


def plainly(path: Path) -> np.ndarray | None:
    """Grey levels by the formulas, pixel by pixel; None where pydicom alone cannot decode the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(path)
        try:
            stored = pixel_array(dataset, index=0)
        except (RuntimeError, NotImplementedError, ValueError, AttributeError):  # no decoder, or damaged
            return None
    if stored.ndim == 3:
        top = (1 << dataset.BitsStored) - 1
        return np.asarray(Image.fromarray(np.rint(stored * (255 / top)).astype(np.uint8)).convert("L"))
    values = stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    if "WindowCenter" in dataset:
        centre, width = (np.atleast_1d(dataset[k].value)[0] for k in ("WindowCenter", "WindowWidth"))
        grey = ((values - (float(centre) - 0.5)) / (float(width) - 1) + 0.5) * 255
    elif stored.dtype == np.uint8:
        grey = values
    else:
        low, high = np.percentile(values, (0.5, 99.5))
        grey = (values - low) / (high - low) * 255
    grey = np.rint(np.clip(grey, 0, 255))
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def read(path: Path):
    return decode_image(path.read_bytes())


def test_files_of_all_kinds_are_there():
    assert len(FILES) > 60


def test_no_file_is_anything_but_read_or_refused():
    """P10."""
    count = 0
    for path in FILES:
        with contextlib.suppress(InvalidInput):
            read(path)
            count += 1
    assert count >= 30


def test_every_file_that_is_read_is_shown_as_the_formulas_say():
    """P01."""
    compared = {}
    for path in FILES:
        with contextlib.suppress(InvalidInput):
            image = read(path)
            expected = None if image.photometric_interpretation == "PALETTE COLOR" else plainly(path)
            if expected is not None:
                compared[path.name] = float(np.abs(image.grey.astype(float) - expected).mean())
    assert len(compared) >= 30
    assert {name: mean for name, mean in compared.items() if mean >= 0.3} == {}


REFUSED = {
    "SC_rgb_rle_2frame.dcm": "2 frames",
    "examples_ybr_color.dcm": "30 frames",
    "liver_1frame.dcm": "8 or 16 bits",
    "SC_rgb_rle_32bit.dcm": "8 or 16 bits",
    "no_meta.dcm": "preamble",
    "meta_missing_tsyntax.dcm": "Transfer Syntax UID",
    "MR_truncated.dcm": "truncated",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_plain_words(name):
    """P02, P07, P08."""
    with pytest.raises(InvalidInput, match=REFUSED[name]):
        read(Path(str(get_testdata_file(name, download=False))))


READ = ["MR_small_jpeg_ls_lossless.dcm", "JPGExtended.dcm", "JPEG-lossy.dcm", "examples_palette.dcm",
        "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_gdcm.dcm"]  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_most_archives_hold_is_read(name):
    """P04, P05: JPEG lossless, JPEG-LS, JPEG of 12 bits, and palettes."""
    assert read(Path(str(get_testdata_file(name, download=False)))).grey.std() > 1


def test_jpeg_ls_is_read_as_the_same_image_uncompressed():
    """P05."""
    compressed, plain = [
        read(Path(str(get_testdata_file(name, download=False)))).grey
        for name in ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm")
    ]
    assert np.array_equal(compressed, plain)
