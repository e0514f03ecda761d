"""The combined request over real servers: complete, partial, refused, cancelled, streamed."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from medmesh import receipt as receipts
from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import (
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    Overloaded,
    PermissionDenied,
    Reason,
)
from tests.orchestrator.cases import ASTHMA, BACTERIAL, PNEUMONIA
from tests.orchestrator.conftest import analysis, entity, full_case, note, record, running_mesh

METHODS = {
    "imaging": "AnalyzeImage",
    "language": "AnalyzeNote",
    "record": "ReadRecord",
    "recommendation": "RankTreatments",
}


def states(diagnosis: pb.Diagnosis) -> dict[str, str]:
    return {b.name: pb.Branch.State.Name(b.state).removeprefix("STATE_").lower() for b in diagnosis.branches}


def branch(diagnosis: pb.Diagnosis, name: str) -> pb.Branch:
    return next(b for b in diagnosis.branches if b.name == name)


def probability(diagnosis: pb.Diagnosis, code: str) -> pb.ConditionAssessment:
    return next(a for a in diagnosis.assessments if a.condition.code == code)


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


@pytest.mark.parametrize("service", ["imaging", "language", "recommendation"])
async def test_a_dead_service_makes_the_answer_partial(tmp_path, service):
    async with running_mesh(tmp_path, dead=(service,)) as mesh:
        started = time.monotonic()
        diagnosis = await mesh.diagnose(full_case(), timeout_s=5)
        assert time.monotonic() - started < 5
    lost = {"record", "recommendation"} if service == "recommendation" else {service}
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert diagnosis.review_required
    assert {name for name, state in states(diagnosis).items() if state == "failed"} == lost
    for name in lost:
        failed = branch(diagnosis, name)
        assert failed.reason == "UPSTREAM_UNAVAILABLE"
        assert service in failed.message
        assert failed.effect


@pytest.mark.parametrize("name", list(METHODS))
async def test_a_slow_branch_makes_the_answer_partial_within_the_deadline(mesh, name):
    mesh.fakes.hold(METHODS[name])
    diagnosis = await mesh.diagnose(full_case(), timeout_s=1.5)
    assert {n for n, state in states(diagnosis).items() if state == "failed"} == {name}
    assert branch(diagnosis, name).reason == "DEADLINE_EXCEEDED"
    assert branch(diagnosis, name).elapsed_ms < 1500


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelUnavailable(), "MODEL_UNAVAILABLE"),
        (ModelFailed(), "MODEL_FAILED"),
        (Overloaded(), "OVERLOADED"),
        (PermissionDenied(), "PERMISSION_DENIED"),
        (RuntimeError("canary of Jane Roe"), "INTERNAL"),
    ],
)
async def test_a_failing_branch_makes_the_answer_partial(mesh, name, error, reason):
    mesh.fakes.answers[METHODS[name]] = error
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert {n for n, state in states(diagnosis).items() if state == "failed"} == {name}
    assert branch(diagnosis, name).reason == reason
    assert branch(diagnosis, name).message
    assert "canary" not in str(diagnosis) + mesh.log.getvalue()


async def test_a_missing_branch_widens_the_interval_and_leaves_its_modality_out(mesh):
    complete = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    mesh.fakes.answers["AnalyzeImage"] = ModelUnavailable()
    partial = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    assert pb.MODALITY_IMAGE not in {c.modality for c in partial.contributions}
    assert partial.probability_low <= complete.probability <= partial.probability_high
    assert (
        partial.probability_high - partial.probability_low
        > complete.probability_high - complete.probability_low
    )


async def test_the_treatments_do_not_need_the_branch_that_reads_the_record(mesh):
    mesh.fakes.answers["ReadRecord"] = ModelFailed()
    diagnosis = await mesh.diagnose(full_case())
    assert states(diagnosis)["recommendation"] == "answered"
    assert mesh.fakes.requests("RankTreatments")[0].patient == full_case().patient


async def test_one_image_of_several_may_fail(mesh):
    mesh.fakes.answers["AnalyzeImage"] = lambda request: (
        analysis() if request.image == b"image 1" else ModelFailed()
    )
    diagnosis = await mesh.diagnose(full_case(image_count=3))
    assert [image.index for image in diagnosis.images] == [1]
    assert states(diagnosis) == {
        "imaging[0]": "failed",
        "imaging[1]": "answered",
        "imaging[2]": "failed",
        "language": "answered",
        "record": "answered",
        "recommendation": "answered",
    }


async def test_when_every_branch_fails_the_call_fails(tmp_path):
    async with running_mesh(tmp_path, dead=("imaging", "language", "recommendation")) as mesh:
        refusal = await mesh.refused(full_case(), timeout_s=5)
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert set(METHODS) <= refusal.metadata.keys()
    assert not mesh.receipts.read_text()


REFUSALS = [
    ("AnalyzeImage", "image", "case.images[1].image"),
    ("AnalyzeImage", "options.body_part", "case.images[1].options.body_part"),
    ("AnalyzeNote", "note", "case.note"),
    ("ReadRecord", "patient.fhir_bundle", "case.patient.fhir_bundle"),
    ("RankTreatments", "patient.record.age_years", "case.patient.record.age_years"),
    ("RankTreatments", "max_result_count", "case.max_treatment_count"),
]


@pytest.mark.parametrize(("method", "field", "expected"), REFUSALS)
async def test_bad_input_is_refused_with_its_field_in_the_combined_request(mesh, method, field, expected):
    error = InvalidInput(Reason.INPUT_MALFORMED, field, "is not readable")
    mesh.fakes.answers[method] = lambda request: (
        analysis() if getattr(request, "image", b"") == b"image 0" else error
    )
    refusal = await mesh.refused(full_case(image_count=2))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INPUT_MALFORMED")
    assert refusal.field == expected
    assert (await mesh.diagnose(pb.DiagnosticCase(images=[pb.ImageInput(image=b"image 0")]))).images


async def test_bad_input_ends_the_other_branches_at_once(mesh):
    mesh.fakes.hold("AnalyzeImage")
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    refusal = await mesh.refused(full_case(), timeout_s=30)
    assert refusal.field == "case.note"
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)


async def test_what_the_orchestrator_itself_asks_wrongly_is_not_the_callers_fault(mesh):
    mesh.fakes.answers["RankTreatments"] = InvalidInput(
        Reason.INPUT_TOO_LARGE, "further_conditions", "are too many"
    )
    diagnosis = await mesh.diagnose(full_case())
    assert branch(diagnosis, "recommendation").reason == "INTERNAL"


BAD_CASES = [
    (pb.DiagnosticCase(), "case", "INPUT_MISSING"),
    (pb.DiagnosticCase(max_treatment_count=3), "case", "INPUT_MISSING"),
    (pb.DiagnosticCase(images=[pb.ImageInput()]), "case.images[0].image", "INPUT_MISSING"),
    (pb.DiagnosticCase(images=[pb.ImageInput(image=b"x")] * 5), "case.images", "INPUT_TOO_LARGE"),
    (
        pb.DiagnosticCase(images=[pb.ImageInput(image=b"x"), pb.ImageInput(image=bytes(16 * 2**20 + 1))]),
        "case.images[1].image",
        "INPUT_TOO_LARGE",
    ),
    (
        pb.DiagnosticCase(images=[pb.ImageInput(image=bytes(11 * 2**20))] * 3),
        "case.images",
        "INPUT_TOO_LARGE",
    ),
    (pb.DiagnosticCase(note="x" * 200_001), "case.note", "INPUT_TOO_LARGE"),
    (pb.DiagnosticCase(patient=patient_pb2.PatientInput()), "case.patient", "INPUT_MISSING"),
    (
        pb.DiagnosticCase(patient=patient_pb2.PatientInput(fhir_bundle=bytes(8 * 2**20 + 1))),
        "case.patient.fhir_bundle",
        "INPUT_TOO_LARGE",
    ),
    (pb.DiagnosticCase(note="x", max_treatment_count=101), "case.max_treatment_count", "INPUT_OUT_OF_RANGE"),
    (pb.DiagnosticCase(note="x", max_treatment_count=-1), "case.max_treatment_count", "INPUT_OUT_OF_RANGE"),
]


@pytest.mark.parametrize(
    ("case", "field", "reason"), BAD_CASES, ids=lambda v: v if isinstance(v, str) else ""
)
async def test_a_bad_case_is_refused_before_anybody_is_asked(mesh, case, field, reason):
    refusal = await mesh.refused(case)
    assert (refusal.code, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", reason, field)
    assert mesh.fakes.seen == []


async def test_a_cancelled_caller_cancels_every_call_under_way(mesh):
    mesh.fakes.hold("AnalyzeImage", "AnalyzeNote", "ReadRecord")
    call = mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case()), timeout=30)
    for entered in mesh.fakes.entered.values():
        await asyncio.wait_for(entered.wait(), 5)
    call.cancel()
    while len(mesh.fakes.cancelled) < 3:
        mesh.fakes.left.clear()
        if len(mesh.fakes.cancelled) < 3:
            await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    assert sorted(mesh.fakes.cancelled) == ["AnalyzeImage", "AnalyzeNote", "ReadRecord"]


async def test_a_stream_that_is_left_cancels_the_calls_under_way(mesh):
    mesh.fakes.hold("AnalyzeImage")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=30)
    await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
    call.cancel()
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    assert mesh.fakes.cancelled == ["AnalyzeImage"]


async def test_the_stream_sends_each_branch_as_it_ends_and_the_answer_last(mesh):
    mesh.fakes.hold("AnalyzeImage", "AnalyzeNote", "ReadRecord", "RankTreatments")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=30)
    for name in ("language", "record", "imaging", "recommendation"):
        mesh.fakes.release(METHODS[name])
        event = await call.read()
        assert (event.branch.name, event.branch.state) == (name, pb.Branch.STATE_ANSWERED)
    last = await call.read()
    assert last.diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert await call.read() == grpc.aio.EOF


async def test_the_stream_fails_as_the_single_answer_does(mesh):
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


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
    assert (refusal.code, refusal.reason) == ("INTERNAL", "INTERNAL")


async def test_a_caller_without_a_deadline_gets_the_configured_one(tmp_path):
    async with running_mesh(tmp_path, default_deadline_s=1.0) as mesh:
        mesh.fakes.hold("AnalyzeNote")
        answer = await mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case()))
    assert branch(answer.diagnosis, "language").reason == "DEADLINE_EXCEEDED"


async def test_the_deployers_intended_use_replaces_the_default(tmp_path):
    async with running_mesh(tmp_path, intended_use="As agreed with the ethics board.") as mesh:
        assert (await mesh.diagnose(full_case())).intended_use == "As agreed with the ethics board."
