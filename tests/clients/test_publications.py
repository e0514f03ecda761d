"""Publications read from files: PubMed's XML, JSON lines and texts, and what of them is refused."""

from __future__ import annotations

import gzip
import json

import pytest

from clients.cli import pubmed
from clients.cli.publications import Fault, Files, Withdrawn
from medmesh.language.v1.literature_pb2 import (
    PUBLICATION_KIND_ARTICLE,
    PUBLICATION_KIND_CASE_REPORT,
    PUBLICATION_KIND_RETRACTED,
    Publication,
)

HEAD = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "https://dtd.example/pubmed.dtd">
<PubmedArticleSet>
"""
ARTICLE = """<PubmedArticle><MedlineCitation><PMID Version="1">8701013</PMID><Article>
<Journal><JournalIssue><PubDate><Year>1996</Year><Month>Feb</Month></PubDate></JournalIssue>
<Title>Journal of Made Things</Title><ISOAbbreviation>J. Made</ISOAbbreviation></Journal>
<ArticleTitle>Famotidine-associated <i>delirium</i>.</ArticleTitle>
<Abstract><AbstractText Label="BACKGROUND">It is an H<sub>2</sub> antagonist.</AbstractText>
<AbstractText Label="RESULTS">5 of 50 had it, p &lt; 0.05.</AbstractText></Abstract>
<AuthorList><Author><LastName>Doe</LastName><ForeName>Jane</ForeName><Initials>J</Initials></Author>
<Author><CollectiveName>The Made Group</CollectiveName></Author></AuthorList>
<PublicationTypeList><PublicationType>Journal Article</PublicationType>
<PublicationType>Case Reports</PublicationType><PublicationType>Video-Audio Media</PublicationType>
</PublicationTypeList></Article></MedlineCitation></PubmedArticle>
"""
SHORT = """<PubmedArticle><MedlineCitation><PMID>2</PMID><Article><Journal><JournalIssue><PubDate>
<MedlineDate>1998 Dec-1999 Jan</MedlineDate></PubDate></JournalIssue></Journal>
<ArticleTitle>Title.</ArticleTitle>
</Article></MedlineCitation></PubmedArticle>
"""
END = "<DeleteCitation><PMID>77</PMID></DeleteCitation></PubmedArticleSet>"


@pytest.fixture
def read(tmp_path):
    def read(name: str, content: bytes | str):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(Files([path]))

    return read


@pytest.mark.parametrize("name", ["a.xml", "A.XML.GZ"])
def test_pubmed_records_have_all_that_a_citation_needs(read, name):
    content = (HEAD + ARTICLE + SHORT + END).encode()
    one, two, gone = read(name, gzip.compress(content) if name.endswith("GZ") else content)
    assert one == Publication(
        id="pmid:8701013",
        pmid="8701013",
        title="Famotidine-associated delirium.",
        text="BACKGROUND: It is an H2 antagonist.\nRESULTS: 5 of 50 had it, p < 0.05.",
        authors=["Doe J", "The Made Group"],
        journal="J. Made",
        year=1996,
        kinds=[PUBLICATION_KIND_ARTICLE, PUBLICATION_KIND_CASE_REPORT],
    )
    assert (two.title, two.text, two.year) == ("Title.", "", 1998)
    assert gone == Withdrawn("pmid:77")


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<PubmedArticleSet>&b;</PubmedArticleSet>"""
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><PubmedArticleSet>&a;</PubmedArticleSet>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BOMB, "entities"),
        (OUTSIDE, "entities"),
        ("<records/>", "not a PubmedArticleSet"),
        ("", "not well-formed"),
        ("PK\x03\x04", "not well-formed"),
        ("<PubmedArticleSet>" + "x" * 40_000, "longer"),
        ("<PubmedArticleSet><PubmedArticle><MedlineCitation>" + "<a>" * 20_000, "longer"),
    ],
)
def test_xml_that_means_harm_or_is_none_ends_its_file_alone(read, monkeypatch, content, why):
    monkeypatch.setattr(pubmed, "MOST_RECORD_BYTES", 20_000)
    [fault] = read("a.xml", content)
    assert isinstance(fault, Fault)
    assert why in fault.why
    assert "hostname" not in fault.why


def test_what_stands_before_a_break_is_read(read):
    records = read("a.xml", HEAD + ARTICLE * 40 + ARTICLE[:200])
    assert len(records) == 41
    assert "breaks off" in records[-1].why
    compressed = gzip.compress((HEAD + ARTICLE * 200).encode(), compresslevel=0)
    records = read("a.xml.gz", compressed[: len(compressed) // 2])
    assert len(records) > 50
    assert "compressed file is damaged" in records[-1].why


def test_a_gzip_of_nothing_but_blanks_is_not_unpacked_to_its_end(read, monkeypatch):
    monkeypatch.setattr(pubmed, "MOST_RECORD_BYTES", 100_000)
    [fault] = read("a.xml.gz", gzip.compress(b"<PubmedArticleSet>" + b" " * 50_000_000))
    assert "longer" in fault.why


def test_json_lines_cost_only_the_lines_that_do_not_hold(read):
    lines = [
        {
            "pmid": 3,
            "title": "T",
            "abstract": "No fever.",
            "year": "2001",
            "authors": "A B",
            "kinds": ["retracted"],
        },
        {"title": "Without an id", "text": "Text."},
        {"title": ""},
        [1],
        {"title": "t", "text": "x", "authors": [1]},
    ]
    content = "\n".join([*map(json.dumps, lines), "{broken", "", '{"text": "Last."}'])
    good, unnamed, *faults, last = read("a.jsonl", content)
    assert (good.id, good.text, good.year, list(good.authors)) == ("pmid:3", "No fever.", 2001, ["A B"])
    assert list(good.kinds) == [PUBLICATION_KIND_RETRACTED]
    assert unnamed.id.startswith("sha256:")
    assert unnamed.id == read("b.jsonl", json.dumps(lines[1]))[0].id
    assert [fault.where for fault in faults] == [f"a.jsonl: line {number}" for number in (3, 4, 5, 6)]
    assert "broken" not in str(faults)
    assert last.text == "Last."


def test_a_line_of_any_length_is_passed_over_in_pieces(read, monkeypatch):
    monkeypatch.setattr("clients.cli.publications.MOST_RECORD_BYTES", 1000)
    fault, good = read("a.jsonl", '{"text": "' + "x" * 5000 + '"}\n{"text": "Good."}')
    assert "longer" in fault.why
    assert good.text == "Good."


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "asthma.md").write_text("# Asthma in children\n\nGive salbutamol.\n")
    (tmp_path / "one-line.txt").write_text("Only this.")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    files = Files([tmp_path])
    found = {one.id if isinstance(one, Publication) else one.where: one for one in files}
    assert found["deep/asthma.md"].title == "Asthma in children"
    assert found["deep/asthma.md"].text == "Give salbutamol."
    assert (found["one-line.txt"].title, found["one-line.txt"].text) == ("one-line", "Only this.")
    assert {"bad.txt", "blank.txt"} == {key for key, one in found.items() if isinstance(one, Fault)}
    assert files.left_out_count == 1
    assert files.read_bytes == files.total_bytes


def test_what_is_named_and_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Files([tmp_path / "none.xml"])
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    with pytest.raises(ValueError, match="another ending"):
        Files([tmp_path / "scan.pdf"])
    with pytest.raises(ValueError, match="nothing to load"):
        Files([tmp_path])
