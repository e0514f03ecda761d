"""Builds the messages of the contracts from what callers have at hand: paths, bytes, text, dicts.

- image: see `medmesh.images`
- note: the text (str), or a Path to a UTF-8 file
- patient: a path (str or Path), the bytes or the dict of a FHIR R4 bundle, or a typed `PatientRecord`
- order: words (`clarithromycin 500 mg BID`), the bytes or the dict of a FHIR MedicationRequest, or a typed
  `MedicationOrder`
- stay: a `HospitalStay`, or a dict in its JSON form; `medmesh.stays` reads files

A file that cannot be read raises OSError, an argument of a wrong kind TypeError or ValueError. The content is
judged by the services, which answer with InvalidInput.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf.json_format import ParseDict, ParseError

from medmesh import images
from medmesh.common.v1.concept_pb2 import CodedConcept, Concept
from medmesh.common.v1.patient_pb2 import PatientInput, PatientRecord
from medmesh.images import Image
from medmesh.imaging.v1.imaging_pb2 import ImageOptions, ImageSource
from medmesh.language.v1.report_pb2 import ReportOptions
from medmesh.orchestrator.v1.orchestrator_pb2 import Branch, DiagnosticCase
from medmesh.recommendation.v1.medication_check_pb2 import (
    CheckMedicationsRequest,
    DraftOrder,
    MedicationOrder,
)
from medmesh.recommendation.v1.recommendation_pb2 import HospitalStay, RankTreatmentsRequest

Note: TypeAlias = "str | Path"
Patient: TypeAlias = "str | Path | bytes | Mapping[str, Any] | PatientRecord | PatientInput"
Stay: TypeAlias = "HospitalStay | Mapping[str, Any]"
DraftedOrder: TypeAlias = "str | bytes | Mapping[str, Any] | MedicationOrder"

BRANCHES: Mapping[str, Branch.Kind] = {
    "image": Branch.KIND_IMAGE,
    "note": Branch.KIND_NOTE,
    "record": Branch.KIND_RECORD,
    "treatments": Branch.KIND_TREATMENTS,
    "report": Branch.KIND_REPORT,
}
"""The parts of a diagnosis, as callers name those without which it is of no use."""


def note_text(note: Note) -> str:
    """The note's text. ValueError: the file is not UTF-8."""
    if isinstance(note, str):
        return note
    if isinstance(note, Path):
        try:
            return note.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{note} is not UTF-8 text") from None
    raise TypeError(f"a note is text or a Path, not {type(note).__name__}")


def patient_input(patient: Patient) -> PatientInput:
    """The record in the form that the contract takes."""
    if isinstance(patient, PatientInput):
        return patient
    if isinstance(patient, PatientRecord):
        return PatientInput(record=patient)
    if isinstance(patient, Mapping):
        return PatientInput(fhir_bundle=json.dumps(patient, ensure_ascii=False).encode())
    if isinstance(patient, bytes):
        return PatientInput(fhir_bundle=patient)
    if isinstance(patient, str | Path):
        return PatientInput(fhir_bundle=Path(patient).read_bytes())
    raise TypeError(f"a patient is a path, bytes, a dict or a PatientRecord, not {type(patient).__name__}")


def hospital_stay(stay: Stay) -> HospitalStay:
    """The stay. ValueError: the dict does not have the contract's form."""
    if isinstance(stay, HospitalStay):
        return stay
    try:
        return ParseDict(dict(stay), HospitalStay())
    except ParseError:
        # Without its text: it may quote the patient's values.
        raise ValueError(
            "the stay does not have the form of medmesh.recommendation.v1.HospitalStay"
        ) from None


def image_options(
    body_part: str | None = None,
    models: Iterable[str] = (),
    *,
    heat_map: bool = False,
    overlay: bool = False,
) -> ImageOptions:
    """How to analyse an image. `body_part` is DICOM's term in any mix of capitals, e.g. `chest`."""
    return ImageOptions(
        body_part=(body_part or "").strip().upper(),
        models=models,
        include_heat_map=heat_map or overlay,
        include_overlay=overlay,
    )


