"""Passages ranked by their nearness to a query; those that contradict it stand last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from services.language.agreement import Statement, StatementReader, Vocabulary, contradicts
from services.language.tasks.text_embedding import TextEmbedder
from services.language.texts import check_text, check_texts


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage by its index in the request, its cosine with the query (-1..1), and whether it contradicts
    the query.
    """

    index: int
    similarity: float
    contradicts_query: bool


@dataclass(frozen=True)
class PassageRanking:
    """The order of the passages, and what the reader of it should know."""

    passages: tuple[RankedPassage, ...]
    query_states_something: bool
    """Whether there was something to compare the passages with: a known concept, and no question."""
    truncated: tuple[int, ...]
    """Indices of the passages of which only the beginning was read."""
    query_truncated: bool
    token_room: int
    """How many tokens of a text the model reads."""
    provenance: Provenance


class PassageRanker:
    """Ranks a caller's own passages; keeps nothing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    async def rank(
        self, embedder: TextEmbedder, query: str, passages: Sequence[str], max_results: int | None = None
    ) -> PassageRanking:
        """At most `max_results` passages (None: all): those that do not contradict `query` first, the
        nearest of each kind before the others, equals in the order given.

        Raises InvalidInput naming `query` or `passages[index]`.
        """
        check_text(query, "query")
        check_texts(passages, "passages")
        texts = [query, *passages]
        embedded = await embedder.embed(texts, [True, *(False for _ in passages)])
        read = [text[:end] for text, end in zip(texts, embedded.read_ends, strict=True)]
        asked, against = await asyncio.to_thread(self._compare, read[0], read[1:])
        similarities = embedded.values[1:] @ embedded.values[0]
        order = np.lexsort((-similarities, against))[:max_results]
        return PassageRanking(
            passages=tuple(
                RankedPassage(int(i), float(np.clip(similarities[i], -1, 1)), bool(against[i])) for i in order
            ),
            query_states_something=bool(asked),
            truncated=tuple(index - 1 for index in embedded.truncated if index > 0),
            query_truncated=0 in embedded.truncated,
            token_room=embedded.token_room,
            provenance=embedded.provenance,
        )

    def _compare(self, query: str, passages: Sequence[str]) -> tuple[tuple[Statement, ...], list[bool]]:
        reader = StatementReader(self._vocabulary)
        asked = reader.of_query(query)
        if not asked:
            return asked, [False] * len(passages)
        return asked, [contradicts(asked, reader.of(passage, about=asked)) for passage in passages]
