"""What requests of a load test carry: whole, nearly alike, and never the same twice."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pytest
from PIL import Image

from clients.loadtest import payload_images
from clients.loadtest.payloads import Payloads
from clients.loadtest.profile import SAMPLES, Traffic


@pytest.mark.parametrize(
    ("source", "format_", "side_px"),
    [
        ("chest_xray.dcm", None, None),
        ("chest_xray.png", None, None),
        ("chest_xray.png", "jpeg", 300),
        ("chest_xray.dcm", "dicom", 251),
    ],
)
def test_varied_images_are_whole_nearly_alike_and_never_the_same(source, format_, side_px):
    given = (SAMPLES / source).read_bytes()
    content = payload_images.sized(given, side_px, format_)
    vary, random_ = payload_images.variations(content), random.Random(2)
    found = [np.asarray(payload_images._opened(vary(random_))).astype(int) for _ in range(8)]
    original = np.asarray(payload_images._opened(content)).astype(int)
    assert len({hashlib.sha256(one.tobytes()).digest() for one in found}) == 8
    assert all(np.abs(one - original).max() <= 16 for one in found)
    assert all(np.abs(one - original).mean() <= 3 for one in found)


def test_colours_vary_too_and_what_cannot_is_told(tmp_path):
    for kind in ("png", "jpeg"):
        path = tmp_path / f"colour.{kind}"
        Image.fromarray(np.full((90, 70, 3), (200, 10, 20), np.uint8)).save(path)
        payloads = Payloads(Traffic("images", "analyze_image", image=path))
        found = {payloads.next(random.Random(seed)).image for seed in range(20)}
        assert len(found) == 20
        assert not payloads.as_given
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "picture.bmp")
    payloads = Payloads(Traffic("images", "analyze_image", image=tmp_path / "picture.bmp"))
    assert "each request carries the same image" in payloads.as_given[0]


def test_notes_have_the_length_that_is_asked_for():
    payloads = Payloads(Traffic("notes", "analyze_note", note_characters=(500, 5000)))
    random_ = random.Random(3)
    lengths = [len(payloads.next(random_).note) for _ in range(200)]
    assert min(lengths) < 700
    assert max(lengths) > 4000
    assert max(lengths) <= 5000 + len("Line 999999999. ")


def test_varied_records_are_still_the_patients_record():
    payloads = Payloads(Traffic("records", "read_record"))
    original = json.loads((SAMPLES / "patient.json").read_text())
    varied = json.loads(payloads.next(random.Random(1)).patient)
    assert len(varied["entry"]) == len(original["entry"])
    differing = [
        (one["resource"]["resourceType"])
        for one, other in zip(varied["entry"], original["entry"], strict=True)
        if one != other
    ]
    assert differing == ["Patient", "Observation"]
