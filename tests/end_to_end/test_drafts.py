"""Drafts of the shipped writer on the running mesh: each sentence stands on evidence, in a case and alone."""

from __future__ import annotations

import pytest

from medmesh.language.v1 import report_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.receipt import statement

pytestmark = pytest.mark.live

NOTE = "Fever and cough. Possible pneumonia. No pneumothorax. History of asthma. Takes ibuprofen."
FINDINGS = "The heart is mildly enlarged. There is a small left pleural effusion. No pneumothorax."


def test_a_case_is_drafted_with_evidence_for_each_sentence_and_a_receipt(client):
    *events, diagnosis = client.diagnose_stream(note=NOTE, draft_report=True)
    told = [event.text for event in events if isinstance(event, pb.DraftSentence)]
    report = diagnosis.report
    assert diagnosis.completeness == orchestrator_pb2.COMPLETENESS_COMPLETE
    assert told == [sentence.text for sentence in report.draft.sentences]
    assert report.draft.text.startswith("AI draft, to be reviewed\n")
    for sentence in report.draft.sentences:
        assert sentence.support
        assert all(one.item_index < len(report.evidence.items) for one in sentence.support)
    named = {item.finding.name for item in report.evidence.items} - {""}
    assert {"fever", "cough", "pneumonia", "pneumothorax", "asthma"} <= named
    assert "report" in {subject.name for subject in statement(diagnosis.receipt).subject}


def test_an_impression_says_nothing_that_the_findings_do_not(client):
    *_, draft = client.summarize(FINDINGS)
    assert draft.sentences
    said = " ".join(sentence.text for sentence in draft.sentences).lower()
    assert "right" not in said
    assert "large" not in said
    assert draft.provenance.runtime.startswith("triton")
