"""Writes the samples of the demo and of the tests: `python samples/make.py [FOLDER]` (default: this folder).

    chest_xray.dcm      a phantom (samples/phantom.py) as DICOM, with a consolidation in the right lower lung
    chest_xray.png      the same phantom without it
    note.txt            a note of five sentences: a denied, a historical and a family finding among them
    patient.json        a FHIR R4 bundle of a synthetic child, whose allergy rules out what would often be
    given
    stay.csv            two invented days in intensive care, for `medmesh outcome`

Nothing here comes from a patient, and every file says so. The same seed writes the same pixels and the same
text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs as a script
from samples import phantom  # after the path is set

SEED = 7
SYNTHETIC = "SYNTHETIC: drawn by samples/make.py, not a patient"
DAY = "2026-10-30"

NOTE = """\
Synthetic note, not about a patient.

Five-year-old boy with fever and cough for three days; he takes ibuprofen.
Crackles at the right base are suspicious for pneumonia.
No pleural effusion or pneumothorax is seen.
He had bronchiolitis in 2022.
His mother has asthma.
"""

SNOMED, RXNORM = "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"


def write(folder: Path) -> list[Path]:
    """Writes all samples; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("chest_xray.dcm", "chest_xray.png", "note.txt", "patient.json", "stay.csv")
    dicom, png, note, patient, stay = (folder / name for name in names)
    write_dicom(dicom, phantom.chest_xray(SEED, opacity=0.55))
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", SYNTHETIC)
    Image.fromarray(phantom.chest_xray(SEED, opacity=0.0)).save(png, pnginfo=text, optimize=True)
    note.write_text(NOTE, encoding="utf-8")
    patient.write_text(json.dumps(bundle(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    stay.write_text("\n".join(stay_rows()) + "\n", encoding="utf-8")
    return [dicom, png, note, patient, stay]


def write_dicom(path: Path, grey: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """The image as Secondary Capture (PS3.3 A.8.1), of the conversion type that is meant for synthetic
    images.
    """
    data = Dataset()
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = generate_uid(entropy_srcs=["medmesh sample", "instance"])
    data.StudyInstanceUID = generate_uid(entropy_srcs=["medmesh sample", "study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=["medmesh sample", "series"])
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.ConversionType = "SYN"
    data.Modality = "CR"
    data.BodyPartExamined = "CHEST"
    data.ViewPosition = "AP"
    data.PatientName = "SYNTHETIC^PHANTOM"
    data.PatientID = "SYNTHETIC"
    data.PatientSex = "M"
    data.PatientAge = "005Y"
    data.PatientBirthDate = ""
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "No patient: synthetic image"
    data.QualityControlSubject = "YES"
    data.ImageComments = SYNTHETIC
    data.BurnedInAnnotation = "YES"  # what it is, not whom it shows
    data.StudyDate = DAY.replace("-", "")
    data.StudyTime = "120000"
    data.StudyID, data.SeriesNumber, data.InstanceNumber = "1", 1, 1
    data.AccessionNumber = data.ReferringPhysicianName = data.PatientOrientation = ""
    data.Manufacturer = "medmesh samples/make.py"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = grey.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.WindowCenter, data.WindowWidth = 128, 256
    data.PixelData = grey.tobytes()
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)


def bundle() -> dict[str, Any]:
    """A boy of five with asthma, bronchitis and a streptococcal sore throat, who is allergic to
    penicillin.
    """
    patient = {
        "resourceType": "Patient",
        "id": "synthetic-1",
        "name": [{"use": "anonymous", "text": "Synthetic patient"}],
        "gender": "male",
        "birthDate": "2021-02-11",
    }
    conditions = [
        condition("asthma", "233678006", "Childhood asthma", "2024-03-02"),
        condition("sinusitis", "444814009", "Viral sinusitis (disorder)", "2025-01-12", ended="2025-01-26"),
        condition("throat", "43878008", "Streptococcal sore throat (disorder)", "2026-10-28"),
        condition("bronchitis", "10509002", "Acute bronchitis (disorder)", DAY),
    ]
    inhaler = "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler"
    reliever = "200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"
    medications = [
        medication("inhaler", "895994", inhaler, "2024-03-02", reason="asthma"),
        medication("reliever", "745679", reliever, "2024-03-02", reason="asthma"),
    ]
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "penicillin",
        "clinicalStatus": status("allergyintolerance-clinical", "active"),
        "verificationStatus": status("allergyintolerance-verification", "confirmed"),
        "code": codeable(SNOMED, "91936005", "Allergy to penicillin"),
        "patient": {"reference": "Patient/synthetic-1"},
    }
    weight = {
        "resourceType": "Observation",
        "id": "weight",
        "status": "final",
        "code": codeable("http://loinc.org", "29463-7", "Body Weight"),
        "subject": {"reference": "Patient/synthetic-1"},
        "effectiveDateTime": DAY,
        "valueQuantity": {"value": 18.6, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
    resources = [patient, *conditions, *medications, allergy, weight]
    return {
        "resourceType": "Bundle",
        "id": "synthetic",
        "meta": {
            "tag": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                    "code": "HTEST",
                    "display": "test health data",
                },
                {"display": SYNTHETIC},
            ]
        },
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }


def condition(name: str, code: str, display: str, onset: str, *, ended: str | None = None) -> dict[str, Any]:
    """A confirmed Condition, active unless it has ended."""
    resource = {
        "resourceType": "Condition",
        "id": name,
        "clinicalStatus": status("condition-clinical", "resolved" if ended else "active"),
        "verificationStatus": status("condition-ver-status", "confirmed"),
        "code": codeable(SNOMED, code, display),
        "subject": {"reference": "Patient/synthetic-1"},
        "onsetDateTime": onset,
    }
    return resource | ({"abatementDateTime": ended} if ended else {})


def medication(name: str, code: str, display: str, authored: str, *, reason: str) -> dict[str, Any]:
    """An active MedicationRequest for one of the conditions."""
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": codeable(RXNORM, code, display),
        "subject": {"reference": "Patient/synthetic-1"},
        "authoredOn": authored,
        "reasonReference": [{"reference": f"Condition/{reason}"}],
    }


STAY = {
    # LOINC code: name, unit, hours between two measurements, first value, and what each one adds to it
    "8867-4": ("heart rate", "/min", 4, 118, -2),
    "8480-6": ("systolic pressure", "mm[Hg]", 4, 92, 2),
    "8462-4": ("diastolic pressure", "mm[Hg]", 4, 54, 1),
    "9279-1": ("respiration rate", "/min", 4, 26, -0.5),
    "2708-6": ("oxygen saturation", "%", 4, 91, 0.5),
    "8310-5": ("temperature", "Cel", 8, 38.9, -0.2),
    "9269-2": ("Glasgow Coma Score", "{score}", 8, 13, 0.25),
    "2524-7": ("lactate", "mg/dL", 12, 32, -4),  # in another unit than the model's, which is mmol/L
    "2160-0": ("creatinine", "mg/dL", 24, 1.6, -0.2),
    "6690-2": ("white blood cells", "10*3/uL", 24, 17.2, -2.1),
}


def stay_rows() -> Iterator[str]:
    """Two days of somebody with an infection who recovers, as CSV."""
    yield "code,name,value,unit,hours,comment"
    for code, (name, unit, hours, first, change) in STAY.items():
        for number, hour in enumerate(range(1, 48, hours)):
            yield f"{code},{name},{round(first + number * change, 2):g},{unit},{hour},synthetic"


def codeable(system: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def status(system: str, code: str) -> dict[str, Any]:
    """A status that FHIR has as a CodeableConcept."""
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


if __name__ == "__main__":
    for written in write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent):
        print(f"{written} ({written.stat().st_size // 1024} kB)")  # a command line prints
