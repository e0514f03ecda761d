from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from services.chassis.errors import InvalidInput
from services.clinical.date_shift import shift_days
from services.imaging.deidentification import dicom
from services.imaging.deidentification.changes import Action, Cause
from services.imaging.deidentification.profile import Option, Rule, names, profile
from services.imaging.images import DecodingLimits
from tests.imaging import samples

KEY = b"a key of sixteen bytes or more"
CANARY = "Kanarienvogel"
TEXTS = ("LO", "SH", "LT", "ST", "UT", "UC", "PN")
PIXELS = samples.chest()


def deidentified(data, *options, boxes=(), key=KEY, patient=""):
    file = dicom.opened(data, DecodingLimits())
    done = dicom.written(file, boxes, frozenset(options), key, patient)
    return pydicom.dcmread(io.BytesIO(done.data)), done


def file(**attributes):
    return samples.dicom(PIXELS, **attributes)


def canary(kind):
    return {
        "PN": f"{CANARY}^Anna",
        "AE": CANARY,
        "CS": CANARY.upper(),
        "UI": "1.2.3.4711.4711",
        "DA": "19531224",
        "DT": "19531224115900",
        "TM": "115901",
        "AS": "047Y",
        "UR": f"https://{CANARY}.example/",
        "OB": CANARY.encode() + b"\0",
        "UN": CANARY.encode() + b"\0",
    }.get(kind, f"Herr {CANARY}")


WRITTEN = (CANARY.encode(), CANARY.upper().encode(), b"4711.4711", b"19531224", b"115901", b"047Y")
SHAPES_THE_PIXELS = {
    tag for tag in DicomDictionary if 0x00280000 <= tag < 0x00290000 and not 0x00281300 <= tag < 0x00282000
}
"""What the pixels cannot be read without is no place for a test to write into."""


def with_canaries(tags, *, nested):
    dataset = Dataset()
    for tag in tags:
        kind = dictionary_VR(tag)
        if kind in {*TEXTS, "AE", "CS", "UI", "DA", "DT", "TM", "AS", "UR", "OB"}:
            dataset.add_new(tag, kind, canary(kind))
    if not nested:
        return dataset
    outer = Dataset()
    outer.add_new("RequestAttributesSequence", "SQ", Sequence([dataset]))
    within = Dataset()
    within.add_new("SharedFunctionalGroupsSequence", "SQ", Sequence([dataset]))
    outer.update(within)
    return outer


@pytest.mark.parametrize("nested", [False, True])
def test_a_canary_in_any_attribute_of_the_standard_comes_out_in_none(nested):
    kept_by_file_format = {0x00080005, 0x00080016, 0x00080018, 0x0040A730, 0x00420011, 0x7FE00010}
    tags = [
        tag
        for tag in DicomDictionary
        if tag >> 16 not in {0, 2, 4, 0xFFFE}
        and tag not in SHAPES_THE_PIXELS | kept_by_file_format
        and tag < 0x7FE00000
    ]
    dataset = with_canaries(tags, nested=nested)
    assert nested or len(dataset) > 1500
    original = pydicom.dcmread(io.BytesIO(file()))
    original.update(dataset)
    out = io.BytesIO()
    with pydicom.config.disable_value_validation():
        original.save_as(out)
        assert all(one in out.getvalue() for one in WRITTEN)

        _, done = deidentified(out.getvalue())

    assert not [one for one in WRITTEN if one in done.data]


def test_every_row_of_the_table_is_done_as_it_says():
    rules = profile(frozenset()).rules
    assert len(rules) == 653
    original = pydicom.dcmread(io.BytesIO(file()))
    for tag in rules:
        kind = dictionary_VR(tag) if tag in DicomDictionary else ""
        if not kind or kind == "SQ" or tag >> 16 in {0, 2, 4, 0x7FE0} or tag in {0x00420011, 0x00080018}:
            continue
        number = {"US": 4711, "UL": 4711, "FL": 4711.0, "FD": 4711.0, "DS": "4711", "IS": "4711"}
        value = b"\x01\x02" if kind.startswith("O") else number.get(kind, canary(kind))
        original.add_new(tag, kind, value)
    out = io.BytesIO()
    with pydicom.config.disable_value_validation():
        original.save_as(out)
        cleaned, _ = deidentified(out.getvalue())
    written = [element for element in original if element.tag in rules and element.VR != "SQ"]
    assert len(written) > 500

    failed = []
    for before in written:
        after, rule = cleaned.get(before.tag), rules[before.tag]
        done = {
            Rule.REMOVE: after is None,
            Rule.EMPTY: after is not None and (after.is_empty or after.value == cleaned.PatientID),
            Rule.REPLACE: after is not None and not after.is_empty and after.value != before.value,
            Rule.MAP_UID: after is not None and str(after.value).startswith("2.25."),
        }
        if not done[rule]:
            failed.append((names()[before.tag], rule.name))
    assert not failed


