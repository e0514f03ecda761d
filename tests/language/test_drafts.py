"""Drafts of reports and summaries over a real server; only what writes is a fake."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from medmesh.common.v1.quantity_pb2 import Quantity
from medmesh.language.v1 import report_pb2 as pb
from services.chassis.errors import Reason
from services.chassis.rpc.status import from_rpc_error
from services.language.writing.evidence import Finding, Status
from services.language.writing.wording import absent_together, agreeing, fixed_form
from tests.language import writer_made
from tests.language.drafts_made import drafted, evidence, finding, serving

TRUE = {
    "findings": "There is a small left pleural effusion. No pneumothorax. Possible pneumonia.",
    "impression": "1. Small left pleural effusion.\n2. Pneumonia cannot be excluded.",
}
MARK = "AI draft, to be reviewed"


async def report(folder, script, *items, **options):
    async with serving(folder, script) as (stub, inference):
        request = pb.GenerateReportRequest(evidence=evidence(*items), options=pb.ReportOptions(**options))
        sentences, draft = await drafted(stub.GenerateReport(request))
        return sentences, draft, inference


async def summary(folder, script, text, **fields):
    async with serving(folder, script) as (stub, _):
        _, draft = await drafted(stub.Summarize(pb.SummarizeRequest(text=text, **fields)))
        return draft


def names(values, kind):
    return [kind.Name(value).removeprefix(f"{kind.DESCRIPTOR.name.upper()}_") for value in values]


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(call)
    return from_rpc_error(caught.value, "language")


async def test_a_report_is_what_was_written_and_holds(tmp_path):
    sentences, draft, _ = await report(tmp_path, TRUE)
    assert draft.text == (
        f"{MARK}\n\nINDICATION\nHistory of asthma. Shortness of breath.\n\n"
        "FINDINGS\nThere is a small left pleural effusion. No pneumothorax. Possible pneumonia.\n\n"
        "IMPRESSION\nSmall left pleural effusion. Pneumonia cannot be excluded.\n\n"
        "RECOMMENDATION\nRepeat chest x-ray in six weeks.\n"
    )
    assert draft.mark == MARK
    assert [s.text for s in sentences] == [s.text for s in draft.sentences]
    for sentence in draft.sentences:
        assert draft.text[sentence.start_offset : sentence.end_offset] == sentence.text
    assert [[s.item_index for s in one.support] for one in draft.sentences] == [
        [3], [4], [0], [1], [2], [0], [2], [5],
    ]  # fmt: skip
    assert draft.counts.written_count == draft.counts.kept_count == 5
    assert draft.provenance.model_name == writer_made.NAME
    assert draft.provenance.decoding.max_token_count == 256


async def test_what_does_not_hold_is_rewritten_from_the_evidence_or_dropped_and_counted(tmp_path):
    script = {
        "findings": "There is a small right pleural effusion. There is a pneumothorax. The patient is dying. "
        "Follow-up in 3 days.",
        "impression": "Pneumonia.",
    }
    _, draft, _ = await report(tmp_path, script)
    body = draft.text.split("FINDINGS\n")[1]
    assert body == (
        "Small left pleural effusion is present. No pneumothorax is seen. Possible pneumonia.\n\n"
        "IMPRESSION\nPossible pneumonia. Small left pleural effusion is present.\n\n"
        "RECOMMENDATION\nRepeat chest x-ray in six weeks.\n"
    )
    assert [d.text for d in draft.dropped][2:] == [
        "The patient is dying.",
        "Follow-up in 3 days.",
        "Pneumonia.",
    ]
    assert names([d.reason for d in draft.dropped], pb.DropReason) != []
    assert [pb.DropReason.Name(d.reason) for d in draft.dropped] == [
        "DROP_REASON_SIDE_DIFFERS",
        "DROP_REASON_CONTRADICTS_EVIDENCE",
        "DROP_REASON_NOT_ACCOUNTED_FOR",
        "DROP_REASON_NUMBER_NOT_IN_EVIDENCE",
        "DROP_REASON_CERTAINTY_DIFFERS",
    ]
    counts = draft.counts
    assert (counts.written_count, counts.kept_count, counts.rewritten_count, counts.dropped_count) == (
        5,
        0,
        3,
        2,
    )
    assert sum(one.count for one in counts.reasons) == 5
    assert {"DRAFT_SENTENCES_DROPPED", "DRAFT_SENTENCES_ADDED"} <= {n.reason for n in draft.notices}


async def test_a_model_that_writes_nothing_leaves_a_report_in_fixed_forms(tmp_path):
    _, draft, _ = await report(tmp_path, {})
    assert "Small left pleural effusion is present." in draft.text
    assert all(one.support for one in draft.sentences)
    assert draft.counts.written_count == 0


async def test_what_is_said_twice_stands_once(tmp_path):
    script = {"findings": "No pneumothorax. No pneumothorax is seen. No pneumothorax."}
    _, draft, _ = await report(tmp_path, script, finding("pneumothorax", "ABSENT"))
    assert [pb.DropReason.Name(one.reason) for one in draft.dropped] == ["DROP_REASON_REPEATED"] * 2


async def test_contradicting_evidence_is_a_disagreement_in_the_draft_and_not_shown_to_the_model(tmp_path):
    items = [
        pb.EvidenceItem(
            disagreement=pb.DisagreementEvidence(
                name="pneumonia",
                supporting=pb.EVIDENCE_SOURCE_IMAGE,
                opposing=pb.EVIDENCE_SOURCE_NOTE,
            )
        ),
        finding("cough"),
    ]
    _, draft, inference = await report(tmp_path, {"findings": "Pneumonia. Cough is present."}, *items)
    assert "The image and the note disagree on pneumonia: present by the image" in draft.text
    assert not any("pneumonia" in call[1]["text_input"][0].decode() for call in inference.calls[:1])


async def test_templates_choose_sections_headings_and_style(tmp_path):
    _, draft, _ = await report(tmp_path, TRUE, template_name="impression_first")
    assert draft.text.startswith(f"{MARK}\n\nImpression\n- Small left pleural effusion.\n- Pneumonia cannot")
    own = pb.ReportTemplate(
        sections=[
            pb.TemplateSection(kind=pb.REPORT_SECTION_FINDINGS, heading="BEFUND"),
            pb.TemplateSection(kind=pb.REPORT_SECTION_RECOMMENDATION, heading="PLAN", when_empty="None."),
        ]
    )
    _, draft, _ = await report(tmp_path / "own", TRUE, finding("cough"), template=own)
    assert draft.text == f"{MARK}\n\nBEFUND\nCough is present.\n\nPLAN\nNone.\n"


async def test_a_folder_of_templates_goes_before_the_shipped_ones(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "standard.toml").write_text('[[sections]]\nkind = "findings"\nheading = "OURS"\n')
    async with serving(tmp_path, TRUE, settings={"report_templates": folder}) as (stub, _):
        _, draft = await drafted(stub.GenerateReport(pb.GenerateReportRequest(evidence=evidence())))
    assert draft.text.startswith(f"{MARK}\n\nOURS\n")


REFUSED = [
    (pb.GenerateReportRequest(), Reason.INPUT_MISSING, "evidence"),
    (
        pb.GenerateReportRequest(evidence=pb.ReportEvidence()),
        Reason.INPUT_MISSING,
        "evidence.items",
    ),
    (
        pb.GenerateReportRequest(evidence=pb.ReportEvidence(items=[pb.EvidenceItem()])),
        Reason.INPUT_MISSING,
        "evidence.items[0].content",
    ),
    (
        pb.GenerateReportRequest(evidence=evidence(finding("  -- "))),
        Reason.INPUT_MISSING,
        "evidence.items[0].finding.name",
    ),
    (
        pb.GenerateReportRequest(
            evidence=evidence(finding("nodule", extent=Quantity(value=float("nan"), unit="mm")))
        ),
        Reason.INPUT_OUT_OF_RANGE,
        "evidence.items[0].finding.extent.value",
    ),
    (
        pb.GenerateReportRequest(evidence=evidence(), options=pb.ReportOptions(template_name="unknown")),
        Reason.INPUT_OUT_OF_RANGE,
        "options.template_name",
    ),
]


async def test_bad_evidence_is_refused_by_its_field(tmp_path):
    async with serving(tmp_path, TRUE) as (stub, _):
        errors = [await refused(stub.GenerateReport(request)) for request, _, _ in REFUSED]
    assert [(error.reason, error.field) for error in errors] == [
        (reason, field) for _, reason, field in REFUSED
    ]


async def test_without_a_model_that_writes_a_draft_is_unavailable(tmp_path):
    async with serving(tmp_path, TRUE) as (stub, inference):
        inference.stop(writer_made.NAME)
        error = await refused(stub.GenerateReport(pb.GenerateReportRequest(evidence=evidence())))
    assert error.reason is Reason.MODEL_UNAVAILABLE


async def test_a_draft_that_runs_out_of_time_ends_with_what_there_is(tmp_path):
    async with serving(tmp_path, TRUE) as (stub, inference):
        call = stub.GenerateReport(pb.GenerateReportRequest(evidence=evidence()), timeout=2.5)
        sentences = []
        async for event in call:
            if event.WhichOneof("event") == "sentence":
                sentences.append(event.sentence.text)
                if len(sentences) == 3:
                    inference.hold(writer_made.NAME)
            else:
                draft = event.draft
    assert "DRAFT_CUT" in {notice.reason for notice in draft.notices}
    assert "Possible pneumonia." in draft.text
    assert all(one.support for one in draft.sentences)


async def test_a_caller_who_leaves_ends_the_writing(tmp_path):
    async with serving(tmp_path, TRUE) as (stub, inference):
        call = stub.GenerateReport(pb.GenerateReportRequest(evidence=evidence()))
        async for event in call:
            if event.sentence.section == pb.REPORT_SECTION_FINDINGS:
                break
        call.cancel()
        for _ in range(200):
            if inference.streams_ended:
                break
            await asyncio.sleep(0.01)
    assert inference.streams_ended


async def test_an_impression_is_what_the_findings_say(tmp_path):
    text = "The heart is mildly enlarged. There is a 4 mm nodule in the right upper lobe."
    draft = await summary(
        tmp_path, {"impression": "Mild cardiomegaly. 5 mm nodule. 4 mm right upper lobe nodule."}, text
    )
    assert draft.text == f"{MARK}\n\nIMPRESSION\nMild cardiomegaly. 4 mm right upper lobe nodule.\n"
    spans = [
        text[s.source_span.start_offset : s.source_span.end_offset]
        for one in draft.sentences
        for s in one.support
    ]
    assert spans == ["The heart is mildly enlarged.", "There is a 4 mm nodule in the right upper lobe."]
    assert [d.text for d in draft.dropped] == ["5 mm nodule."]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The lungs are clear. No effusion.", "No acute abnormality."),
        ("Heart normal. There is a large left pneumothorax.", "There is a large left pneumothorax."),
    ],
)
async def test_where_nothing_holds_an_impression_is_the_texts_own(tmp_path, text, wanted):
    draft = await summary(tmp_path, {"impression": "The patient has cancer."}, text)
    assert [one.text for one in draft.sentences] == [wanted]
    assert draft.sentences[0].origin == pb.SENTENCE_ORIGIN_ADDED


async def test_a_summary_of_nothing_is_empty_and_says_so(tmp_path):
    draft = await summary(
        tmp_path, {"summary": "All is well."}, "Seen today.", kind=pb.SummarizeRequest.KIND_SUMMARY
    )
    assert draft.text == f"{MARK}\n"
    assert "DRAFT_EMPTY" in {notice.reason for notice in draft.notices}
    assert [n.reason for n in draft.notices if n.review_required] == ["DRAFT_EMPTY"]


async def test_a_model_outside_is_shown_nothing_that_was_not_deidentified(tmp_path):
    async with serving(tmp_path, TRUE, external=True) as (stub, inference):
        request = pb.SummarizeRequest(text="Mr. John Smith has a cough. Record 5551234.")
        _, draft = await drafted(stub.Summarize(request))
    prompt = inference.calls[-1][1]["text_input"][0].decode()
    assert "Smith" not in prompt
    assert "5551234" not in prompt
    assert "PROMPT_DEIDENTIFIED" in {notice.reason for notice in draft.notices}


@pytest.mark.parametrize(
    ("name", "written", "sentence"),
    [
        ("crackles", "There is a crackles.", "There are crackles."),
        ("crackles", "There is crackles at the right base.", "There are crackles at the right base."),
        ("crackles", "Crackles is present.", "Crackles are present."),
        ("rhonchi", "There is mild rhonchi.", "There are mild rhonchi."),
        ("crackles", "The lobe with crackles is consolidated.", "The lobe with crackles is consolidated."),
        ("cough", "There is a cough.", "There is a cough."),
        ("ascites", "There is ascites.", "There is ascites."),
        ("Graves' disease", "There is Graves' disease.", "There is Graves' disease."),
    ],
)
def test_a_verb_stands_in_the_number_of_its_finding(name, written, sentence):
    assert agreeing(written, Finding(name, Status.PRESENT)) == sentence


def test_a_fixed_form_has_the_number_of_its_finding():
    assert fixed_form(Finding("wheezes", Status.PRESENT)) == "Wheezes are present."
    assert fixed_form(Finding("pneumothorax", Status.ABSENT)) == "No pneumothorax is seen."
    assert absent_together(["cough", "crackles"]) == "No cough or crackles are seen."
