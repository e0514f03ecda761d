"""A caller's own passages, embedded once and searched by meaning.

    corpus = Corpus.load(client, passages)
    for match in corpus.search(client, "shortness of breath at night", count=3):
        print(match.similarity, match.passage)

The services keep nothing: passages and embeddings live here, and in the file that `save` writes. Both may be
patient data; keep them as you keep the notes themselves.
"""

from __future__ import annotations

import base64
import heapq
import json
import operator
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1.language_pb2 import (
    TEXT_USE_PASSAGE,
    TEXT_USE_QUERY,
    PassageRanking,
    TextEmbeddings,
    TextUse,
)

BATCH = 64
"""Passages a request; the contract allows 256, smaller ones show progress and fit a deadline."""
MOST_COMPARED = 256
"""Of the nearest passages, how many at most are compared with what the query asserts."""


_OF_THE_SEARCH = "ASSERTIONS_NOT_COMPARED"
"""The notice of RankPassages that holds for the whole search; the others are of one batch."""


class Embedder(Protocol):
    """What embeds texts and compares them: `medmesh.Client`."""

    def embed(self, texts: str | Sequence[str], *, use: TextUse) -> TextEmbeddings: ...

    def rank_passages(self, query: str, passages: Sequence[str]) -> PassageRanking: ...


@dataclass(frozen=True)
class Match:
    """A passage and its nearness to the query."""

    index: int
    """Of the passage in the corpus, from 0."""
    passage: str
    similarity: float
    """Cosine, in [-1, 1]."""
    contradicts_query: bool = False
    """Whether it denies what the query states, or states what it denies: as `RankedPassage` says."""


class Matches(list[Match]):
    """The passages that were found: those that do not contradict the query first, the nearest of each kind
    before the others.
    """

    def __init__(self, matches: Iterable[Match], notices: Iterable[str]) -> None:
        super().__init__(matches)
        self.notices = tuple(notices)
        """What the service says of the comparison, for people: that there was nothing to compare, say."""


@dataclass(frozen=True)
class Corpus:
    """Passages with their embeddings, all of one model."""

    passages: tuple[str, ...]
    vectors: tuple[array[float], ...]
    """Of unit length, float32."""
    model: str
    """Name, preprocessing and weights of the model; embeddings of another one cannot be compared."""
    truncated_count: int = 0
    """Passages that are longer than the model reads: of them the beginning alone is searched."""

    @classmethod
    def load(
        cls, client: Embedder, passages: Sequence[str], *, progress: Callable[[int], object] = lambda _: None
    ) -> Self:
        """Embeds `passages`; `progress` is told how many are done after each request.

        ValueError: there are none. Raises the errors of `medmesh.errors`.
        """
        if not passages:
            raise ValueError("a corpus has at least one passage")
        vectors: list[array[float]] = []
        model, truncated = "", 0
        for start in range(0, len(passages), BATCH):
            answer = client.embed(passages[start : start + BATCH], use=TEXT_USE_PASSAGE)
            found = _model(answer.provenance)
            if model not in ("", found):
                raise ValueError(
                    "the service changed its embedding model while the corpus was loaded; load it again"
                )
            model = found
            vectors += [array("f", embedding.values) for embedding in answer.embeddings]
            truncated += len(answer.truncated_indices)
            progress(len(vectors))
        return cls(tuple(passages), tuple(vectors), model, truncated)

    def search(self, client: Embedder, query: str, *, count: int = 10) -> Matches:
        """At most `count` passages: the nearest to `query` that do not contradict it, then such that do.

        ValueError: the service now embeds with another model than the corpus was loaded with.
        """
        answer = client.embed([query], use=TEXT_USE_QUERY)
        if _model(answer.provenance) != self.model:
            raise ValueError(
                "the corpus was embedded with another model than the service has now; load it again"
            )
        wanted = array("f", answer.embeddings[0].values)
        similarities = [sum(map(operator.mul, wanted, vector)) for vector in self.vectors]
        nearest = heapq.nlargest(
            max(count, MOST_COMPARED), range(len(similarities)), similarities.__getitem__
        )
        agreeing: list[int] = []
        against: list[int] = []
        notices: dict[str, str] = {}
        sought = True
        while nearest and len(agreeing) < count and sought:
            batch, nearest = nearest[:BATCH], nearest[BATCH:]
            compared = client.rank_passages(query, [self.passages[index] for index in batch])
            contradicting = {batch[item.index] for item in compared.passages if item.contradicts_query}
            agreeing += [index for index in batch if index not in contradicting]
            against += [index for index in batch if index in contradicting]
            notices |= {one.reason: one.message for one in compared.notices if one.reason == _OF_THE_SEARCH}
            sought = compared.contradictions_sought
        found = [*agreeing, *(() if sought else nearest), *against][:count]
        marked = set(against)
        matches = [Match(i, self.passages[i], similarities[i], i in marked) for i in found]
        return Matches(matches, notices.values())

    def save(self, path: Path) -> None:
        """Writes passages and embeddings as JSON lines."""
        lines = [json.dumps({"model": self.model, "truncated_count": self.truncated_count})]
        for passage, vector in zip(self.passages, self.vectors, strict=True):
            encoded = base64.b64encode(vector.tobytes()).decode("ascii")
            lines.append(json.dumps({"passage": passage, "float32": encoded}, ensure_ascii=False))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `save` wrote. ValueError: it is no such file."""
        try:
            head, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            vectors = []
            for row in rows:
                vector = array("f")
                vector.frombytes(base64.b64decode(row["float32"], validate=True))
                vectors.append(vector)
            passages = tuple(row["passage"] for row in rows)
            return cls(passages, tuple(vectors), head["model"], head.get("truncated_count", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} is not a corpus that medmesh saved") from None


def _model(provenance: Provenance) -> str:
    return f"{provenance.model_name} {provenance.preprocessing_version} {provenance.weights_sha256}"
