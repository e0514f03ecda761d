"""The combined request over real servers: what a complete answer holds, and what never leaves it."""

from __future__ import annotations

import pytest

from medmesh import receipt as receipts
from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import (
    InvalidInput,
    Reason,
)
from tests.orchestrator.cases import ASTHMA, BACTERIAL, PNEUMONIA
from tests.orchestrator.conftest import (
    METHODS,
    analysis,
    entity,
    full_case,
    note,
    probability,
    record,
    running_mesh,
    states,
)


async def test_a_case_of_all_three_is_complete(mesh):
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert states(diagnosis) == dict.fromkeys(METHODS, "answered")
    assert all(b.budget_ms > 0 and not b.reason and not b.effect for b in diagnosis.branches)
    assert not diagnosis.review_required
    assert "research" in diagnosis.intended_use.lower()
    assert diagnosis.request_id
    assert len(diagnosis.images) == 1
    assert diagnosis.HasField("note")
    assert diagnosis.HasField("treatments")
    assert [n.reason for n in diagnosis.notices] == ["RESOURCES_SKIPPED"]


async def test_the_assessment_says_what_each_modality_adds(mesh):
    pneumonia = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    assert [c.modality for c in pneumonia.contributions] == [
        pb.MODALITY_PRIOR,
        pb.MODALITY_IMAGE,
        pb.MODALITY_NOTE,
    ]
    assert sum(c.share for c in pneumonia.contributions) == pytest.approx(1)
    assert {one.modality for one in pneumonia.leave_one_out} == {pb.MODALITY_IMAGE, pb.MODALITY_NOTE}
    assert all(one.probability < pneumonia.probability for one in pneumonia.leave_one_out)
    assert pneumonia.probability_low < pneumonia.probability < pneumonia.probability_high


async def test_the_treatments_get_the_record_and_what_note_and_image_found(mesh):
    await mesh.diagnose(full_case())
    (request,) = mesh.fakes.requests("RankTreatments")
    assert request.patient.record == record(ASTHMA).record
    assert [c.code for c in request.further_conditions] == [BACTERIAL, PNEUMONIA]


async def test_the_treatments_get_other_problems_of_the_note_too_in_snomed_where_it_is_known(mesh):
    sinusitis = entity("J32.9")
    sinusitis.concept.system = "http://hl7.org/fhir/sid/icd-10-cm"
    sinusitis.equivalent_concepts.add(system="http://snomed.info/sct", code="40055000")
    denied, unsure = entity("10509002", language_pb2.ASSERTION_ABSENT), entity("65363002")
    unsure.confidence = 0.3
    mesh.fakes.answers["AnalyzeNote"] = note(sinusitis, sinusitis, denied, unsure)
    await mesh.diagnose(full_case())
    (request,) = mesh.fakes.requests("RankTreatments")
    assert [c.code for c in request.further_conditions] == [BACTERIAL, PNEUMONIA, "40055000"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (pb.DiagnosticCase(note="Pneumonia."), {"language"}),
        (pb.DiagnosticCase(images=[pb.ImageInput(image=b"x")]), {"imaging"}),
        (
            pb.DiagnosticCase(patient=patient_pb2.PatientInput(record=patient_pb2.PatientRecord())),
            {"record", "recommendation"},
        ),
    ],
)
async def test_what_was_not_asked_for_is_not_missing(mesh, case, expected):
    diagnosis = await mesh.diagnose(case)
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert {name for name, state in states(diagnosis).items() if state == "answered"} == expected
    assert {name for name, state in states(diagnosis).items() if state == "not_requested"} == set(
        METHODS
    ) - expected


async def test_a_contradiction_asks_for_review(mesh):
    mesh.fakes.answers["AnalyzeNote"] = note(entity(PNEUMONIA, language_pb2.ASSERTION_ABSENT))
    diagnosis = await mesh.diagnose(full_case())
    assert [d.kind for d in diagnosis.disagreements] == [pb.Disagreement.KIND_IMAGE_POSITIVE_NOTE_NEGATIVE]
    assert diagnosis.disagreements[0].condition.code == PNEUMONIA
    assert diagnosis.review_required


