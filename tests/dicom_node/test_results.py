"""The objects that are made of an answer: what they say, and that tools of others find no fault with them."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
import uuid

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from clients.dicom_node.analyzing import source_header
from clients.dicom_node.results.context import Context, coded
from clients.dicom_node.results.making import results
from medmesh.common.v1.concept_pb2 import Concept
from tests.dicom_node.stand_ins import RememberingMesh, image


def png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def made_of(tmp_path, source=None, change=lambda _: None, research="For research only."):
    sources = [source or image()]
    headers = []
    for number, one in enumerate(sources):
        one.save_as(tmp_path / f"{number}.dcm")
        headers.append(source_header(tmp_path / f"{number}.dcm"))
    diagnosis = RememberingMesh().diagnosis()
    diagnosis.intended_use = research
    change(diagnosis)
    context = Context(
        analysis=str(uuid.UUID(int=7)),
        station="MEDMESH",
        made_at=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        sources=tuple(headers),
        diagnosis=diagnosis,
        receipt_id="ab" * 16,
    )
    return {
        f"{one.kind}{number}": dcmread(io.BytesIO(one.content)) for number, one in enumerate(results(context))
    }


def with_mask(diagnosis):
    mask = diagnosis.images[0].analysis.results[0].masks.add(label="bright", pixel_count=100, area_mm2=12.5)
    drawn = Image.new("1", (512, 512))
    drawn.paste(1, (10, 20, 30, 40))
    mask.mask_png = png(drawn)


def texts(report: Dataset) -> list[str]:
    return [item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT"]


def numbers(report: Dataset) -> dict[str, float]:
    """Certainty in percent by tracking identifier."""
    (groups,) = (item for item in report.ContentSequence if item.ValueType == "CONTAINER")
    found = {}
    for group in groups.ContentSequence:
        name = next(i.TextValue for i in group.ContentSequence if i.ValueType == "TEXT")
        values = [
            float(i.MeasuredValueSequence[0].NumericValue)
            for i in group.ContentSequence
            if i.ValueType == "NUM"
        ]
        found[name] = values[0]
    return found


def test_a_report_has_each_label_with_its_certainty_and_says_what_it_is_not_for(tmp_path):
    report = made_of(tmp_path)["report0"]
    assert numbers(report) == {
        "chest_findings/effusion": 71.0,
        "chest_findings/cardiomegaly": 12.0,
        "chest_xray/bacterial_pneumonia": 81.2,
        "chest_xray/viral_pneumonia": 18.76,
        "chest_xray/normal": 0.04,
    }
    said = "\n".join(texts(report))
    assert "AI, research use, not for diagnosis. For research only." in said
    assert "A person must review" in said
    assert "chest_xray cannot rule out, at 90 % coverage: bacterial_pneumonia, viral_pneumonia." in said
    assert "abababab" in said
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


def test_a_partial_answer_is_a_partial_report(tmp_path):
    def partial(diagnosis):
        diagnosis.completeness = 2

    report = made_of(tmp_path, change=partial)["report0"]
    assert report.CompletionFlag == "PARTIAL"
    assert any("PARTIAL" in text for text in texts(report))


def test_another_intended_use_is_not_called_research(tmp_path):
    made = made_of(tmp_path, research="For triage under supervision.")
    for one in made.values():
        assert "research" not in one.SeriesDescription
        assert "read its intended use" in one.SeriesDescription
    assert any("For triage under supervision." in text for text in texts(made["report0"]))


def test_the_same_analysis_has_the_same_identifiers_and_another_has_others(tmp_path):
    first, second = (list(made_of(tmp_path).values()) for _ in range(2))
    assert [one.SOPInstanceUID for one in first] == [one.SOPInstanceUID for one in second]
    assert len({one.SOPInstanceUID for one in first}) == len(first)
    assert len({one.SeriesInstanceUID for one in first}) == 3


def test_a_mask_lies_where_the_model_saw_it(tmp_path):
    source = image()
    made = made_of(tmp_path, source, with_mask)
    (masks,) = (one for one in made.values() if one.Modality == "SEG")
    frame = masks.pixel_array.reshape(source.Rows, source.Columns)
    expected = np.zeros_like(frame)
    expected[20:40, 10:30] = 1
    assert (frame == expected).all()
    assert masks.ContentQualification == "RESEARCH"


def test_a_mask_of_an_image_that_was_turned_is_not_laid_on_the_stored_pixels(tmp_path):
    def turned(diagnosis):
        with_mask(diagnosis)
        diagnosis.images[0].analysis.notices.add(reason="IMAGE_REORIENTED")

    made = made_of(tmp_path, change=turned)
    assert "SEG" not in {one.Modality for one in made.values()}
    assert not made["overlay1"].PatientOrientation


def test_a_mask_of_an_image_that_was_read_at_half_its_sides_is_not_laid_on_the_stored_pixels(tmp_path):
    def reduced(diagnosis):
        with_mask(diagnosis)
        (mask,) = diagnosis.images[0].analysis.results[0].masks
        mask.mask_png = png(Image.open(io.BytesIO(mask.mask_png)).resize((256, 256)))

    assert "SEG" not in {one.Modality for one in made_of(tmp_path, change=reduced).values()}


def test_key_objects_are_named_where_something_was_found(tmp_path):
    def nothing(diagnosis):
        for result in diagnosis.images[0].analysis.results:
            result.abstained = True

    assert "KO" in {one.Modality for one in made_of(tmp_path).values()}
    assert "KO" not in {one.Modality for one in made_of(tmp_path, change=nothing).values()}


def test_the_words_are_written_into_the_picture(tmp_path):
    overlay = made_of(tmp_path)["overlay1"]
    pixels = overlay.pixel_array
    below = pixels[512:]
    assert below.shape[0] > 30
    assert (below[..., 0] > 200).any()
    assert ((below[..., 0] > 200) & (below[..., 2] < 60)).any()  # the mark is yellow
    assert "activation map" not in overlay.ImageComments
    assert "not for diagnosis" in overlay.ImageComments


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "王^小东"),
        ("GB18030", "王^小东"),
        ("ISO_IR 144", "Иванов^Пётр"),
    ],
)
def test_a_name_in_another_script_stays_that_name(tmp_path, charset, name):
    source = image(SpecificCharacterSet=charset, PatientName=name)
    for one in made_of(tmp_path, source).values():
        assert str(one.PatientName) == name


def test_a_code_that_dicom_cannot_hold_gives_way_to_the_label():
    fits = Concept(system="http://snomed.info/sct", code="233604007", display="Pneumonia")
    assert coded("p", [fits]).CodingSchemeDesignator == "SCT"
    other = Concept(system="http://hl7.org/fhir/sid/icd-10-cm", code="J18.9")
    assert (coded("a_label", [other]).CodeValue, coded("a_label", [other]).CodeMeaning) == (
        "a_label",
        "a label",
    )
    long = {coded(f"a_very_long_label_{n}", []).CodeValue for n in range(3)}
    assert len(long) == 3
    assert all(len(code) <= 16 for code in long)


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (Debian: dicom3tools)"
)
def test_dciodvfy_finds_no_error(tmp_path):
    made = made_of(tmp_path, change=with_mask)
    assert {one.Modality for one in made.values()} == {"SR", "OT", "SEG", "KO"}
    for name, one in made.items():
        one.save_as(tmp_path / f"{name}.dcm")
        done = subprocess.run(
            ["dciodvfy", tmp_path / f"{name}.dcm"], capture_output=True, text=True, check=False
        )
        assert not [line for line in done.stderr.splitlines() if line.startswith("Error")], name
