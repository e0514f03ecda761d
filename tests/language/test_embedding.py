"""Texts become unit vectors in their order."""

from __future__ import annotations

import numpy as np
import pytest


async def embed(embedder, texts):
    return await embedder.embed(texts, [False] * len(texts))


async def test_embeddings_come_in_the_order_of_the_texts_whatever_their_length(embedder):
    texts = ["fever", "a much longer text about a cough that does not end " * 8, "aspirin", "fever"] * 6
    together = await embed(embedder, texts)
    assert together.values.shape == (24, 384)
    assert np.linalg.norm(together.values, axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    for row, text in zip(together.values, texts, strict=True):
        assert row == pytest.approx((await embed(embedder, [text])).values[0], abs=1e-6)


async def test_what_the_model_does_not_read_is_said(embedder):
    result = await embed(embedder, ["short", "word " * 254, "word " * 255])
    assert result.truncated == (2,)
    assert result.values[1] == pytest.approx(result.values[2])


async def test_the_embedding_model_gets_plain_pieces(embedder, inference, tokenizer):
    await embed(embedder, ["FEVER"])
    assert inference.calls[0][1]["input_ids"][0, 1] == tokenizer.encode("fever").ids[0]
