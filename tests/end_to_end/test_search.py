"""Searching one's own texts with the real embeddings."""

from __future__ import annotations

import pytest

from medmesh import Corpus

pytestmark = pytest.mark.live

PASSAGES = [
    "The chest film shows consolidation of the right lower lobe.",
    "Metformin was stopped because the kidneys had failed.",
    "She slipped on the stairs and broke her wrist.",
    "He wakes at night short of breath and sleeps on three pillows.",
    "The wound was cleaned and closed with four stitches.",
]


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("pneumonia on X-ray", 0),
        ("renal failure and diabetes drugs", 1),
        ("fracture after a fall", 2),
        ("orthopnoea", 3),
    ],
)
def test_the_passage_that_means_the_same_is_found(client, query, nearest):
    corpus = Corpus.load(client, PASSAGES)
    assert corpus.search(client, query, count=1)[0].index == nearest


def test_client_and_service_rank_alike(client):
    ranked = client.rank_passages("short of breath", PASSAGES).passages
    found = Corpus.load(client, PASSAGES).search(client, "short of breath", count=len(PASSAGES))
    assert [match.index for match in found] == [passage.index for passage in ranked]
    assert [match.similarity for match in found] == pytest.approx([p.similarity for p in ranked], abs=1e-3)


def test_what_contradicts_the_query_stands_behind_every_paraphrase(client):
    denial, paraphrase = "There is no pneumothorax.", "The left lung has collapsed and a drain was put in."
    passages = [denial, paraphrase, "She broke her wrist."]
    nearest = max(
        client.rank_passages("There is a pneumothorax.", passages).passages, key=lambda p: p.similarity
    )
    assert passages[nearest.index] == denial, "nearness alone would be enough"
    found = Corpus.load(client, passages).search(client, "There is a pneumothorax.")
    assert [match.passage for match in found][-1] == denial
    assert [match.contradicts_query for match in found] == [False, False, True]
