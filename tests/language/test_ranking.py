"""Passages are ranked by nearness; those that contradict the query stand last, and that is said."""

from __future__ import annotations

import functools

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.language.agreement import Vocabulary
from services.language.convert import ranking_message
from services.language.ranking import PassageRanker

DENIALS = ["there is no pneumothorax", "the lung was drained of its pneumothorax", "metformin was stopped"]


@pytest.fixture
def rank(terms, embedder):
    return functools.partial(PassageRanker(Vocabulary(terms)).rank, embedder)


def notices(ranking):
    return {notice.reason: list(notice.places) for notice in ranking_message(ranking).notices}


async def test_the_nearest_passage_comes_first_and_equals_keep_their_order(rank):
    passages = ["the drug aspirin", "fever and cough", "cough", "fever and cough"]
    ranked = (await rank("fever and cough", passages)).passages
    assert [item.index for item in ranked[:3]] == [1, 3, 2]
    assert ranked[0].similarity == pytest.approx(1)
    best = (await rank("fever and cough", passages, 2)).passages
    assert [item.index for item in best] == [1, 3]


async def test_a_passage_that_denies_what_the_query_states_stands_last_however_near_it_is(rank):
    ranking = await rank("there is a pneumothorax", DENIALS)
    nearest = max(ranking.passages, key=lambda item: item.similarity)
    assert (nearest.index, nearest.contradicts_query) == (0, True)
    assert [(item.index, item.contradicts_query) for item in ranking.passages][-1] == (0, True)
    assert not any(item.contradicts_query for item in ranking.passages[:-1])
    assert notices(ranking)["PASSAGES_CONTRADICT_QUERY"] == ["passages[0]"]
    assert ranking_message(ranking).contradictions_sought


async def test_a_passage_that_states_what_the_query_denies_stands_last(rank):
    ranking = await rank("no pneumothorax", DENIALS)
    assert [item.index for item in ranking.passages if item.contradicts_query] == [1]
    assert ranking.passages[-1].index == 1


@pytest.mark.parametrize("query", ["is there a pneumothorax?", "zebras and giraffes"])
async def test_where_nothing_can_be_contradicted_that_is_said(rank, query):
    ranking = await rank(query, DENIALS)
    assert not any(item.contradicts_query for item in ranking.passages)
    assert list(notices(ranking)) == ["ASSERTIONS_NOT_COMPARED"]
    assert not ranking_message(ranking).contradictions_sought


async def test_what_is_beyond_the_models_reading_is_neither_embedded_nor_compared(rank):
    ranking = await rank("pneumothorax", ["word " * 300 + "no pneumothorax", "fine"])
    assert not any(item.contradicts_query for item in ranking.passages)
    assert notices(ranking)["TEXT_TRUNCATED"] == ["passages[0]"]
    message = ranking_message(ranking)
    assert {item.index: item.truncated for item in message.passages} == {0: True, 1: False}
    assert not message.query_truncated


async def test_a_long_query_is_said_to_be_cut(rank):
    ranking = await rank("pneumothorax " + "word " * 300, ["fine"])
    assert notices(ranking)["TEXT_TRUNCATED"] == ["query"]
    assert ranking_message(ranking).query_truncated


async def test_nothing_is_said_where_there_is_nothing_to_say(rank):
    assert notices(await rank("pneumothorax", ["a pneumothorax"])) == {}


@pytest.mark.parametrize(
    ("query", "passages", "field", "reason"),
    [
        (" ", ["a"], "query", Reason.INPUT_MISSING),
        ("a", ["b", "\x00"], "passages[1]", Reason.INPUT_MALFORMED),
    ],
)
async def test_bad_searches_name_their_field(rank, query, passages, field, reason):
    with pytest.raises(InvalidInput) as caught:
        await rank(query, passages)
    assert (caught.value.field, caught.value.reason) == (field, reason)
