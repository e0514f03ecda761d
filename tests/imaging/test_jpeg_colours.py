"""A JPEG frame's pixels end in red, green, blue, converted once, whatever says which colours it holds: its
markers, its components' identifiers or the data set, which may contradict each other.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from services.imaging.decoding import decode_image
from tests.imaging.test_reduced_frames import SMALL, colours, dicom, jpeg, means, without_applications

JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_START_OF_FRAME, _START_OF_SCAN = 0xC0, 0xDA
RGB = "RGB"
YBR = ("YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def adobe(transform: int) -> bytes:
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


@cache
def frame(*markers: bytes, holds: str, identifiers: bytes) -> bytes:
    """Of `colours`, which `holds` them in RGB or YBR, with the application markers that are given alone."""
    encoded = bytearray(without_applications(jpeg(keep_rgb=holds == RGB)))
    position = 2
    while encoded[position + 1] != _START_OF_SCAN:
        if encoded[position + 1] == _START_OF_FRAME:
            encoded[position + 10 : position + 19 : 3] = identifiers
        position += 2 + int.from_bytes(encoded[position + 2 : position + 4], "big")
    encoded[position + 5 : position + 11 : 2] = identifiers
    return bytes(encoded[:2] + b"".join(markers) + encoded[2:])


SAID_BY_THE_FRAME = {
    "JFIF": ("YBR", [JFIF], b"\1\2\3"),
    "JFIF and identifiers": ("YBR", [JFIF], b"RGB"),
    "JFIF and Adobe, YBR": ("YBR", [JFIF, adobe(1)], b"\1\2\3"),
    "JFIF and Adobe, RGB": ("YBR", [JFIF, adobe(0)], b"\1\2\3"),
    "Adobe, YBR": ("YBR", [adobe(1)], b"\1\2\3"),
    "Adobe, YBR, and identifiers": ("YBR", [adobe(1)], b"RGB"),
    "Adobe, RGB": ("RGB", [adobe(0)], b"\1\2\3"),
    "Adobe, RGB, and identifiers": ("RGB", [adobe(0)], b"RGB"),
    "identifiers": ("RGB", [], b"RGB"),
    "identifiers in lower case": ("RGB", [], b"rgb"),
}


@pytest.mark.parametrize("photometric", [RGB, *YBR])
@pytest.mark.parametrize("kind", SAID_BY_THE_FRAME)
def test_what_the_frame_says_goes_before_what_the_data_set_says(kind, photometric):
    holds, markers, identifiers = SAID_BY_THE_FRAME[kind]
    check(frame(*markers, holds=holds, identifiers=identifiers), photometric)


@pytest.mark.parametrize(
    ("holds", "photometric"), [(RGB, RGB), *product(["YBR"], YBR)], ids=lambda value: value
)
@pytest.mark.parametrize("identifiers", [b"\1\2\3", b"\0\1\2"])
def test_of_a_frame_that_says_nothing_the_data_set_says_it(identifiers, holds, photometric):
    check(frame(holds=holds, identifiers=identifiers), photometric)


def check(encoded: bytes, photometric: str) -> None:
    for syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        file = dicom(encoded, syntax=syntax, PhotometricInterpretation=photometric)
        whole, half = decode_image(file), decode_image(file, SMALL)
        assert np.abs(whole.rgb - colours().astype(float)).mean() < 2
        assert np.abs(half.rgb - means(colours())).mean() < 2


@pytest.mark.parametrize(
    "said", [{"PlanarConfiguration": 1}, {"PlanarConfiguration": None}, {"BitsStored": 7, "HighBit": 6}]
)
@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_it_comes_pixel_by_pixel_in_eight_bits_whatever_the_data_set_says(syntax, said):
    """Planar Configuration tells how native values lie, and a JPEG its own bits."""
    image = decode_image(dicom(jpeg(), syntax=syntax, **said))
    assert np.abs(image.rgb - colours().astype(float)).mean() < 2
