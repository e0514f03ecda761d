"""Text embedding: texts to points of one space."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.serving_pb2 import TextEmbedding
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.language.decoding import FloatArray
from services.language.languages import Languages
from services.language.tasks.model import TextModel

_Pooling = TextEmbedding.Pooling
_IN_GRAPH = frozenset({_Pooling.POOLING_UNSPECIFIED, _Pooling.POOLING_IN_GRAPH})
_ROUNDING = 0.01
"""How far from 1 the length of a point may be that the graph has scaled: half precision rounds coarsely."""


@dataclass(frozen=True)
class Embeddings:
    """FP32 [texts, width] of unit length, where they come from, which texts were longer than the model
    reads, and where its reading of each ends (code points).
    """

    values: FloatArray
    provenance: Provenance
    truncated: tuple[int, ...]
    read_ends: tuple[int, ...]
    token_room: int
    """How many tokens of a text the model reads."""


class TextEmbedder:
    """One embedding model, built from its card. Raises ValueError, which names the field, where the card
    does not hold.
    """

    def __init__(self, model: ServedModel) -> None:
        task = model.serving.text_embedding
        self.name = model.name
        self.reads = Languages.from_tags(task.languages)
        self._text = TextModel(model, task.preprocessing)
        self._embedding, self._pooling = task.embedding_tensor, task.pooling
        axes = {tensor.name: len(tensor.shape) for tensor in model.card.outputs}
        if axes[self._embedding] != (1 if self._pooling in _IN_GRAPH else 2):
            raise ValueError(
                "pooling: in the graph goes with a tensor [width], the others with [tokens, width]"
            )
        self._prefixes = {False: task.preprocessing.passage_prefix, True: task.preprocessing.query_prefix}

    async def embed(self, texts: Sequence[str], are_queries: Sequence[bool]) -> Embeddings:
        """One point for each text, which is there to be found or (`are_queries`) to find others; what
        exceeds the model's length does not count. Raises what `TextModel.run` raises.
        """
        prefixes = [self._prefixes[is_query] for is_query in are_queries]
        encodings = await asyncio.to_thread(
            lambda: [
                self._text.tokenizer.encode(prefix + text)
                for prefix, text in zip(prefixes, texts, strict=True)
            ]
        )
        room = self._text.room
        parts = [encoding.ids[:room] for encoding in encodings]
        rows = await self._text.run(parts, self._embedding)
        values = np.stack(
            [self._pooled(row, len(part)) for row, part in zip(rows.values, parts, strict=True)]
        )
        truncated = tuple(index for index, encoding in enumerate(encodings) if len(encoding) > room)
        ends = tuple(
            max(int(encoding.ends[room - 1]) - len(prefix), 0) if len(encoding) > room else len(text)
            for encoding, prefix, text in zip(encodings, prefixes, texts, strict=True)
        )
        return Embeddings(values, rows.provenance, truncated, ends, room)

    def _pooled(self, row: FloatArray, tokens: int) -> FloatArray:
        """One point, FP32 [width], of the tensor's row for one text of so many tokens."""
        if self._pooling in _IN_GRAPH:
            if abs(float(np.linalg.norm(row)) - 1) > _ROUNDING:
                raise ModelFailed(f"{self.name} answered with a vector that is not of unit length")
            return row
        # The tokens that frame a text count as those of the text do; the padding behind them does not.
        count = tokens + self._text.tokenizer.frame_count
        point = row[0] if self._pooling == _Pooling.POOLING_FIRST else row[:count].mean(axis=0)
        length = float(np.linalg.norm(point))
        if length == 0:
            raise ModelFailed(f"{self.name} answered with a zero vector")
        unit: FloatArray = (point / np.float32(length)).astype(np.float32)
        return unit
