"""Texts become unit vectors in their order, and passages are ranked by nearness."""

from __future__ import annotations

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, Reason
from services.language.embedding import TextEmbedder


@pytest.fixture
def embedder(inference, tokenizer):
    return TextEmbedder(inference, tokenizer)


async def test_embeddings_come_in_the_order_of_the_texts_whatever_their_length(embedder):
    texts = ["fever", "a much longer text about a cough that does not end " * 8, "aspirin", "fever"] * 6
    together = await embedder.embed(texts)
    assert together.values.shape == (24, 384)
    assert np.linalg.norm(together.values, axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    for row, text in zip(together.values, texts, strict=True):
        assert row == pytest.approx((await embedder.embed([text])).values[0], abs=1e-6)


async def test_what_the_model_does_not_read_is_said(embedder):
    result = await embedder.embed(["short", "word " * 254, "word " * 255])
    assert result.truncated == (2,)
    assert result.values[1] == pytest.approx(result.values[2])


async def test_the_embedding_model_gets_plain_pieces(embedder, inference, tokenizer):
    await embedder.embed(["FEVER"])
    assert inference.calls[0][1]["input_ids"][0, 1] == tokenizer.encode("fever").pieces[0]


async def test_the_nearest_passage_comes_first_and_equals_keep_their_order(embedder):
    passages = ["the drug aspirin", "fever and cough", "cough", "fever and cough"]
    ranked = await embedder.rank("fever and cough", passages, 0)
    assert [item.index for item in ranked[:3]] == [1, 3, 2]
    assert ranked[0].similarity == pytest.approx(1)
    assert [item.index for item in await embedder.rank("fever and cough", passages, 2)] == [1, 3]


@pytest.mark.parametrize(
    ("query", "passages", "count", "field", "reason"),
    [
        (" ", ["a"], 0, "query", Reason.INPUT_MISSING),
        ("a", [], 0, "passages", Reason.INPUT_MISSING),
        ("a", ["b", "\x00"], 0, "passages[1]", Reason.INPUT_MALFORMED),
        ("a", ["b"], -1, "max_result_count", Reason.INPUT_OUT_OF_RANGE),
    ],
)
async def test_bad_searches_name_their_field(embedder, query, passages, count, field, reason):
    with pytest.raises(InvalidInput) as caught:
        await embedder.rank(query, passages, count)
    assert (caught.value.field, caught.value.reason) == (field, reason)
