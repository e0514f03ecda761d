"""Drafts through the clients and the command: sentences as they come, each with what it rests on."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import MessageToJson

from clients.cli.failures import ExitCode
from medmesh.language.v1 import report_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2
from tests.clients.fake_mesh import stored_diagnosis

EVIDENCE = pb.ReportEvidence(
    items=[
        pb.EvidenceItem(
            finding=pb.FindingEvidence(
                name="pleural effusion", status=pb.FINDING_STATUS_PRESENT, side=pb.SIDE_LEFT, severity="small"
            ),
            source=pb.EVIDENCE_SOURCE_IMAGE,
            reference="images[0]",
        )
    ]
)
SENTENCE = pb.DraftSentence(
    section=pb.REPORT_SECTION_FINDINGS,
    text="There is a small left pleural effusion.",
    origin=pb.SENTENCE_ORIGIN_WRITTEN,
    support=[pb.SentenceSupport(item_index=0)],
)
DRAFT = pb.Draft(
    text="AI draft, to be reviewed\n\nFINDINGS\nThere is a small left pleural effusion.\n",
    mark="AI draft, to be reviewed",
    sentences=[SENTENCE],
    dropped=[pb.DroppedSentence(text="The patient is dying.", reason=pb.DROP_REASON_NOT_ACCOUNTED_FOR)],
    counts=pb.DraftCounts(written_count=2, kept_count=1, dropped_count=1),
)


def test_a_report_comes_sentence_by_sentence_and_ends_with_the_draft(mesh, client):
    mesh.answers["GenerateReport"] = DRAFT
    options = pb.ReportOptions(template_name="standard")
    assert list(client.generate_report(EVIDENCE, options=options)) == [SENTENCE, DRAFT]
    assert mesh.last.request == pb.GenerateReportRequest(evidence=EVIDENCE, options=options)


async def test_a_summary_does_the_same_for_asyncio(mesh, async_client):
    mesh.answers["Summarize"] = DRAFT
    kind = pb.SummarizeRequest.KIND_SUMMARY
    assert [event async for event in async_client.summarize("A note.", kind=kind)] == [SENTENCE, DRAFT]
    assert mesh.last.request == pb.SummarizeRequest(text="A note.", kind=kind)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [(True, pb.ReportOptions()), (pb.ReportOptions(model="scribe"), pb.ReportOptions(model="scribe"))],
)
def test_a_diagnosis_may_ask_for_a_draft(mesh, client, asked, wanted):
    client.diagnose(note="Cough.", draft_report=asked)
    assert mesh.last.request.case.draft_report == wanted
    assert mesh.last.request.case.HasField("draft_report")
    client.diagnose(note="Cough.")
    assert not mesh.last.request.case.HasField("draft_report")


def test_what_an_answer_may_not_lack_is_named(mesh, client):
    client.diagnose(note="Cough.", draft_report=True, required=["note", "report"])
    kinds = list(mesh.last.request.case.required_branches)
    assert kinds == [orchestrator_pb2.Branch.KIND_NOTE, orchestrator_pb2.Branch.KIND_REPORT]
    with pytest.raises(ValueError, match="image, note, record, treatments, report"):
        client.diagnose(note="Cough.", required=["notes"])


@pytest.fixture
def drafted(mesh):
    diagnosis = stored_diagnosis()
    diagnosis.report.draft.CopyFrom(DRAFT)
    diagnosis.report.evidence.CopyFrom(EVIDENCE)
    answer = orchestrator_pb2.DiagnoseResponse(diagnosis=diagnosis)
    mesh.answers["Diagnose"] = mesh.answers["DiagnoseStream"] = answer
    mesh.answers["GenerateReport"] = mesh.answers["Summarize"] = DRAFT
    return diagnosis


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("Small left effusion. The heart is normal.", encoding="utf-8")
    return path


def test_a_report_of_a_case_shows_each_sentence_with_its_evidence(mesh, run, drafted, note):
    result = run("report", "--note", note)
    assert result.exit_code == 0, result.output
    assert "AI draft, to be reviewed" in result.stdout
    assert "There is a small left pleural effusion." in result.stdout
    assert "← present left small pleural effusion [image, images[0]]" in result.stdout
    assert "Of 2 sentences of the model 1 did not stand" in result.stdout
    assert "not accounted for: The patient is dying." in result.stdout
    assert mesh.last.request.case.HasField("draft_report")


@pytest.mark.parametrize("form", ["evidence", "answer"])
def test_a_report_of_a_file_asks_the_language_service(mesh, run, drafted, tmp_path, form):
    file = tmp_path / "given.json"
    file.write_text(MessageToJson(EVIDENCE if form == "evidence" else drafted), encoding="utf-8")
    result = run("report", file, "--template", "impression_first", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["draft"]["mark"] == DRAFT.mark
    assert mesh.last.request.evidence == EVIDENCE
    assert mesh.last.request.options.template_name == "impression_first"


def test_a_template_of_ones_own_is_a_file(mesh, run, drafted, note, tmp_path):
    file = tmp_path / "ours.toml"
    file.write_text('style = "list"\n[[sections]]\nkind = "findings"\nheading = "BEFUND"\n', encoding="utf-8")
    assert run("report", "--note", note, "--template", file).exit_code == 0
    assert mesh.last.request.case.draft_report.template == pb.ReportTemplate(
        style=pb.SECTION_STYLE_LIST,
        sections=[pb.TemplateSection(kind=pb.REPORT_SECTION_FINDINGS, heading="BEFUND")],
    )
    file.write_text("sections = 3\n", encoding="utf-8")
    result = run("report", "--note", note, "--template", file)
    assert result.exit_code != 0
    assert "is no template" in result.output


def test_what_is_no_evidence_is_refused_without_quoting_it(run, tmp_path):
    file = tmp_path / "given.json"
    file.write_text('{"patient": "Jane Doe"}', encoding="utf-8")
    result = run("report", file)
    assert result.exit_code != 0
    assert "has no evidence" in result.output
    assert "Jane" not in result.output


def test_a_case_without_a_draft_says_why_and_is_partial(mesh, run, note):
    diagnosis = stored_diagnosis()
    diagnosis.branches.add(
        kind=orchestrator_pb2.Branch.KIND_REPORT,
        state=orchestrator_pb2.Branch.STATE_FAILED,
        reason="MODEL_UNAVAILABLE",
        message="A model of the language service is not served.",
    )
    mesh.answers["Diagnose"] = orchestrator_pb2.DiagnoseResponse(diagnosis=diagnosis)
    result = run("report", "--note", note)
    assert result.exit_code == ExitCode.PARTIAL
    assert "not served" in result.output


def test_diagnose_prints_the_draft_and_its_sentences_as_they_come(mesh, run, drafted, note):
    result = run("diagnose", "--note", note, "--draft-report", "--stream")
    assert "There is a small left pleural effusion." in result.stderr
    assert "Draft report  AI draft, to be reviewed" in result.stdout


def test_a_summary_shows_the_words_that_it_rests_on(mesh, run, note):
    draft = pb.Draft(mark=DRAFT.mark, sentences=[SENTENCE])
    draft.sentences[0].support[0].source_span.MergeFrom(pb.SourceSpan(start_offset=0, end_offset=20))
    mesh.answers["Summarize"] = draft
    result = run("summarize", note, "--note")
    assert result.exit_code == 0, result.output
    assert "← “Small left effusion.”" in result.stdout
    assert mesh.last.request.kind == pb.SummarizeRequest.KIND_SUMMARY