def test_identifiers_are_mapped_alike_in_all_files_of_a_key_and_nowhere_else():
    series = generate_uid()
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    item.ReferencedSOPInstanceUID = series
    one, _ = deidentified(file(SeriesInstanceUID=series, ReferencedImageSequence=Sequence([item])))
    two, _ = deidentified(file(SeriesInstanceUID=series))
    other, _ = deidentified(file(SeriesInstanceUID=series), key=b"another key of sixteen")

    assert one.SeriesInstanceUID == two.SeriesInstanceUID != series
    assert other.SeriesInstanceUID != one.SeriesInstanceUID
    assert one.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SeriesInstanceUID
    assert one.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert len(one.SeriesInstanceUID) <= 64


def test_dates_are_removed_or_moved_by_one_number_of_days_for_each_patient():
    facts = {
        "StudyDate": "20240229",
        "ContentDate": "20240307",
        "AcquisitionDateTime": "20240301101500.000000+0100",
        "StudyTime": "235900",
        "PatientID": "4711",
    }
    plain, _ = deidentified(file(**facts))
    moved, done = deidentified(file(**facts), Option.RETAIN_MODIFIED_DATES)
    kept, _ = deidentified(file(**facts), Option.RETAIN_FULL_DATES)
    days = shift_days(KEY, "4711")

    def date(text):
        return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:8]}")

    assert plain.StudyDate == ""
    assert date(moved.StudyDate) - date("20240229") == np.timedelta64(days, "D")
    assert date(moved.ContentDate) - date(moved.StudyDate) == np.timedelta64(7, "D")
    assert moved.AcquisitionDateTime[8:] == "101500.000000+0100"
    assert moved.StudyTime == "235900"
    assert moved.LongitudinalTemporalInformationModified == "MODIFIED"
    assert kept.StudyDate == "20240229"
    assert kept.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert plain.LongitudinalTemporalInformationModified == "REMOVED"
    assert Action.DATE_SHIFTED in {change.action for change in done.changes}


def test_a_patient_is_the_same_pseudonym_in_all_files_and_another_patient_another():
    one, _ = deidentified(file(PatientID="4711"))
    again, _ = deidentified(file(PatientID="4711", PatientName="Other^Name"))
    other, _ = deidentified(file(PatientID="4712"))
    named, _ = deidentified(file(PatientID="4711"), patient="told by the caller")

    assert one.PatientID == again.PatientID == str(one.PatientName)
    assert len({one.PatientID, other.PatientID, named.PatientID}) == 3
    assert "4711" not in one.PatientID


def test_options_keep_what_they_name_and_say_so():
    facts = {"PatientAge": "094Y", "PatientSex": "F", "PatientWeight": "61", "DeviceSerialNumber": "SN77"}
    facts |= {"InstitutionName": "St. Mary", "SeriesDescription": "Chest PA Dr. Miller 1234567"}
    plain, _ = deidentified(file(**facts))
    kept, _ = deidentified(
        file(**facts),
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.RETAIN_DEVICE_IDENTITY,
        Option.RETAIN_INSTITUTION_IDENTITY,
        Option.CLEAN_DESCRIPTORS,
    )

    assert "PatientAge" not in plain
    assert plain.PatientSex == ""
    assert "SeriesDescription" not in plain
    assert kept.PatientAge == "090Y"  # ages over 89 are one
    assert (kept.PatientSex, kept.PatientWeight) == ("F", 61)
    assert (kept.DeviceSerialNumber, kept.InstitutionName) == ("SN77", "St. Mary")
    assert kept.SeriesDescription == "Chest PA"
    codes = [item.CodeValue for item in kept.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101", "113105", "113108", "113109", "113112"]
    assert kept.PatientIdentityRemoved == "YES"


def test_private_attributes_go_but_for_those_that_are_known_to_be_safe():
    original = pydicom.dcmread(io.BytesIO(file()))
    block = original.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0F, "SH", CANARY)
    original.private_block(0x0021, f"Creator {CANARY}", create=True).add_new(0x01, "LO", CANARY)
    out = io.BytesIO()
    original.save_as(out)

    plain, done = deidentified(out.getvalue())
    kept, _ = deidentified(out.getvalue(), Option.RETAIN_SAFE_PRIVATE)

    assert not [element for element in plain if element.tag.is_private]
    assert [str(element.value) for element in kept if element.tag.is_private] == ["SIEMENS MR HEADER", "1000"]
    assert {change.cause for change in done.changes if int(change.tag, 16) >> 16 & 1} == {Cause.PRIVATE}


