from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.chassis.errors import InvalidInput
from services.imaging.deidentification import pictures
from services.imaging.deidentification.boxes import Box
from services.imaging.images import DecodingLimits, FileFormat
from tests.imaging import samples

LIMITS = DecodingLimits()
CANARY = b"Kanarienvogel"
GREY = samples.chest(160, 120)
BOX = Box(10, 20, 40, 90)


def deidentified(data, *boxes):
    return pictures.written(pictures.opened(data, LIMITS), boxes, LIMITS)


def read(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def jpeg(image=None, **options):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x0132] = 6, CANARY.decode(), "2024:02:29 10:00:00"
    out = io.BytesIO()
    picture = Image.fromarray(GREY) if image is None else image
    picture.save(out, "JPEG", exif=exif, comment=CANARY, icc_profile=CANARY * 40, **options)
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + CANARY
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    return out.getvalue()[:2] + segment + out.getvalue()[2:] + CANARY  # and what follows the end


def png(image=None):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 3, CANARY.decode()
    about = PngInfo()
    about.add_text("Patient", CANARY.decode())
    about.add_text("Comment", CANARY.decode(), zip=True)
    about.add_itxt("XML:com.adobe.xmp", CANARY.decode())
    out = io.BytesIO()
    (Image.fromarray(GREY) if image is None else image).save(out, "PNG", pnginfo=about, exif=exif)
    return out.getvalue() + CANARY


@pytest.mark.parametrize(("data", "kept", "orientation"), [(jpeg(), "JPEG", 6), (png(), "PNG", 3)])
def test_what_stands_beside_the_pixels_goes_and_no_pixel_changes(data, kept, orientation):
    done = deidentified(data)

    assert CANARY in data
    assert CANARY not in done.data
    assert b"2024:02:29" not in done.data
    before, after = read(data), read(done.data)
    assert (done.file_format, after.format) == (kept, kept)
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert dict(after.getexif()) == {0x0112: orientation}  # or it would be shown turned
    assert {
        key for key in after.info if key not in {"exif", "jfif", "jfif_version", "jfif_unit", "jfif_density"}
    } <= {
        "dpi",
        "gamma",
    }
    assert CANARY.decode() not in repr(list(done.changes))
    assert {"COM", "APP1", "APP2", "trailer"} <= {c.tag for c in done.changes} or kept == "PNG"
    assert {"tEXt", "zTXt", "iTXt", "eXIf", "trailer"} <= {c.tag for c in done.changes} or kept == "JPEG"


def test_progressive_pictures_and_those_in_colour_stay_as_they_are():
    colours = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    data = jpeg(Image.fromarray(colours), progressive=True)
    done = deidentified(data)
    assert CANARY not in done.data
    assert np.array_equal(np.asarray(read(data)), np.asarray(read(done.data)))


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(GREY),
        Image.fromarray(np.stack([GREY, GREY // 2, GREY // 3], axis=-1)),
        Image.fromarray(GREY.astype(np.uint16) * 200),
        Image.fromarray(GREY).convert("P"),
        Image.fromarray(GREY).convert("LA"),
        Image.fromarray(GREY > 100),
    ],
)
def test_boxes_are_covered_and_every_other_pixel_is_as_it_was(picture):
    data = png(picture)
    done = deidentified(data, BOX)

    before, after = (np.asarray(read(one)) for one in (data, done.data))
    inside = np.zeros(GREY.shape, bool)
    inside[BOX.rows, BOX.columns] = True
    assert read(done.data).mode == read(data).mode
    assert np.array_equal(before[~inside], after[~inside])
    assert len(np.unique(after[inside].reshape(inside.sum(), -1), axis=0)) == 1
    assert CANARY not in done.data


def test_a_jpeg_with_boxes_becomes_a_png_of_the_pixels_that_it_showed():
    data = jpeg()
    done = deidentified(data, BOX)

    before, after = (np.asarray(read(one)) for one in (data, done.data))
    inside = np.zeros(GREY.shape, bool)
    inside[BOX.rows, BOX.columns] = True
    assert done.file_format is FileFormat.PNG
    assert np.array_equal(before[~inside], after[~inside])
    assert (after[inside] == 0).all()
    assert read(done.data).getexif()[0x0112] == 6


def test_a_chunk_of_text_between_chunks_of_pixels_goes_too():
    body = b"Patient\0" + CANARY
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    plain = samples.picture(GREY)
    end = plain.index(b"IEND") - 4
    assert CANARY not in deidentified(plain[:end] + chunk + plain[end:]).data


@pytest.mark.parametrize(
    "data", [jpeg()[:400], png()[:300], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x04ab"]
)
def test_a_damaged_picture_is_refused(data):
    with pytest.raises(InvalidInput):
        deidentified(data)