def diagnostic_case(
    *,
    image: Image | Sequence[Image] | None = None,
    note: Note | None = None,
    patient: Patient | None = None,
    options: ImageOptions | None = None,
    max_treatments: int | None = None,
    draft_report: ReportOptions | bool = False,
    required: Iterable[str] = (),
) -> DiagnosticCase:
    """The case of `Diagnose`, with its images in it; `options` go with each of them. `required` names the
    branches (`BRANCHES`) without which it is not to be answered.

    A list is of several images; a series in it is a list of its own, or a folder, or a zip.
    """
    case = DiagnosticCase()
    files = [images.files(one) for one in several(image)]
    fill_case(
        case,
        files,
        note=note,
        patient=patient,
        options=options,
        max_treatments=max_treatments,
        draft_report=draft_report,
        required=required,
    )
    return case


def fill_case(
    case: DiagnosticCase,
    image_files: Iterable[images.Files],
    *,
    note: Note | None,
    patient: Patient | None,
    options: ImageOptions | None,
    max_treatments: int | None,
    draft_report: ReportOptions | bool = False,
    required: Iterable[str] = (),
) -> None:
    """The same into an empty case where it stands, so that images are not copied once more."""
    for files in image_files:
        added = case.images.add(options=options)
        images.fill(added.sources, files)
    if note is not None:
        case.note = note_text(note)
    if patient is not None:
        case.patient.CopyFrom(patient_input(patient))
    if max_treatments is not None:
        case.max_treatment_count = max_treatments
    if isinstance(draft_report, ReportOptions):
        case.draft_report.CopyFrom(draft_report)
    elif draft_report:
        case.draft_report.SetInParent()
    for name in required:
        if name not in BRANCHES:
            raise ValueError(f"a required branch is one of {', '.join(BRANCHES)}")
        case.required_branches.append(BRANCHES[name])


def several(image: Image | Sequence[Image] | None) -> Sequence[Image]:
    """The images of a case: none, one, or those of a list."""
    if image is None:
        return []
    return [image] if isinstance(image, str | Path | bytes | ImageSource) else image


def rank_treatments(
    patient: Patient,
    further_conditions: Iterable[Concept | CodedConcept],
    further_allergies: Iterable[Concept | CodedConcept],
    further_medications: Iterable[Concept | CodedConcept],
    max_results: int | None,
    model: str,
) -> RankTreatmentsRequest:
    """The record and what is known beyond it; a concept without a code goes by its name."""
    return RankTreatmentsRequest(
        patient=patient_input(patient),
        further_conditions=map(_coded, further_conditions),
        further_allergies=map(_coded, further_allergies),
        further_medications=map(_coded, further_medications),
        max_treatment_count=max_results,
        model=model,
    )


def check_medications(
    patient: Patient,
    orders: Sequence[DraftedOrder],
    further_conditions: Iterable[Concept | CodedConcept],
    further_allergies: Iterable[Concept | CodedConcept],
    further_medications: Iterable[Concept | CodedConcept],
) -> CheckMedicationsRequest:
    """The record, the orders, and what is known beyond the record."""
    return CheckMedicationsRequest(
        patient=patient_input(patient),
        orders=map(draft_order, orders),
        further_conditions=map(_coded, further_conditions),
        further_allergies=map(_coded, further_allergies),
        further_medications=map(_coded, further_medications),
    )


def draft_order(order: DraftedOrder) -> DraftOrder:
    """The order in the form that the contract takes."""
    if isinstance(order, MedicationOrder):
        return DraftOrder(order=order)
    if isinstance(order, str):
        return DraftOrder(order=MedicationOrder(code=CodedConcept(text=order)))
    if isinstance(order, bytes):
        return DraftOrder(fhir_medication_request=order)
    if isinstance(order, Mapping):
        return DraftOrder(fhir_medication_request=json.dumps(order, ensure_ascii=False).encode())
    raise TypeError(f"an order is words, a dict, bytes or a MedicationOrder, not {type(order).__name__}")


def _coded(concept: Concept | CodedConcept) -> CodedConcept:
    if isinstance(concept, CodedConcept):
        return concept
    return CodedConcept(codings=[concept]) if concept.code else CodedConcept(text=concept.display)
