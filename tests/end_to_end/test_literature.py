"""Literature with the real embeddings: loaded by the command, found in other words, denials told apart."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.main import app

pytestmark = pytest.mark.live

CANARY = "Zyxwalter Qvortrup"
ABSTRACTS = {
    "pmid:1": (
        "Sublingual nitrate.",
        "Myocardial infarction followed isosorbide dinitrate given under the tongue.",
    ),
    "pmid:2": ("Ketoconazole in fungal infection.", "Two patients had hepatitis after ketoconazole."),
    "pmid:3": ("Ketoconazole in healthy adults.", "No hepatitis was seen with ketoconazole in 80 adults."),
    "pmid:4": ("Hearing and iron chelation.", "Deferoxamine caused deafness in some of the patients."),
    "pmid:5": ("Wounds.", "The wound was cleaned and closed with four stitches."),
}


@pytest.fixture(scope="module")
def corpus(mesh, tmp_path_factory):
    """The abstracts, loaded as a user loads them."""
    lines = [
        json.dumps({"id": key, "title": title, "text": text}) for key, (title, text) in ABSTRACTS.items()
    ]
    path = tmp_path_factory.mktemp("literature") / "abstracts.jsonl"
    path.write_text("\n".join(lines))
    for said in ("5 added", "5 there already"):
        result = CliRunner().invoke(
            app, ["literature", "load", str(path), "--corpus", "live", "--url", mesh.addresses["language"]]
        )
        assert result.exit_code == 0, result.output
        assert said in result.output
    return "live"


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("acute coronary event from a nitrate", "pmid:1"),
        ("hearing loss from drugs that bind metal", "pmid:4"),
        ("suturing a laceration", "pmid:5"),
    ],
)
def test_what_is_said_in_other_words_is_found(client, corpus, query, nearest):
    found = client.literature.search(query, corpus=corpus)
    assert found.passages[0].publication.id == nearest
    assert found.provenance.weights_sha256


def test_evidence_for_and_against_is_told_apart(client, corpus):
    affirmed = client.literature.search("hepatitis from ketoconazole", corpus=corpus)
    assert [one.publication.id for one in affirmed.passages if one.contradicts_query] == ["pmid:3"]
    assert affirmed.passages[0].publication.id == "pmid:2"
    denied = client.literature.search("no hepatitis", corpus=corpus)
    assert denied.passages[0].publication.id == "pmid:3"


def test_an_answer_stands_in_the_passages_word_for_word(client, corpus):
    found = client.literature.search("can ketoconazole damage the liver?", corpus=corpus, draft_answer=True)
    assert found.answer.sentences
    for sentence in found.answer.sentences:
        _, text = ABSTRACTS[found.passages[sentence.passage_index].publication.id]
        assert text[sentence.start_offset : sentence.end_offset] == sentence.text


def test_a_query_stands_in_no_log_and_no_span(client, corpus, settings, collector):
    client.literature.search(f"{CANARY} has hepatitis", corpus=corpus)
    logs = b"".join(path.read_bytes() for path in settings.run_folder.glob("*.log"))
    assert logs
    assert b"Zyxwalter" not in logs + collector.content()
