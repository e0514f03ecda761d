"""An answer made of sentences that stand in the passages, word for word, each with where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.language.literature.publications import sentences
from services.language.literature.search import Found
from services.language.tasks.text_embedding import TextEmbedder

LABEL = "AI draft, to be reviewed: sentences of the passages, word for word, chosen by nearness to the query."
_PASSAGES = 6
"""From the first of those that neither contradict nor were retracted."""
_SENTENCES = 4
_NEAR = 0.45
"""Cosine from which on a sentence is on the query; docs/literature.md has how it was chosen."""
_SAME = 0.92
"""Cosine from which on two sentences say the same, so that one is enough."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence, `text[start:end]` of the publication, and the index of the passage that it stands in."""

    text: str
    passage_index: int
    start: int
    end: int


async def answer(query: str, passages: Sequence[Found], embedder: TextEmbedder) -> list[Cited]:
    """At most four sentences in the order in which they stand; none where none is on the query.

    Raises what `TextEmbedder.embed` raises.
    """
    candidates = [
        Cited(found.passage.text[start:end], index, found.passage.start + start, found.passage.start + end)
        for index, found in _usable(passages)
        for start, end in sentences(found.passage.text)
    ]
    if not candidates:
        return []
    texts = [query, *(one.text for one in candidates)]
    points = (await embedder.embed(texts, [True] + [False] * len(candidates))).values
    near = points[1:] @ points[0]
    chosen: list[int] = []
    for at in np.argsort(-near, kind="stable").tolist():
        if near[at] < _NEAR or len(chosen) == _SENTENCES:
            break
        if all(points[1 + at] @ points[1 + other] < _SAME for other in chosen):
            chosen.append(at)
    return [candidates[at] for at in sorted(chosen)]


def _usable(passages: Sequence[Found]) -> list[tuple[int, Found]]:
    usable = [
        (index, found)
        for index, found in enumerate(passages)
        if found.passage.end and not found.contradicts_query and not found.is_retracted
    ]
    return usable[:_PASSAGES]
