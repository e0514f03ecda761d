from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from services.imaging.deidentification import dicom
from services.imaging.deidentification.boxes import Box, boxes, outside
from services.imaging.deidentification.burned_in import TextMap, Tile, tiles, without_markers
from services.imaging.images import DecodingLimits
from tests.imaging import samples

KEY = b"a key of sixteen bytes or more"
GREY = samples.chest(160, 120)
BOX = Box(10, 20, 40, 90)
INSIDE = np.zeros(GREY.shape, bool)
INSIDE[BOX.rows, BOX.columns] = True


def covered(data, *over):
    file = dicom.opened(data, DecodingLimits())
    done = dicom.written(file, over, frozenset(), KEY, "")
    return pydicom.dcmread(io.BytesIO(done.data)), done


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGBaseline8Bit])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_is_covered_is_black_and_every_other_pixel_is_as_it_was(syntax, photometric):
    data = samples.dicom(GREY, syntax, PhotometricInterpretation=photometric)
    before = pydicom.dcmread(io.BytesIO(data)).pixel_array
    after, done = covered(data, BOX)

    assert np.array_equal(before[~INSIDE], after.pixel_array[~INSIDE])
    black = before.max() if photometric == "MONOCHROME1" else before.min()
    assert (after.pixel_array[INSIDE] == black).all()
    assert done.transfer_syntax_uid == ExplicitVRLittleEndian
    assert after.BurnedInAnnotation == "NO"


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, RLELossless, ExplicitVRLittleEndian])
def test_where_nothing_is_covered_the_pixel_data_is_the_same_bytes(syntax):
    data = samples.dicom(GREY, syntax if syntax != RLELossless else ExplicitVRLittleEndian)
    if syntax == RLELossless:
        packed = pydicom.dcmread(io.BytesIO(data))
        packed.compress(RLELossless)
        out = io.BytesIO()
        packed.save_as(out)
        data = out.getvalue()
    after, done = covered(data)
    assert after.PixelData == pydicom.dcmread(io.BytesIO(data)).PixelData
    assert done.transfer_syntax_uid == syntax


def test_signed_values_and_all_frames_are_covered():
    values = (GREY.astype(np.int16) - 100) * 8
    frames = np.stack([values, values[::-1], values + 3])
    data = samples.dicom(
        values, NumberOfFrames=3, PixelData=frames.tobytes(), Modality="CT", BodyPartExamined="HEAD"
    )
    after, done = covered(data, BOX)
    for before, frame in zip(frames, after.pixel_array, strict=True):
        assert np.array_equal(before[~INSIDE], frame[~INSIDE])
        assert (frame[INSIDE] == before.min()).all()
    assert [notice.reason for notice in done.notices] == ["FACE_MAY_BE_RECOGNISABLE"]


def test_colours_by_pixel_and_by_plane_are_covered_alike():
    colours = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)
    for planar, stored in ((0, colours), (1, np.moveaxis(colours, -1, 0))):
        data = samples.dicom(
            GREY,
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=planar,
            PixelData=np.ascontiguousarray(stored).tobytes(),
        )
        after, _ = covered(data, BOX)
        assert np.array_equal(after.pixel_array[~INSIDE], colours[~INSIDE])
        assert (after.pixel_array[INSIDE] == 0).all()


def test_an_overlay_in_unused_bits_of_the_pixels_is_cleared():
    stored = GREY.astype(np.uint16) | np.uint16(0x1000)
    original = pydicom.dcmread(io.BytesIO(samples.dicom(stored, BitsStored=12, HighBit=11)))
    original.add_new(0x60000102, "US", 12)
    out = io.BytesIO()
    original.save_as(out)
    after, _ = covered(out.getvalue())
    words = np.frombuffer(after.PixelData, "<u2").reshape(GREY.shape)
    assert np.array_equal(words, GREY)