async def test_an_abstention_asks_for_review(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(abstained=True)
    assert (await mesh.diagnose(full_case())).review_required


async def test_an_image_that_the_gate_rejects_does_not_count_and_says_so(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(gate=imaging_pb2.ImageGate(accepted=False))
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.review_required
    assert "IMAGE_EVIDENCE_UNUSED" in {n.reason for n in diagnosis.notices}
    assert all(c.modality != pb.MODALITY_IMAGE for a in diagnosis.assessments for c in a.contributions)


async def test_a_patient_outside_the_models_ages_is_told(mesh):
    mesh.fakes.answers["ReadRecord"] = record(ASTHMA, age_years=62)
    diagnosis = await mesh.diagnose(full_case())
    assert "OUTSIDE_MODEL_POPULATION" in {n.reason for n in diagnosis.notices}


async def test_without_model_cards_images_do_not_count_and_the_answer_says_so(tmp_path):
    async with running_mesh(tmp_path, model_repository=tmp_path) as mesh:
        diagnosis = await mesh.diagnose(full_case())
    assert "RELIABILITY_UNKNOWN" in {n.reason for n in diagnosis.notices}
    assert all(c.modality != pb.MODALITY_IMAGE for a in diagnosis.assessments for c in a.contributions)


async def test_each_answer_comes_with_a_receipt_in_the_log(mesh):
    first, second = await mesh.diagnose(full_case()), await mesh.diagnose(full_case())
    logged = [receipts.from_line(line) for line in mesh.receipts.read_text().splitlines()]
    assert logged == [first.receipt, second.receipt]
    assert receipts.verify_chain(mesh.receipts.read_text().splitlines()) == []
    assert {m.model_name for m in first.receipt.models} == {"chest_xray", "clinical_ner", "treatment_ranker"}
    assert receipts.compare(first.receipt, full_case(), second) == []


CANARIES = ["Mrs Canary Quince", "canary-bundle-1937", "canary-image-bytes", "Canary disease", "CANARYCODE"]


async def test_no_patient_data_in_receipts_and_log(mesh):
    name, bundle, image, disease, code = CANARIES
    mesh.fakes.answers["AnalyzeNote"] = note(entity(code, text=disease), entity(PNEUMONIA, text=disease))
    mesh.fakes.answers["ReadRecord"] = record(code, ASTHMA)
    case = pb.DiagnosticCase(
        images=[pb.ImageInput(image=image.encode())],
        note=f"{name} has {disease}.",
        patient=patient_pb2.PatientInput(fhir_bundle=bundle.encode()),
    )
    diagnosis = await mesh.diagnose(case)
    mesh.fakes.answers["AnalyzeImage"] = RuntimeError(image)
    await mesh.diagnose(case)
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    refusal = await mesh.refused(case)
    written = mesh.receipts.read_text() + mesh.log.getvalue() + str(diagnosis.receipt) + str(refusal)
    assert '"method"' in mesh.log.getvalue(), "the log was captured"
    for canary in CANARIES:
        assert canary not in written
    assert PNEUMONIA not in mesh.receipts.read_text() + mesh.log.getvalue()


async def test_an_answer_that_cannot_be_logged_is_not_given(mesh):
    mesh.receipts.unlink()
    mesh.receipts.mkdir()
    refusal = await mesh.refused(full_case())
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "RECEIPT_NOT_WRITTEN")
    mesh.receipts.rmdir()
    assert (await mesh.diagnose(full_case())).receipt.receipt_id


async def test_the_deployers_intended_use_replaces_the_default(tmp_path):
    async with running_mesh(tmp_path, intended_use="As agreed with the ethics board.") as mesh:
        assert (await mesh.diagnose(full_case())).intended_use == "As agreed with the ethics board."
