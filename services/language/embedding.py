"""Texts to points."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.language.batches import infer_sequences
from services.language.models import NOTE_EMBEDDING
from services.language.texts import check_texts
from services.language.tokenization import MAX_TOKENS, NoteTokenizer


@dataclass(frozen=True, slots=True)
class Embeddings:
    """FP32 [texts, 384] of unit length, which texts were longer than the model reads, and where its reading
    of each ends (code points).
    """

    values: npt.NDArray[np.float32]
    truncated: tuple[int, ...]
    read_ends: tuple[int, ...]


class TextEmbedder:
    """Embeds texts with the model `note_embedding`."""

    def __init__(self, inference: Inference, tokenizer: NoteTokenizer) -> None:
        self._inference = inference
        self._tokenizer = tokenizer

    async def embed(self, texts: list[str], field: str = "texts") -> Embeddings:
        """One embedding a text, of its first 254 word pieces; raises InvalidInput naming `field[index]`."""
        check_texts(texts, field)
        return await self.embed_checked(texts)

    async def embed_checked(self, texts: Sequence[str]) -> Embeddings:
        """As `embed`, of texts that are known to be texts."""
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
        ends = tuple(
            int(encoding.ends[room - 1]) if len(encoding) > room else len(text)
            for encoding, text in zip(encodings, texts, strict=True)
        )
        return Embeddings(values, truncated, ends)