def test_codes_of_the_standard_stay_with_its_own_meaning_and_others_lose_their_texts():
    known, unknown = Dataset(), Dataset()
    known.CodeValue, known.CodingSchemeDesignator, known.CodeMeaning = "T-D3000", "SRT", CANARY
    unknown.CodeValue, unknown.CodingSchemeDesignator, unknown.CodeMeaning = CANARY, f"99{CANARY}", CANARY
    cleaned, _ = deidentified(file(AnatomicRegionSequence=Sequence([known, unknown])))

    assert cleaned.AnatomicRegionSequence[0].CodeValue == "T-D3000"
    assert "Thoracic" in cleaned.AnatomicRegionSequence[0].CodeMeaning
    assert len(cleaned.AnatomicRegionSequence[1]) == 0


def test_what_the_image_needs_to_be_read_stays():
    facts = {
        "PixelSpacing": ["0.5", "0.5"],
        "WindowCenter": "128",
        "WindowWidth": "200",
        "ViewPosition": "PA",
    }
    cleaned, _ = deidentified(file(**facts))

    assert [str(one) for one in cleaned.PixelSpacing] == ["0.5", "0.5"]
    assert (cleaned.Modality, cleaned.BodyPartExamined, cleaned.ViewPosition) == ("CR", "CHEST", "PA")
    assert np.array_equal(cleaned.pixel_array, PIXELS)


def test_overlays_curves_and_what_stands_around_the_data_set_go():
    original = pydicom.dcmread(io.BytesIO(file()))
    original.add_new(0x60000010, "US", 8)
    original.add_new(0x60003000, "OW", CANARY.encode() + b"\0")
    original.add_new(0x60001500, "LO", CANARY)
    original.add_new(0x50003000, "OW", CANARY.encode() + b"\0")
    original.add_new(0xFFFCFFFC, "OB", CANARY.encode() + b"\0")
    original.file_meta.SourceApplicationEntityTitle = CANARY
    original.preamble = CANARY.encode().ljust(128, b"\0")
    out = io.BytesIO()
    original.save_as(out)

    cleaned, done = deidentified(out.getvalue())

    assert CANARY.encode() not in done.data
    assert cleaned.preamble == bytes(128)
    assert not [element for element in cleaned if element.tag.group in {0x6000, 0x5000, 0xFFFC}]


def test_the_report_holds_no_value():
    _, done = deidentified(file(PatientID=CANARY, InstitutionName=CANARY, PatientComments=CANARY))
    assert CANARY not in repr(list(done.changes))
    assert {change.name for change in done.changes} >= {"Patient ID", "Institution Name", "Patient Comments"}


def test_documents_are_refused_with_the_remedy():
    item = Dataset()
    item.TextValue = CANARY
    for attributes in ({"ContentSequence": Sequence([item])}, {"EncapsulatedDocument": b"%PDF"}):
        with pytest.raises(InvalidInput, match="Deidentify") as caught:
            deidentified(samples.dicom(None, **attributes))
        assert CANARY not in str(caught.value)


def test_a_file_of_implicit_representations_is_cleaned_too():
    data = samples.dicom(PIXELS, ImplicitVRLittleEndian, PatientComments=CANARY, OperatorsName=CANARY)
    cleaned, done = deidentified(data)
    assert CANARY.encode() not in done.data
    assert np.array_equal(cleaned.pixel_array, PIXELS)
    assert done.transfer_syntax_uid == ImplicitVRLittleEndian
