"""The committed samples are what samples/make.py writes, say that they are synthetic, and are small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from samples import make

SAMPLES = Path(make.__file__).parent


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return {path.name: path for path in make.write(tmp_path_factory.mktemp("samples"))}


def test_texts_are_as_written(written):
    for name in ("note.txt", "patient.json", "stay.csv"):
        assert (SAMPLES / name).read_text(encoding="utf-8") == written[name].read_text(encoding="utf-8")


def test_pictures_are_as_drawn(written):
    """Up to rounding, which may differ with the library's version."""
    pairs = [
        (
            pydicom.dcmread(SAMPLES / "chest_xray.dcm").pixel_array,
            pydicom.dcmread(written["chest_xray.dcm"]).pixel_array,
        ),
        (
            np.asarray(Image.open(SAMPLES / "chest_xray.png")),
            np.asarray(Image.open(written["chest_xray.png"])),
        ),
    ]
    for committed, drawn in pairs:
        assert np.abs(committed.astype(int) - drawn).mean() < 0.5


def test_every_sample_says_that_it_is_synthetic():
    dicom = pydicom.dcmread(SAMPLES / "chest_xray.dcm")
    assert "SYNTHETIC" in str(dicom.PatientName)
    assert "SYNTHETIC" in dicom.ImageComments
    assert "SYNTHETIC" in Image.open(SAMPLES / "chest_xray.png").text["Description"]
    rows = (SAMPLES / "stay.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert all(row.endswith(",synthetic") for row in rows)
    assert "Synthetic" in (SAMPLES / "note.txt").read_text(encoding="utf-8")
    bundle = json.loads((SAMPLES / "patient.json").read_text(encoding="utf-8"))
    assert {tag.get("code") for tag in bundle["meta"]["tag"]} >= {"HTEST"}


def test_samples_are_small():
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 500_000
