"""Builds the messages of the contracts from what callers have at hand: paths, bytes, text, dicts.

- image: a path (str or Path) or the file's bytes; DICOM, PNG or JPEG; `diagnose` takes a list of them too
- note: the text (str), or a Path to a UTF-8 file
- patient: a path (str or Path), the bytes or the dict of a FHIR R4 bundle, or a typed `PatientRecord`
- stay: an `HospitalStay`, or a dict in its JSON form
- body part: DICOM's Body Part Examined, e.g. `"chest"`, `"HEAD"`

A file that cannot be read raises OSError, an argument of a wrong kind TypeError or ValueError. The content is
judged by the services, which answer with InvalidInput.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf.json_format import ParseDict, ParseError

from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.patient_pb2 import PatientInput, PatientRecord
from medmesh.imaging.v1.imaging_pb2 import (
    AnalyzeImageRequest,
    AnalyzeImageStreamRequest,
    ImageOptions,
    ImageSource,
)
from medmesh.language.v1.language_pb2 import AnalyzeNoteRequest, EmbedTextsRequest, RankPassagesRequest
from medmesh.orchestrator.v1.orchestrator_pb2 import CaseImage, DiagnosticCase
from medmesh.recommendation.v1.recommendation_pb2 import (
    FindSimilarPatientsRequest,
    HospitalStay,
    PredictOutcomeRequest,
    RankTreatmentsRequest,
    ReadRecordRequest,
)

Image: TypeAlias = "str | Path | bytes"
Note: TypeAlias = "str | Path"
Patient: TypeAlias = "str | Path | bytes | Mapping[str, Any] | PatientRecord | PatientInput"
Stay: TypeAlias = "HospitalStay | Mapping[str, Any]"

UNARY_IMAGE_LIMIT_BYTES = 16 * 1024 * 1024
"""The largest image that one message carries; above it `analyze_image` streams."""

CHUNK_BYTES = 1024 * 1024
"""Size of a chunk of the stream; the contract allows 3 MiB."""


def image_bytes(image: Image) -> bytes:
    """The file's bytes."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        return Path(image).read_bytes()
    raise TypeError(f"an image is a path or bytes, not {type(image).__name__}")


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


def image_options(
    *,
    body_part: str | None = None,
    models: Sequence[str] = (),
    heat_map: bool = False,
    overlay: bool = False,
) -> ImageOptions:
    """How to analyse an image."""
    return ImageOptions(
        body_part=(body_part or "").upper(),
        models=models,
        include_heat_map=heat_map or overlay,
        include_overlay=overlay,
    )


def diagnostic_case(
    *,
    image: Image | Sequence[Image] | None = None,
    note: Note | None = None,
    patient: Patient | None = None,
    body_part: str | None = None,
    models: Sequence[str] = (),
    heat_map: bool = False,
    overlay: bool = False,
    max_treatments: int | None = None,
) -> DiagnosticCase:
    """The case of `Diagnose`; `body_part`, `models`, `heat_map` and `overlay` go with each image."""
    options = image_options(body_part=body_part, models=models, heat_map=heat_map, overlay=overlay)
    case = DiagnosticCase(
        note="" if note is None else note_text(note),
        patient=None if patient is None else patient_input(patient),
        max_treatment_count=max_treatments,
    )
    for one in _several(image):
        # Filled in place: a message that is made of others copies them, and with them the image.
        added: CaseImage = case.images.add()
        added.options.CopyFrom(options)
        added.sources.add().content = image_bytes(one)
    return case


def analyze_image(image: bytes, options: ImageOptions) -> AnalyzeImageRequest:
    """The image in one message."""
    return AnalyzeImageRequest(sources=[ImageSource(content=image)], options=options)


def analyze_image_stream(image: bytes, options: ImageOptions) -> Iterator[AnalyzeImageStreamRequest]:
    """The image in chunks, the options before them."""
    yield AnalyzeImageStreamRequest(options=options)
    for start in range(0, len(image), CHUNK_BYTES):
        yield AnalyzeImageStreamRequest(chunk=image[start : start + CHUNK_BYTES])


def analyze_note(note: Note) -> AnalyzeNoteRequest:
    """The note."""
    return AnalyzeNoteRequest(note=note_text(note))


def embed(texts: str | Sequence[str]) -> EmbedTextsRequest:
    """One text or several."""
    return EmbedTextsRequest(texts=[texts] if isinstance(texts, str) else texts)


def rank_passages(query: str, passages: Sequence[str], max_results: int | None) -> RankPassagesRequest:
    """The query and the caller's passages."""
    return RankPassagesRequest(query=query, passages=passages, max_result_count=max_results)


def rank_treatments(
    patient: Patient,
    further_conditions: Iterable[CodedConcept],
    further_allergies: Iterable[CodedConcept],
    max_results: int | None,
) -> RankTreatmentsRequest:
    """The record and what is known beyond it."""
    return RankTreatmentsRequest(
        patient=patient_input(patient),
        further_conditions=further_conditions,
        further_allergies=further_allergies,
        max_treatment_count=max_results,
    )


def read_record(patient: Patient) -> ReadRecordRequest:
    """The record."""
    return ReadRecordRequest(patient=patient_input(patient))


def similar_patients(patient: Patient, max_results: int | None) -> FindSimilarPatientsRequest:
    """The record."""
    return FindSimilarPatientsRequest(patient=patient_input(patient), max_patient_count=max_results)


def predict_outcome(stay: Stay) -> PredictOutcomeRequest:
    """The stay. ValueError: the dict does not have the contract's form."""
    if isinstance(stay, HospitalStay):
        return PredictOutcomeRequest(stay=stay)
    try:
        return PredictOutcomeRequest(stay=ParseDict(dict(stay), HospitalStay()))
    except ParseError:
        # Without its text: it may quote the patient's values.
        raise ValueError(
            "the stay does not have the form of medmesh.recommendation.v1.HospitalStay"
        ) from None


def _several(image: Image | Sequence[Image] | None) -> Sequence[Image]:
    if image is None:
        return []
    return [image] if isinstance(image, str | Path | bytes) else image
