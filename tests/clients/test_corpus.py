"""Searching one's own passages: batches, order, and what a saved corpus promises."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.corpus import BATCH, Corpus
from medmesh.language.v1.language_pb2 import (
    TEXT_USE_PASSAGE,
    TEXT_USE_QUERY,
    Embedding,
    EmbedTextsResponse,
    PassageRanking,
    RankedPassage,
    RankPassagesResponse,
    TextEmbeddings,
)
from tests.clients.fake_mesh import stored

ANGLES = {"north": (1.0, 0.0), "north east": (0.6, 0.8), "east": (0.0, 1.0), "south": (-1.0, 0.0)}
ANGLES |= {"not north": (1.0, 0.0), "not south": (-1.0, 0.0)}


class Compass:
    """Embeds the words above; everything else is east. A passage with "not" in it contradicts any query but
    one that asks.
    """

    def __init__(self):
        self.sizes = []
        self.compared = []
        self.uses = []
        self.weights = "a" * 64

    def embed(self, texts, *, use):
        self.uses.append(use)
        self.sizes.append(len(texts))
        answer = TextEmbeddings(embeddings=[Embedding(values=ANGLES.get(t, (0.0, 1.0))) for t in texts])
        answer.provenance.model_name = "compass"
        answer.provenance.weights_sha256 = self.weights
        answer.truncated_indices.extend(index for index, text in enumerate(texts) if "long" in text)
        return answer

    def rank_passages(self, query, passages):
        self.compared.append(len(passages))
        if query.endswith("?"):
            notices = [Notice(reason="ASSERTIONS_NOT_COMPARED", message="The query asks.")]
            return PassageRanking(
                passages=[RankedPassage(index=i) for i in range(len(passages))], notices=notices
            )
        ranked = [RankedPassage(index=i, contradicts_query="not" in text) for i, text in enumerate(passages)]
        notices = [Notice(reason="PASSAGES_CONTRADICT_QUERY", message="of one batch")]
        return PassageRanking(passages=ranked, notices=notices, contradictions_sought=True)


def test_the_nearest_passages_come_first():
    compass = Compass()
    corpus = Corpus.load(compass, list(ANGLES))
    found = corpus.search(compass, "north", count=3)
    assert [match.passage for match in found] == ["north", "north east", "east"]
    assert [match.index for match in found] == [0, 1, 2]
    assert found[1].similarity == pytest.approx(0.6)


def test_passages_that_contradict_the_query_come_last_and_are_marked():
    compass = Compass()
    passages = ["not north", "north", "south", "not south"]
    corpus = Corpus.load(compass, passages)
    found = corpus.search(compass, "north", count=4)
    assert [match.passage for match in found] == ["north", "south", "not north", "not south"]
    assert [match.contradicts_query for match in found] == [False, False, True, True]
    assert found.notices == ()


def test_more_passages_are_compared_until_enough_agree():
    compass = Compass()
    corpus = Corpus.load(compass, ["not east"] * (BATCH + 10) + ["east"] * 3)
    found = corpus.search(compass, "east", count=3)
    assert [match.passage for match in found] == ["east"] * 3
    assert compass.compared == [BATCH, 13]
    everything = corpus.search(compass, "east", count=500)
    assert len(everything) == BATCH + 13
    assert not any(match.contradicts_query for match in everything[:3])


def test_a_query_that_asks_is_not_compared_further_and_that_is_told():
    compass = Compass()
    corpus = Corpus.load(compass, ["not east"] * (3 * BATCH))
    found = corpus.search(compass, "east?", count=2 * BATCH)
    assert len(found) == 2 * BATCH
    assert compass.compared == [BATCH]
    assert found.notices == ("The query asks.",)


def test_passages_that_are_read_in_part_are_counted_and_stay_counted(tmp_path):
    corpus = Corpus.load(Compass(), ["a long one", "north", "another long one"])
    assert corpus.truncated_count == 2
    corpus.save(tmp_path / "index")
    assert Corpus.read(tmp_path / "index").truncated_count == 2


def test_a_large_corpus_is_embedded_in_batches_and_tells_its_progress():
    compass, told = Compass(), []
    corpus = Corpus.load(compass, ["east"] * (2 * BATCH + 1), progress=told.append)
    assert compass.sizes == [BATCH, BATCH, 1]
    assert told == [BATCH, 2 * BATCH, 2 * BATCH + 1]
    assert len(corpus.search(compass, "east", count=1000)) == 2 * BATCH + 1


def test_passages_and_queries_are_embedded_each_for_its_use():
    compass = Compass()
    Corpus.load(compass, ["north"]).search(compass, "north")
    assert compass.uses == [TEXT_USE_PASSAGE, TEXT_USE_QUERY]


def test_a_saved_corpus_answers_alike(tmp_path):
    compass = Compass()
    corpus = Corpus.load(compass, ["north", "Größe\nzwei", "south"])
    corpus.save(tmp_path / "index")
    read = Corpus.read(tmp_path / "index")
    assert read == corpus
    assert read.search(compass, "north") == corpus.search(compass, "north")


def test_embeddings_of_two_models_are_never_compared(tmp_path):
    compass = Compass()
    corpus = Corpus.load(compass, ["north"])
    compass.weights = "b" * 64
    with pytest.raises(ValueError, match="another model"):
        corpus.search(compass, "north")


@pytest.mark.parametrize(
    "content", ["", "no json", "{}\n", '{"model": "m"}\n{"passage": "p", "float32": "%"}\n']
)
def test_what_is_no_saved_corpus_is_refused_by_name(tmp_path, content):
    path = tmp_path / "index"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="is not a corpus"):
        Corpus.read(path)


def test_an_empty_corpus_is_refused():
    with pytest.raises(ValueError, match="at least one passage"):
        Corpus.load(Compass(), [])


def test_the_command_reads_paragraphs_and_keeps_its_index(mesh, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("Only one\nparagraph of two lines.\n\n\n", encoding="utf-8")
    mesh.answers["EmbedTexts"] = EmbedTextsResponse(embeddings=stored("embeddings", TextEmbeddings))
    index = tmp_path / "index"
    arguments = ["search", "query", "--corpus", str(folder), "--index", str(index), "--url", mesh.target]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "Only one paragraph of two lines." in first.stdout
    assert [seen.method for seen in mesh.seen] == ["EmbedTexts", "EmbedTexts", "RankPassages"]
    again = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(again.stdout)["index"] == 0
    # The index holds the passage; only the query was embedded again.
    assert [seen.method for seen in mesh.seen[3:]] == ["EmbedTexts", "RankPassages"]


@pytest.fixture
def searched(mesh, tmp_path):
    """Runs `medmesh search` on a folder that a test fills; each passage is embedded alike."""
    folder = tmp_path / "notes"
    folder.mkdir()

    def embed(count):
        answer = stored("embeddings", TextEmbeddings)
        one = answer.embeddings[0]
        del answer.embeddings[:]
        answer.embeddings.extend([one] * count)
        return EmbedTextsResponse(embeddings=answer)

    def run(*arguments, passages=1):
        mesh.answers["EmbedTexts"] = embed(passages)
        command = ["search", "query", "--corpus", str(folder), "--url", mesh.target, *arguments]
        return CliRunner().invoke(app, command)

    return folder, run


@pytest.mark.parametrize("name", ["NOTES.TXT", "Notes.Md", "a.text", "b.note", "export.ASC", "c.markdown"])
def test_text_files_are_read_whatever_the_case_of_their_ending(searched, name):
    """Case O10: NOTES.TXT, as Windows programs export it, was left out without a word."""
    folder, run = searched
    (folder / name).write_text("Found it.", encoding="utf-8")
    result = run()
    assert result.exit_code == 0, result.output
    assert "Found it." in result.stdout
    assert "Left out" not in result.stdout


def test_what_was_left_out_of_a_folder_is_said_by_kind_and_count(searched):
    folder, run = searched
    (folder / "a.txt").write_text("Found it.", encoding="utf-8")
    (folder / "letter.docx").write_bytes(b"PK")
    (folder / "scan.pdf").write_bytes(b"%PDF")
    (folder / "SCAN2.PDF").write_bytes(b"%PDF")
    (folder / "README").write_text("no ending")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "latin.txt").write_bytes("Größe".encode("latin-1"))
    (folder / "blank.txt").write_text(" \n\n ")
    (folder / "long.txt").write_text("x" * 20_001)
    (folder / "binary.txt").write_bytes(b"a\x00b")
    result = run()
    said = " ".join(result.stdout.split())
    assert result.exit_code == 0, result.output
    for kind in (
        "1 .docx file(s)",
        "2 .pdf file(s)",
        "1 file(s) without an extension",
        "1 hidden file(s)",
        "1 file(s) that are not UTF-8 text",
        "1 file(s) without text",
        "1 passage(s) longer than 20,000 characters",
        "1 passage(s) with control characters",
    ):
        assert kind in said


def test_with_json_what_was_left_out_is_said_beside_the_answer(searched):
    folder, run = searched
    (folder / "a.txt").write_text("Found it.", encoding="utf-8")
    (folder / "scan.pdf").write_bytes(b"%PDF")
    result = run("--json")
    assert json.loads(result.stdout)["contradicts_query"] is False
    assert "1 .pdf file(s)" in result.stderr


def test_a_folder_without_any_text_says_what_is_in_it(searched):
    folder, run = searched
    (folder / "scan.pdf").write_bytes(b"%PDF")
    result = run()
    assert result.exit_code == 3
    assert "no passage to search" in result.output
    assert ".pdf file(s)" in " ".join(result.output.split())


def test_a_text_that_begins_with_a_byte_order_mark_is_read_without_it(searched):
    folder, run = searched
    (folder / "bom.txt").write_bytes("\ufeffFound it.".encode())
    result = run("--json")
    assert json.loads(result.stdout)["passage"] == "Found it."


def test_a_passage_that_contradicts_the_query_is_marked(searched, mesh):
    folder, run = searched
    (folder / "a.txt").write_text("No pneumothorax.", encoding="utf-8")
    mesh.answers["RankPassages"] = RankPassagesResponse(
        ranking={"passages": [{"index": 0, "contradicts_query": True}], "contradictions_sought": True}
    )
    assert "contradicts the query" in run().stdout


def test_that_nothing_could_be_compared_is_said(searched, mesh):
    folder, run = searched
    (folder / "a.txt").write_text("No pneumothorax.", encoding="utf-8")
    mesh.answers["RankPassages"] = RankPassagesResponse(
        ranking={
            "passages": [{"index": 0}],
            "notices": [{"reason": "ASSERTIONS_NOT_COMPARED", "message": "The query asks."}],
        }
    )
    assert "note: The query asks." in run().stdout
