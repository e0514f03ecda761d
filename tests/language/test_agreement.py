"""What a passage says of a query's concepts, on the queries and passages of `data/search_passages.tsv`."""

from __future__ import annotations

import pytest

from services.language.agreement import Side, StatementReader, Vocabulary, contradicts
from services.language.recovery import default_terms
from training.note_embedding.search_passages import read_passages

PASSAGES = read_passages()
NOT_SEEN = {
    "Q19.3": "fracture of the vertebra and vertebral fracture are not known as one",
    "Q22.2": "seizures and a seizure disorder have codes of their own",
    "Q22.3": "seizures and a seizure disorder have codes of their own",
}
"""Passages whose stance terminology and assertion rules do not see yet."""


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(default_terms())


@pytest.fixture
def reader(vocabulary):
    return StatementReader(vocabulary)


def against(reader, query, passage):
    asked = reader.of_query(query)
    return contradicts(asked, reader.of(passage, about=asked))


def test_the_set_is_large_enough():
    assert len(PASSAGES) >= 60
    for stance in ("agrees", "contradicts", "other"):
        assert sum(passage.stance == stance for passage in PASSAGES) >= 15


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.id)
def test_what_contradicts_is_told_from_what_does_not(reader, passage, request):
    if passage.id in NOT_SEEN:
        request.applymarker(pytest.mark.xfail(reason=NOT_SEEN[passage.id], strict=True))
    assert against(reader, passage.query, passage.text) == (passage.stance == "contradicts")


@pytest.mark.parametrize(
    ("query", "passage", "expected"),
    [
        ("no pneumothorax", "Tension pneumothorax on the left.", True),
        ("pneumothorax", "No tension pneumothorax.", False),
        ("tension pneumothorax", "No pneumothorax.", True),
        ("no tension pneumothorax", "Small pneumothorax.", False),
        ("pneumothorax", "PTX.", False),
        ("no pneumothorax", "Kein Pneumothorax.", False),
        ("pneumothorax", "Kein Pneumothorax.", False),
        ("no pneumothorax", "Collapsed lung.", True),
        ("pneumothorax", "No pneumothorax on the right. Pneumothorax on the left.", False),
        ("no pneumothorax", "No pneumothorax on the right. Pneumothorax on the left.", True),
        ("right pneumothorax", "No left pneumothorax.", False),
        ("right pneumothorax", "No pneumothorax on the right.", True),
        ("right-sided pneumothorax", "No pneumothorax.", True),
        ("no pleural effusion on the left", "Right pleural effusion.", False),
        ("no pleural effusion on the left", "Left pleural effusion, right lung clear.", True),
        ("no pleural effusion on the left", "Left and right pleural effusion.", True),
        ("there is a fracture", "No fracture.", True),
        ("there is a fracture", "No vertebral fracture.", False),
        ("no fracture", "Displaced vertebral fracture.", True),
        ("vertebral fracture", "No acute fracture.", True),
        ("vertebral fracture", "No hip fracture.", False),
        ("no mass", "A 3 cm mass in the liver.", True),
        ("pneumonia and no fever", "Pneumonia with fever.", True),
        ("has fever", "No fever.", True),
        ("No family history of stroke", "Stroke in 2019.", True),
        ("lungs are clear", "No pneumonia.", False),
    ],
)
def test_kinds_synonyms_and_mixed_passages(reader, query, passage, expected):
    assert against(reader, query, passage) is expected


@pytest.mark.parametrize(
    "query",
    ["Pneumothorax?", "is there a pneumothorax", "does he have fever", "which drug for asthma", "any fever"],
)
def test_a_question_states_nothing(reader, query):
    assert reader.of_query(query) == ()


def test_about_reads_the_same_as_all(reader):
    text = "No fever, cough or pneumothorax. Asthma in the mother."
    everything = reader.of(text)
    asked = reader.of_query("pneumothorax")
    assert [said for said in everything if said.words == ("pneumothorax",)] == list(
        reader.of(text, about=asked)
    )
    assert {said.side for said in everything} == {Side.DENIED, Side.OTHERS}
