"""Bad input is refused with its field's path in the combined request, and ends nothing else."""

from __future__ import annotations

import asyncio

import pytest

from medmesh.common.v1 import options_pb2, patient_pb2
from medmesh.connection import MAX_MESSAGE_BYTES
from medmesh.imaging.v1 import imaging_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import (
    InvalidInput,
    Reason,
)
from services.imaging.images import DecodingLimits
from services.imaging.settings import ImagingSettings
from services.orchestrator.intake import MAXIMUM_IMAGES_BYTES
from services.orchestrator.settings import OrchestratorSettings
from tests.orchestrator.answers import analysis, full_case, image

REFUSALS = [
    ("AnalyzeImage", "sources[0].content", "case.images[1].sources[0].content"),
    ("AnalyzeImage", "options.body_part", "case.images[1].options.body_part"),
    ("AnalyzeNote", "note", "case.note"),
    ("ReadRecord", "patient.fhir_bundle", "case.patient.fhir_bundle"),
    ("RankTreatments", "patient.record.age", "case.patient.record.age"),
    ("RankTreatments", "max_treatment_count", "case.max_treatment_count"),
]


@pytest.mark.parametrize(("method", "field", "expected"), REFUSALS)
async def test_bad_input_is_refused_with_its_field_in_the_combined_request(mesh, method, field, expected):
    error = InvalidInput(Reason.INPUT_MALFORMED, field, "is not readable")
    mesh.fakes.answers[method] = lambda request: (
        analysis() if method == "AnalyzeImage" and request.sources[0].content == b"image 0" else error
    )
    refusal = await mesh.refused(full_case(image_count=2))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INPUT_MALFORMED")
    assert refusal.field == expected
    assert (await mesh.diagnose(pb.DiagnosticCase(images=[image(b"image 0")]))).images


async def test_bad_input_ends_the_other_branches_at_once(mesh):
    mesh.fakes.hold("AnalyzeImage")
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    refusal = await mesh.refused(full_case(), timeout_s=30)
    assert refusal.field == "case.note"
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)


BAD_CASES = [
    (pb.DiagnosticCase(), "case", "INPUT_MISSING"),
    (pb.DiagnosticCase(max_treatment_count=3), "case", "INPUT_MISSING"),
    (pb.DiagnosticCase(images=[pb.CaseImage()]), "case.images[0].sources", "INPUT_MISSING"),
    (
        pb.DiagnosticCase(images=[pb.CaseImage(sources=[imaging_pb2.ImageSource()])]),
        "case.images[0].sources[0]",
        "INPUT_MISSING",
    ),
    (pb.DiagnosticCase(images=[image(b"x")] * 5), "case.images", "INPUT_TOO_LARGE"),
    (pb.DiagnosticCase(note="x" * 200_001), "case.note", "INPUT_TOO_LARGE"),
    (pb.DiagnosticCase(patient=patient_pb2.PatientInput()), "case.patient.form", "INPUT_MISSING"),
    (
        pb.DiagnosticCase(patient=patient_pb2.PatientInput(fhir_bundle=bytes(8 * 2**20 + 1))),
        "case.patient.fhir_bundle",
        "INPUT_TOO_LARGE",
    ),
    (pb.DiagnosticCase(note="x", max_treatment_count=101), "case.max_treatment_count", "INPUT_OUT_OF_RANGE"),
    (pb.DiagnosticCase(note="x", max_treatment_count=0), "case.max_treatment_count", "INPUT_OUT_OF_RANGE"),
]


@pytest.mark.parametrize(
    ("sizes", "field"),
    [
        ((1, MAXIMUM_IMAGES_BYTES + 1), "case.images[1].sources[0].content"),
        ((22 * 2**20,) * 3, "case.images"),
    ],
    ids=["one image", "all images together"],
)
async def test_images_beyond_the_limit_are_refused(mesh, sizes, field):
    refusal = await mesh.refused(pb.DiagnosticCase(images=[image(bytes(n)) for n in sizes]))
    assert (refusal.code, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "INPUT_TOO_LARGE", field)
    assert mesh.fakes.seen == []


def test_an_image_has_the_same_limit_alone_and_in_a_case():
    assert MAXIMUM_IMAGES_BYTES == ImagingSettings().maximum_image_bytes == DecodingLimits().max_file_bytes
    limits = pb.DiagnosticCase.DESCRIPTOR.fields_by_name["note"].GetOptions().Extensions[options_pb2.limits]
    bundle = patient_pb2.PatientInput.DESCRIPTOR.fields_by_name["fhir_bundle"].GetOptions()
    beside = bundle.Extensions[options_pb2.limits].max_bytes + 4 * limits.max_length
    assert OrchestratorSettings().maximum_request_bytes > MAXIMUM_IMAGES_BYTES + beside
    assert OrchestratorSettings().maximum_response_bytes > MAXIMUM_IMAGES_BYTES
    assert ImagingSettings().maximum_request_bytes > MAXIMUM_IMAGES_BYTES
    assert OrchestratorSettings().maximum_request_bytes <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    ("case", "field", "reason"), BAD_CASES, ids=lambda v: v if isinstance(v, str) else ""
)
async def test_a_bad_case_is_refused_before_anybody_is_asked(mesh, case, field, reason):
    refusal = await mesh.refused(case)
    assert (refusal.code, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", reason, field)
    assert mesh.fakes.seen == []


async def test_all_that_is_wrong_is_told_at_once(mesh):
    nothing = pb.CaseImage(sources=[imaging_pb2.ImageSource()])
    refusal = await mesh.refused(pb.DiagnosticCase(images=[nothing, nothing]))
    assert refusal.fields == ["case.images[0].sources[0]", "case.images[1].sources[0]"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"request_id": "yesterday's"}, "request_id"),
        ({"receipt_salt": "00"}, "receipt_salt"),
        ({"receipt_salt": "G" * 64}, "receipt_salt"),
    ],
)
async def test_ids_and_salts_have_their_form(mesh, fields, field):
    refusal = await mesh.refused(full_case(), **fields)
    assert (refusal.code, refusal.field) == ("INVALID_ARGUMENT", field)
