"""What large DICOM files take in memory, and small ones that unpack to large ones."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from services.imaging.images import DecodingLimits
from tests.imaging import large, samples

CHEST = samples.chest()
MOST_BYTES = 1.04 * DecodingLimits().max_picture_bytes
DICOM_KINDS = {
    "native, grey, 16": 5700,  # files of 64 MiB
    "native, CT, 16": 5700,
    "native, RGB, 8": 4700,
    "native, planes, 8": 4700,
    "native, RGB, 16": 3300,
    "native, YBR_FULL, 8": 4700,
    "native, YBR_FULL_422, 8": 5700,
    "native, palette, 8": 8000,
    "native, palette, 16": 5700,
    "big endian, grey, 16": 5700,
    "deflated, grey, 16": 8000,
    "deflated, CT, 16": 6000,
    "deflated, RGB, 8": 6000,
    "RLE, grey, 8": 8000,
    "RLE, grey, 16": 8000,
    "RLE, CT, 16": 6000,
    "RLE, RGB, 8": 6000,
    "RLE, RGB, 16": 5000,
    "RLE, YBR_FULL, 8": 6000,
    "RLE, palette, 8": 7100,
    "JPEG, grey, 8": 8000,
    "JPEG, YBR_FULL, 8": 5000,
    "progressive JPEG, grey, 8": 8000,
    "progressive JPEG, YBR_FULL, 8": 5000,
    "JPEG extended, grey, 12": 8000,
    "JPEG lossless, grey, 16": 8000,
    "JPEG lossless, RGB, 8": 5800,
    "JPEG-LS, grey, 16": 8000,
    "JPEG-LS, RGB, 8": 5800,
    "JPEG 2000, grey, 8": 7100,
    "JPEG 2000, grey, 16": 6400,
    "JPEG 2000, RGB, 8": 4000,
    "HTJ2K, grey, 16": 6400,
    "HTJ2K, RGB, 8": 4000,
}
"""Each with a side that is about the largest that is read, for its memory or for the size of its file."""
QUICK = {
    "native, palette, 16",
    "native, RGB, 8",
    "deflated, RGB, 8",
    "RLE, grey, 16",
    "RLE, RGB, 8",
    "JPEG, YBR_FULL, 8",
    "JPEG 2000, RGB, 8",
}
"""Those of all tests; the others are tried by `make test-large`, for minutes."""
REFUSED = ("native, RGB, 8", "deflated, RGB, 8", "RLE, RGB, 16", "RLE, palette, 8", "JPEG 2000, RGB, 8")
"""At 8,000²: one of each way to be too much."""


def marks(kind):
    return () if kind in QUICK else (pytest.mark.large,)


def frames():
    """Each kind with a side at which it is read, and some with one at which they are refused."""
    sides = [*DICOM_KINDS.items(), *((kind, 8000) for kind in REFUSED)]
    return [pytest.param(kind, side, marks=marks(kind)) for kind, side in sides]


@pytest.mark.parametrize(("kind", "side"), frames())
def test_a_large_frame_takes_no_more_memory_than_the_limit(tmp_path, kind, side):
    """It is decoded within it, or refused before it is unpacked: +0.2 to +1 GB before."""
    (tmp_path / "large").write_bytes(large.file(kind, side))
    grown, shape = large.decoded(tmp_path / "large")[:2]
    assert shape == (str(side) if side <= DICOM_KINDS[kind] else "refused")
    assert int(grown) < MOST_BYTES


REDUCED = {
    "JPEG, YBR_FULL, 8": [(5100, "2550"), (8000, "4000")],
    "JPEG, RGB, 8": [(8000, "4000")],
    "progressive JPEG, YBR_FULL, 8": [(5100, "2550"), (6000, "3000"), (6100, "refused")],
}
"""JPEG in colour beyond what is read whole: the sides, and those at which it is read."""


@pytest.mark.parametrize(
    ("kind", "side", "read"), [(kind, *sides) for kind, tried in REDUCED.items() for sides in tried]
)
def test_a_large_jpeg_in_colour_is_read_at_half_its_sides(tmp_path, kind, side, read):
    (tmp_path / "large").write_bytes(large.file(kind, side))
    grown, shape, *notices = large.decoded(tmp_path / "large")
    assert (shape, notices) == (read, [] if read == "refused" else ["IMAGE_REDUCED"])
    assert int(grown) < MOST_BYTES


@pytest.mark.parametrize("bits", [1, 32])
def test_pixels_that_are_not_read_are_not_unpacked(tmp_path, bits):
    """Single bits, and whole numbers or floating point of 32 bits."""
    values = bytes(8000 * 8000 * bits // 8)
    for keyword in ("PixelData", "FloatPixelData")[: 1 if bits == 1 else 2]:
        described = {
            "Rows": 8000,
            "Columns": 8000,
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
        }
        stored = {"PixelData": b"", keyword: values}
        file = samples.dicom(np.zeros((8, 8), np.uint8), samples.DEFLATED, **described, **stored)
        (tmp_path / "large").write_bytes(file)
        grown, shape = large.decoded(tmp_path / "large")[:2]
        assert shape == "refused"
        assert int(grown) < MOST_BYTES


def test_a_bomb_of_a_megabyte_does_not_become_a_gigabyte(tmp_path):
    (tmp_path / "large").write_bytes(samples.deflated_bomb(1_000_000_000))
    assert (tmp_path / "large").stat().st_size < 2_000_000
    grown, shape = large.decoded(tmp_path / "large")[:2]
    assert shape == "refused"
    assert int(grown) < MOST_BYTES


@pytest.mark.parametrize("segments", [[1, 65535, 9], [2, 2, 0, 0]], ids=["a line", "a copy of copies"])
def test_a_palette_that_expands_without_end_is_refused(tmp_path, segments):
    """Four or six bytes stand for 65,535 entries, or for what copies itself."""
    words = np.array([0, 1, 7, *segments * 30_000], "<u2").tobytes()
    palette = {}
    for colour in ("Red", "Green", "Blue"):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [0, 0, 16]
        palette[f"Segmented{colour}PaletteColorLookupTableData"] = words
    (tmp_path / "large").write_bytes(
        samples.dicom(CHEST, PhotometricInterpretation="PALETTE COLOR", **palette)
    )
    grown, shape = large.decoded(tmp_path / "large")[:2]
    assert shape == "refused"
    assert int(grown) < 32e6


CLEANED = {
    "native, grey, 16": (5700, ""),
    "native, RGB, 8": (4700, ""),
    "native, planes, 8": (4700, ""),
    "native, YBR_FULL_422, 8": (4000, ""),
    "deflated, grey, 16": (5600, ""),
    "deflated, RGB, 8": (8000, "inflates"),
    "RLE, grey, 16": (6400, ""),
    "RLE, RGB, 8": (5000, ""),
    "RLE, RGB, 16": (8000, "256 MB"),
    "JPEG, YBR_FULL, 8": (4400, ""),
    "JPEG lossless, grey, 16": (6400, ""),
    "JPEG 2000, grey, 16": (5600, ""),
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=marks(kind)) for kind in CLEANED])
def test_to_take_out_what_identifies_takes_no_more_than_the_limit_either(tmp_path, kind):
    """Read twice, looked at, covered and written."""
    side, refused = CLEANED[kind]
    (tmp_path / "large").write_bytes(large.file(kind, side))
    grown, *said = large.deidentified(tmp_path / "large")
    assert refused in " ".join(said) if refused else not said
    assert int(grown) < MOST_BYTES


def test_what_is_written_back_is_not_read_at_half_its_sides(tmp_path):
    """What is read so is refused here: the text would be looked for, and covered, in another place."""
    (tmp_path / "large").write_bytes(large.file("JPEG, YBR_FULL, 8", 5100))
    assert large.decoded(tmp_path / "large")[1:] == ["2550", "IMAGE_REDUCED"]
    grown, *said = large.deidentified(tmp_path / "large")
    assert "256 MB while it is decoded" in " ".join(said)
    assert int(grown) < MOST_BYTES


@pytest.mark.parametrize(("mode", "side"), [("RGB", 5600), ("L", 8000), ("RGBA", 8000)])
def test_so_does_a_picture(tmp_path, mode, side):
    Image.new(mode, (side, side)).save(tmp_path / "large", "PNG")
    grown, *said = large.deidentified(tmp_path / "large")
    assert bool(said) == (mode == "RGBA")
    assert int(grown) < MOST_BYTES


@pytest.mark.parametrize(
    ("sizes", "noise_bytes", "refused"),
    [
        ([1_000_000_000], 0, "times"),  # a megabyte of zeros
        ([900_000_000], 5_000_000, "20 times"),  # within the ratio of all, not of one so large
        ([250_000_000], 2_000_000, "DICOM"),  # inflated, looked at and let go
        ([17_000_000] * 60, 0, "200 times"),
    ],
)
def test_an_archive_is_inflated_no_further_than_the_limit(tmp_path, sizes, noise_bytes, refused):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("noise", np.random.default_rng(1).bytes(noise_bytes))
        for index, size in enumerate(sizes):
            with archive.open(f"{index}", "w", force_zip64=False) as member:
                for _ in range(size // 1_000_000):
                    member.write(bytes(1_000_000))
    (tmp_path / "large").write_bytes(out.getvalue())
    grown, *said = large.read_as_series(tmp_path / "large")
    assert refused in " ".join(said)
    assert int(grown) < MOST_BYTES
