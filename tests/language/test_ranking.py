"""Passages are ranked by nearness; those that contradict the query stand last, and that is said."""

from __future__ import annotations

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.language.agreement import Vocabulary
from services.language.convert import ranking_message
from services.language.embedding import TextEmbedder
from services.language.ranking import PassageRanker
from services.language.recovery import Terms

DENIALS = ["there is no pneumothorax", "the lung was drained of its pneumothorax", "metformin was stopped"]


@pytest.fixture
def ranker(inference, tokenizer):
    return PassageRanker(TextEmbedder(inference, tokenizer), Vocabulary(Terms()))


def notices(ranking):
    return {notice.reason: notice.message for notice in ranking_message(ranking, None).notices}


async def test_the_nearest_passage_comes_first_and_equals_keep_their_order(ranker):
    passages = ["the drug aspirin", "fever and cough", "cough", "fever and cough"]
    ranked = (await ranker.rank("fever and cough", passages, 0)).passages
    assert [item.index for item in ranked[:3]] == [1, 3, 2]
    assert ranked[0].similarity == pytest.approx(1)
    best = (await ranker.rank("fever and cough", passages, 2)).passages
    assert [item.index for item in best] == [1, 3]


async def test_a_passage_that_denies_what_the_query_states_stands_last_however_near_it_is(ranker):
    ranking = await ranker.rank("there is a pneumothorax", DENIALS, 0)
    nearest = max(ranking.passages, key=lambda item: item.similarity)
    assert (nearest.index, nearest.contradicts_query) == (0, True)
    assert [(item.index, item.contradicts_query) for item in ranking.passages][-1] == (0, True)
    assert not any(item.contradicts_query for item in ranking.passages[:-1])
    assert "index 0 say otherwise" in notices(ranking)["PASSAGES_CONTRADICT_QUERY"]


async def test_a_passage_that_states_what_the_query_denies_stands_last(ranker):
    ranking = await ranker.rank("no pneumothorax", DENIALS, 0)
    assert [item.index for item in ranking.passages if item.contradicts_query] == [1]
    assert ranking.passages[-1].index == 1


@pytest.mark.parametrize("query", ["is there a pneumothorax?", "zebras and giraffes"])
async def test_where_nothing_can_be_contradicted_that_is_said(ranker, query):
    ranking = await ranker.rank(query, DENIALS, 0)
    assert not any(item.contradicts_query for item in ranking.passages)
    assert list(notices(ranking)) == ["ASSERTIONS_NOT_COMPARED"]


async def test_what_is_beyond_the_models_reading_is_neither_embedded_nor_compared(ranker):
    ranking = await ranker.rank("pneumothorax", ["word " * 300 + "no pneumothorax", "fine"], 0)
    assert not any(item.contradicts_query for item in ranking.passages)
    assert "count of passages[0]." in notices(ranking)["TEXT_TRUNCATED"]


async def test_a_long_query_is_said_to_be_cut(ranker):
    ranking = await ranker.rank("pneumothorax " + "word " * 300, ["fine"], 0)
    assert "count of query." in notices(ranking)["TEXT_TRUNCATED"]


async def test_nothing_is_said_where_there_is_nothing_to_say(ranker):
    assert notices(await ranker.rank("pneumothorax", ["a pneumothorax"], 0)) == {}


@pytest.mark.parametrize(
    ("query", "passages", "count", "field", "reason"),
    [
        (" ", ["a"], 0, "query", Reason.INPUT_MISSING),
        ("a", [], 0, "passages", Reason.INPUT_MISSING),
        ("a", ["b", "\x00"], 0, "passages[1]", Reason.INPUT_MALFORMED),
        ("a", ["b"], -1, "max_result_count", Reason.INPUT_OUT_OF_RANGE),
    ],
)
async def test_bad_searches_name_their_field(ranker, query, passages, count, field, reason):
    with pytest.raises(InvalidInput) as caught:
        await ranker.rank(query, passages, count)
    assert (caught.value.field, caught.value.reason) == (field, reason)
