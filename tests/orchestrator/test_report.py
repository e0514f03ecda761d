"""The draft of a report: a branch of its own, from what is fused, in its own share of the deadline."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from medmesh.common.v1.answer_pb2 import Notice
from medmesh.language.v1 import report_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.receipt import statement
from services.chassis.errors import InvalidInput, ModelUnavailable, ModelUnknown, Overloaded, Reason
from tests.orchestrator.answers import analysis, drafted, entity, full_case, note
from tests.orchestrator.cases import PNEUMONIA
from tests.orchestrator.conftest import branch, running_mesh, states


def case(**options):
    asked = full_case()
    asked.draft_report.SetInParent()
    asked.draft_report.MergeFrom(report_pb2.ReportOptions(**options))
    return asked


def shown(mesh):
    """The evidence that the language service was given, by what each item is and its name."""
    [request] = mesh.fakes.requests("GenerateReport")
    return {
        (item.WhichOneof("content"), getattr(getattr(item, item.WhichOneof("content")), "name", "")): item
        for item in request.evidence.items
    }


async def test_no_draft_is_made_unless_it_is_asked_for(mesh):
    diagnosis = await mesh.diagnose(full_case())
    assert "report" not in states(diagnosis)
    assert not diagnosis.HasField("report")
    assert not mesh.fakes.requests("GenerateReport")


async def test_a_draft_is_written_from_what_was_fused_and_stands_in_the_answer_and_its_receipt(mesh):
    diagnosis = await mesh.diagnose(case(template_name="impression_first"))
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert states(diagnosis)["report"] == "answered"
    assert diagnosis.report.draft == drafted("Bacterial pneumonia is present.")
    [request] = mesh.fakes.requests("GenerateReport")
    assert request.options.template_name == "impression_first"
    assert diagnosis.report.evidence == request.evidence
    assert diagnosis.report.evidence.items[0].reference == "assessments[0]"
    told = statement(diagnosis.receipt)
    assert "report" in {subject.name for subject in told.subject}
    assert "report_writer" in {model.model_name for model in told.predicate.models}


async def test_the_fusion_decides_and_a_disagreement_is_told_as_one(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(bacterial=0.97, viral=0.01)
    mesh.fakes.answers["AnalyzeNote"] = note(entity(PNEUMONIA, assertion="ASSERTION_ABSENT"))
    diagnosis = await mesh.diagnose(case())
    assert diagnosis.disagreements
    items = shown(mesh)
    [told] = [item.disagreement for (kind, _), item in items.items() if kind == "disagreement"]
    assert (told.supporting, told.opposing) == (
        report_pb2.EVIDENCE_SOURCE_IMAGE,
        report_pb2.EVIDENCE_SOURCE_NOTE,
    )
    assert ("finding", told.name) not in items
    assert any(kind == "recommendation" for kind, _ in items)


@pytest.mark.parametrize(
    "error", [ModelUnavailable(), ModelUnknown(), Overloaded(), RuntimeError("a fault")], ids=repr
)
async def test_a_draft_that_fails_makes_the_answer_partial_and_nothing_else(mesh, error):
    whole = await mesh.diagnose(full_case())
    mesh.fakes.answers["GenerateReport"] = error
    diagnosis = await mesh.diagnose(case())
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert diagnosis.review_required
    assert {name for name, state in states(diagnosis).items() if state == "failed"} == {"report"}
    assert branch(diagnosis, "report").effect == "No report is drafted; the assessments do not depend on it."
    assert list(diagnosis.assessments) == list(whole.assessments)
    assert not diagnosis.HasField("report")


async def test_a_slow_draft_never_delays_the_answer_past_the_deadline(mesh):
    mesh.fakes.hold("GenerateReport")
    diagnosis = await mesh.diagnose(case(), timeout_s=2)
    assert branch(diagnosis, "report").reason == "DEADLINE_EXCEEDED"
    assert branch(diagnosis, "report").elapsed.ToTimedelta() < timedelta(seconds=2)
    assert states(diagnosis)["image"] == "answered"


async def test_the_other_branches_leave_the_draft_its_share(mesh):
    diagnosis = await mesh.diagnose(case(), timeout_s=10)
    assert branch(diagnosis, "image").budget.ToTimedelta() <= timedelta(seconds=0.7 * 0.6 * 10)
    assert branch(diagnosis, "report").budget.ToTimedelta() >= timedelta(seconds=0.35 * 10)


async def test_options_that_are_refused_refuse_the_case_by_their_path(mesh):
    mesh.fakes.answers["GenerateReport"] = InvalidInput(
        Reason.INPUT_OUT_OF_RANGE, "options.template_name", "there are standard"
    )
    refusal = await mesh.refused(case(template_name="unknown"))
    assert (refusal.reason, refusal.field) == ("INPUT_OUT_OF_RANGE", "case.draft_report.template_name")


async def test_sentences_are_streamed_before_the_branch_ends(mesh):
    mesh.fakes.answers["GenerateReport"] = drafted("One.", "Two.")
    events = [
        event async for event in mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=case()), timeout=10)
    ]
    told = [event.WhichOneof("event") for event in events]
    assert told[-4:] == ["draft_sentence", "draft_sentence", "branch", "diagnosis"]
    assert [event.draft_sentence.text for event in events[-4:-2]] == ["One.", "Two."]
    assert events[-2].branch.kind == pb.Branch.KIND_REPORT


async def test_a_caller_who_leaves_ends_the_draft(mesh):
    mesh.fakes.hold("GenerateReport")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=case()), timeout=30)
    await asyncio.wait_for(mesh.fakes.entered["GenerateReport"].wait(), 10)
    call.cancel()
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    assert mesh.fakes.cancelled == ["GenerateReport"]


async def test_a_notice_of_the_draft_that_asks_for_review_is_the_answers(mesh):
    mesh.fakes.answers["GenerateReport"] = drafted(
        "One.", notices=[Notice(reason="DRAFT_CUT", message="Cut.", review_required=True)]
    )
    assert (await mesh.diagnose(case())).review_required


async def test_without_the_language_service_the_rest_stands(tmp_path):
    async with running_mesh(tmp_path, dead=("language",)) as mesh:
        diagnosis = await mesh.diagnose(case(), timeout_s=5)
    assert {n for n, s in states(diagnosis).items() if s == "failed"} == {"note", "report"}
