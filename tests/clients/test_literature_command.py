"""`medmesh literature` from the outside, against a fake mesh."""

from __future__ import annotations

import json

import pytest
from google.rpc.error_details_pb2 import BadRequest

from medmesh.language.v1 import literature_pb2 as pb
from tests.clients.fake_mesh import error_info


@pytest.fixture
def adds(mesh):
    """Every publication is added, with one passage, unless it was before."""
    known = set()

    def add(request):
        answer = pb.AddLiteratureResponse()
        for publication in request.publications:
            outcome = "UNCHANGED" if publication.id in known else "ADDED"
            known.add(publication.id)
            answer.publications.add(outcome=f"PUBLICATION_OUTCOME_{outcome}", passage_count=1)
        return answer

    mesh.answers["AddLiterature"] = add
    return known


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"id": f"{n}", "text": f"Text {n}."}) + "\n" for n in range(70)))
    return path


def test_a_load_goes_in_batches_and_says_what_became_of_it(run, mesh, adds, lines):
    lines.write_text(lines.read_text() + "{broken\n" + json.dumps({"id": "0", "text": "Text 0."}))
    result = run("literature", "load", lines, "--corpus", "mine", "--faults", lines.parent / "faults.tsv")
    assert result.exit_code == 1
    assert "70 added, 1 there already, 1 not loaded" in result.stdout
    assert "a.jsonl: line 71" in result.stdout
    assert (lines.parent / "faults.tsv").read_text().startswith("a.jsonl: line 71\t")
    requests = [seen.request for seen in mesh.seen]
    assert [len(request.publications) for request in requests] == [32, 32, 7]
    assert {request.corpus for request in requests} == {"mine"}
    again = run("literature", "load", lines, "--words-only")
    assert "72 there already" not in again.stdout
    assert "70 there already" in again.stdout
    assert mesh.last.request.words_only


def test_one_publication_beyond_a_limit_costs_no_other(run, mesh, adds, lines):
    violation = BadRequest.FieldViolation(
        field="publications[0].year", description="must lie between 1500 and 2200"
    )
    details = error_info("INPUT_OUT_OF_RANGE"), BadRequest(field_violations=[violation])

    def serve(request, *further, serve=mesh.serve):
        mesh.failures.clear()
        if any(publication.id == "5" for publication in request.publications):
            mesh.fail("AddLiterature", "INVALID_ARGUMENT", "An input is out of its range.", *details)
        return serve(request, *further)

    mesh.serve = serve
    result = run("literature", "load", lines)
    assert result.exit_code == 1
    assert "69 added" in result.stdout
    assert "not loaded: 5: year: must lie between 1500 and 2200" in result.stdout


def test_a_batch_that_takes_too_long_is_sent_in_halves(run, mesh, adds, lines):
    def serve(request, *further, serve=mesh.serve):
        mesh.failures.clear()
        if len(request.publications) > 10:
            mesh.fail("AddLiterature", "DEADLINE_EXCEEDED", "Too slow.", error_info("DEADLINE_EXCEEDED"))
        return serve(request, *further)

    mesh.serve = serve
    result = run("literature", "load", lines)
    assert result.exit_code == 0, result.output
    assert "70 added" in result.stdout
    assert max(len(seen.request.publications) for seen in mesh.seen[-3:]) <= 10


def test_a_mesh_that_ends_ends_the_load_with_what_was_done(run, mesh, adds, lines):
    mesh.fail("AddLiterature", "UNAVAILABLE", "Cannot be written.", error_info("CORPUS_UNAVAILABLE"))
    result = run("literature", "load", lines)
    assert result.exit_code == 4
    assert "nothing" in result.stdout


def test_a_search_shows_passages_citations_and_the_answer(run, mesh):
    findings = pb.LiteratureFindings()
    passage = findings.passages.add(
        text="It was well\ntolerated.", start_offset=3, end_offset=25, similarity=0.5
    )
    passage.publication.CopyFrom(
        pb.Publication(id="pmid:1", title="[bold]Metformin[/bold].", authors=["A", "B", "C", "D"], year=2001)
    )
    passage.contradicts_query = True
    findings.passages.add(text="Later.", retracted=True).publication.id = "x"
    findings.answer.label = "AI draft, to be reviewed"
    findings.answer.sentences.add(text="It was well tolerated.", passage_index=0)
    mesh.answers["SearchLiterature"] = pb.SearchLiteratureResponse(findings=findings)
    result = run(
        "literature",
        "search",
        "metformin",
        "--from",
        2000,
        "--kind",
        "case-report",
        "--kind",
        "Review",
        "--answer",
    )
    assert result.exit_code == 0, result.output
    request = mesh.last.request
    assert (request.query, request.from_year, request.draft_answer) == ("metformin", 2000, True)
    assert list(request.kinds) == [pb.PUBLICATION_KIND_CASE_REPORT, pb.PUBLICATION_KIND_REVIEW]
    for said in (
        "[bold]Metformin[/bold].",
        "contradicts the query",
        "RETRACTED",
        "A, B, C et al. · 2001 · pmid:1",
    ):
        assert said in result.stdout
    assert "It was well tolerated. [1]" in result.stdout
    assert "AI draft" in result.stdout
    assert json.loads(run("literature", "search", "metformin", "--json").stdout)["passages"]


def test_an_unknown_kind_and_an_unknown_corpus_are_explained(run, mesh):
    result = run("literature", "search", "x", "--kind", "novel")
    assert result.exit_code == 3
    assert "randomized-trial" in result.stderr.replace("\n", " ")
    mesh.fail(
        "SearchLiterature",
        "NOT_FOUND",
        "No corpus of literature has this name.",
        error_info("CORPUS_UNKNOWN"),
    )
    result = run("literature", "search", "x", "--corpus", "nix")
    assert result.exit_code == 3
    assert "medmesh literature status" in result.stderr.replace("\n", " ")


def test_status_and_removal(run, mesh):
    assert "medmesh literature load" in run("literature", "status").stdout
    corpus = pb.LiteratureCorpus(
        name="mine", publication_count=2, passage_count=4, embedded_passage_count=1, size_bytes=1_500_000
    )
    mesh.answers["ListLiterature"] = pb.ListLiteratureResponse(corpora=[corpus])
    shown = run("literature", "status").stdout
    assert "25.0 % embedded" in shown
    assert "1.5 MB" in shown
    assert "another model" in shown.replace("\n", " ")
    mesh.answers["RemoveLiterature"] = pb.RemoveLiteratureResponse(removed_publication_count=2)
    assert "removed 2 publications of mine" in run("literature", "remove", "mine", "--yes").stdout
    assert run("literature", "remove", "mine", "--id", "a", "--id", "b").exit_code == 0
    assert list(mesh.last.request.ids) == ["a", "b"]
    count = len(mesh.seen)
    assert run("literature", "remove", "mine").exit_code != 0, "nobody said yes"
    assert len(mesh.seen) == count