def test_what_lies_outside_the_regions_of_an_ultrasound_image_is_covered():
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 20, 30
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 99, 149
    data = samples.dicom(GREY, Modality="US", SequenceOfUltrasoundRegions=Sequence([region]))
    file = dicom.opened(data, DecodingLimits())
    mask = np.zeros(GREY.shape, bool)
    for box in file.outside_regions:
        mask[box.rows, box.columns] = True
    expected = np.ones(GREY.shape, bool)
    expected[30:150, 20:100] = False
    assert np.array_equal(mask, expected)


def test_pixels_that_nobody_looked_at_are_told():
    file = dicom.opened(samples.dicom(GREY), DecodingLimits())
    done = dicom.written(file, None, frozenset(), KEY, "")
    assert [notice.reason for notice in done.notices] == ["PIXELS_NOT_EXAMINED"]
    assert "BurnedInAnnotation" not in pydicom.dcmread(io.BytesIO(done.data))


def test_a_file_that_says_that_it_has_text_where_none_is_found_asks_for_review():
    _, done = covered(samples.dicom(GREY, BurnedInAnnotation="YES"))
    assert [(notice.reason, notice.review_required) for notice in done.notices] == [
        ("BURNED_IN_TEXT_NOT_FOUND", True)
    ]


def test_white_text_on_what_a_window_shows_white_can_be_seen():
    values = np.full((200, 200), 4000, np.uint16)
    values[:100] = 100
    values[120:130, 20:180:4] = 4095  # strokes
    file = dicom.opened(samples.dicom(values, WindowCenter="100", WindowWidth="100"), DecodingLimits())
    first = file.pixels.views(0)[0]
    assert abs(int(first[125, 20]) - int(first[150, 20])) >= 5


def test_tiles_cover_every_pixel_at_every_magnification():
    view = np.random.default_rng(1).integers(0, 255, (700, 1300), np.uint8)
    by_scale = {}
    for tile in tiles(view, 512):
        by_scale.setdefault(tile.scale, []).append(tile)
    assert sorted(by_scale) == [0.25, 0.5, 1.0]
    seen = np.zeros(view.shape, bool)
    for tile in by_scale[1.0]:
        piece = view[tile.top : tile.top + 512, tile.left : tile.left + 512]
        assert np.array_equal(tile.pixels[: piece.shape[0], : piece.shape[1]], piece)
        seen[tile.top : tile.top + 512, tile.left : tile.left + 512] = True
    assert seen.all()


def test_what_a_tile_shows_is_covered_at_its_place_in_the_image():
    found = TextMap(1000, 2000, 0.5)
    scores = np.zeros((128, 128))
    scores[10:12, 20:60] = 0.9
    found.add(Tile(np.zeros((512, 512), np.uint8), 0.5, 300, 100), scores)
    (box,) = found.boxes()
    # At half the size a cell of 4 pixels is 8 of the image, and the tile starts at column 600, row 200.
    assert box.left <= 600 + 20 * 8 <= 600 + 60 * 8 <= box.right
    assert box.top <= 200 + 10 * 8 <= 200 + 12 * 8 <= box.bottom
    assert box.width < 2 * 40 * 8


def test_lone_letters_are_markers_and_lines_are_not():
    assert without_markers([Box(0, 0, 20, 22), Box(0, 0, 20, 60), Box(0, 0, 60, 20)]) == [
        Box(0, 0, 20, 60),
        Box(0, 0, 60, 20),
    ]


def test_cells_that_touch_are_one_box_and_others_are_not():
    cells = np.zeros((10, 20), bool)
    cells[2, 3:6] = cells[3, 6] = cells[8, 15] = True
    assert boxes(cells, 40, 78) == [Box(8, 12, 16, 28), Box(32, 60, 36, 64)]


def test_outside_no_region_is_everything():
    assert [box.height * box.width for box in outside([], 10, 20)] == [200]


def test_pixels_of_the_other_byte_order_are_covered(tmp_path):
    big = samples.dicom(GREY.astype(">u2"), ExplicitVRBigEndian)
    after, _ = covered(big, BOX)
    values = np.frombuffer(after.PixelData, ">u2").reshape(GREY.shape)
    assert np.array_equal(values[~INSIDE], GREY[~INSIDE])
    assert (values[INSIDE] == GREY.min()).all()
