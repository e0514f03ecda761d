"""Texts to points, and passages ranked by their nearness to a query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.chassis.errors import InvalidInput, ModelFailed, Reason
from services.chassis.inference import Inference
from services.language.batches import infer_sequences
from services.language.models import NOTE_EMBEDDING
from services.language.texts import MAX_TEXT_CODE_POINTS, check_text, check_texts
from services.language.tokenization import MAX_TOKENS, NoteTokenizer


@dataclass(frozen=True, slots=True)
class Embeddings:
    """FP32 [texts, 384] of unit length, and which texts were longer than the model reads."""

    values: npt.NDArray[np.float32]
    truncated: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage by its index in the request, and its cosine with the query (-1..1)."""

    index: int
    similarity: float


class TextEmbedder:
    """Embeds texts with the model `note_embedding`."""

    def __init__(self, inference: Inference, tokenizer: NoteTokenizer) -> None:
        self._inference = inference
        self._tokenizer = tokenizer

    async def embed(self, texts: list[str], field: str = "texts") -> Embeddings:
        """One embedding a text, of its first 254 word pieces; raises InvalidInput naming `field[index]`."""
        check_texts(texts, field)
        return await self._embed(texts)

    async def rank(self, query: str, passages: list[str], max_results: int) -> list[Ranked]:
        """The passages nearest to `query` first, at most `max_results` (0: all); equals in the order
        given.
        """
        check_text(query, "query", MAX_TEXT_CODE_POINTS)
        check_texts(passages, "passages")
        if max_results < 0:
            raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "max_result_count", "must not be negative")
        values = (await self._embed([query, *passages])).values
        similarities = values[1:] @ values[0]
        order = np.argsort(-similarities, kind="stable")[: max_results or len(passages)]
        return [Ranked(int(index), float(np.clip(similarities[index], -1, 1))) for index in order]

    async def _embed(self, texts: list[str]) -> Embeddings:
        encodings = await asyncio.to_thread(lambda: [self._tokenizer.encode(text) for text in texts])
        room = MAX_TOKENS - 2
        rows = await infer_sequences(
            self._inference,
            NOTE_EMBEDDING.name,
            "embedding",
            self._tokenizer,
            [encoding.pieces[:room] for encoding in encodings],
        )
        values = np.stack(rows).astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise ModelFailed("note_embedding answered with numbers that are not finite")
        truncated = tuple(index for index, encoding in enumerate(encodings) if len(encoding) > room)
        return Embeddings(values, truncated)
