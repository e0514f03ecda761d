"""Answers in a notebook and as rows, of a stored diagnosis."""

from __future__ import annotations

import base64
import re

import pytest

from medmesh import tables
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2
from tests.clients.fake_mesh import stored_diagnosis

PNG = b"\x89PNG\r\n\x1a\n picture"


def test_a_diagnosis_shows_itself_whole():
    answer = stored_diagnosis()
    answer.images[0].analysis.results[0].overlay_png = PNG
    html = answer._repr_html_()
    for one in answer.assessments:
        assert one.condition.display in html
        assert f"{one.probability:.1%}" in html
    assert base64.b64encode(PNG).decode() in html
    for tag in ("div", "table", "tr", "td", "th", "ul", "li"):
        assert html.count(f"<{tag}>") == html.count(f"</{tag}>")


def test_what_is_missing_is_said():
    answer = stored_diagnosis()
    answer.completeness = pb.COMPLETENESS_PARTIAL
    answer.branches[1].state = pb.Branch.STATE_FAILED
    answer.branches[1].message = "The language service does not answer."
    html = answer._repr_html_()
    assert "PARTIAL" in html
    assert "The language service does not answer." in html


def test_no_answer_becomes_markup():
    answer = stored_diagnosis()
    hostile = "<script>alert('x')</script>\"onload="
    answer.intended_use = hostile
    answer.assessments[0].condition.display = hostile
    answer.images[0].analysis.results[0].provenance.model_name = hostile
    answer.images[0].analysis.results[0].overlay_png = PNG
    html = answer._repr_html_()
    assert "<script" not in html
    assert 'alt="overlay of &lt;script' in html
    assert not re.search(r'="[^"]*"onload', html)


@pytest.mark.parametrize(
    "kind", [pb.Diagnosis, language_pb2.NoteAnalysis, recommendation_pb2.TreatmentRanking]
)
def test_an_empty_answer_shows_itself_too(kind):
    assert kind()._repr_html_()


def test_rows_of_an_assessment_add_up():
    answer = stored_diagnosis()
    for row, one in zip(tables.assessments(answer), answer.assessments, strict=True):
        adds = sum(value for key, value in row.items() if key.endswith("_log_odds"))
        assert adds == pytest.approx(sum(c.log_odds for c in one.contributions))
        assert row["code"] == f"http://snomed.info/sct|{one.condition.code}"


def test_rows_of_a_note_are_its_mentions():
    answer = stored_diagnosis()
    rows = tables.entities(answer.note)
    assert len(rows) == len(answer.note.mentions)
    assert {row["assertion"] for row in rows} <= {
        "present",
        "absent",
        "possible",
        "historical",
        "family",
        "hypothetical",
        "allergy",
    }


def test_rows_become_cases_and_a_case_that_fails_is_a_row(mesh, client):
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    cases = [
        {"study": "a", "note": "Fever.", "image": float("nan")},
        {"study": "b", "note": "", "image": "/there/is/no/such.dcm"},
    ]
    rows = tables.diagnose(client, cases)
    first = [row for row in rows if row["study"] == "a"]
    assert [row["condition"] for row in first] == [
        one.condition.display for one in stored_diagnosis().assessments
    ]
    assert not any(row["error"] for row in first)
    (failed,) = (row for row in rows if row["study"] == "b")
    assert failed["error"]
    assert failed["case"] == 1
