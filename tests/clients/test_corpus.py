"""Searching one's own passages: batches, order, and what a saved corpus promises."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh.corpus import BATCH, Corpus
from medmesh.language.v1.language_pb2 import Embedding, EmbedTextsResponse
from tests.clients.fake_mesh import stored

ANGLES = {"north": (1.0, 0.0), "north east": (0.6, 0.8), "east": (0.0, 1.0), "south": (-1.0, 0.0)}


class Compass:
    """Embeds the words above; everything else is east."""

    def __init__(self):
        self.sizes = []
        self.weights = "a" * 64

    def embed(self, texts):
        self.sizes.append(len(texts))
        answer = EmbedTextsResponse(embeddings=[Embedding(values=ANGLES.get(t, (0.0, 1.0))) for t in texts])
        answer.provenance.model_name = "compass"
        answer.provenance.weights_sha256 = self.weights
        return answer


def test_the_nearest_passages_come_first():
    compass = Compass()
    corpus = Corpus.load(compass, list(ANGLES))
    found = corpus.search(compass, "north", count=3)
    assert [match.passage for match in found] == ["north", "north east", "east"]
    assert [match.index for match in found] == [0, 1, 2]
    assert found[1].similarity == pytest.approx(0.6)


def test_a_large_corpus_is_embedded_in_batches_and_tells_its_progress():
    compass, told = Compass(), []
    corpus = Corpus.load(compass, ["east"] * (2 * BATCH + 1), progress=told.append)
    assert compass.sizes == [BATCH, BATCH, 1]
    assert told == [BATCH, 2 * BATCH, 2 * BATCH + 1]
    assert len(corpus.search(compass, "east", count=1000)) == 2 * BATCH + 1


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
    mesh.answers["EmbedTexts"] = stored("embeddings", EmbedTextsResponse)
    index = tmp_path / "index"
    arguments = ["search", "query", "--corpus", str(folder), "--index", str(index), "--url", mesh.target]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "Only one paragraph of two lines." in first.stdout
    assert [len(seen.request.texts) for seen in mesh.seen] == [1, 1]
    again = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(again.stdout)["index"] == 0
    assert len(mesh.seen) == 3  # the index holds the passage; only the query was embedded again
