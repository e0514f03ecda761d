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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1.language_pb2 import EmbedTextsResponse

BATCH = 64
"""Passages a request; the contract allows 256, smaller ones show progress and fit a deadline."""


class Embedder(Protocol):
    """What embeds texts: `medmesh.Client`."""

    def embed(self, texts: str | Sequence[str]) -> EmbedTextsResponse: ...


@dataclass(frozen=True)
class Match:
    """A passage and its nearness to the query."""

    index: int
    """Of the passage in the corpus, from 0."""
    passage: str
    similarity: float
    """Cosine, in [-1, 1]."""


@dataclass(frozen=True)
class Corpus:
    """Passages with their embeddings, all of one model."""

    passages: tuple[str, ...]
    vectors: tuple[array[float], ...]
    """Of unit length, float32."""
    model: str
    """Name, preprocessing and weights of the model; embeddings of another one cannot be compared."""

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
        model = ""
        for start in range(0, len(passages), BATCH):
            answer = client.embed(passages[start : start + BATCH])
            found = _model(answer.provenance)
            if model not in ("", found):
                raise ValueError(
                    "the service changed its embedding model while the corpus was loaded; load it again"
                )
            model = found
            vectors += [array("f", embedding.values) for embedding in answer.embeddings]
            progress(len(vectors))
        return cls(tuple(passages), tuple(vectors), model)

    def search(self, client: Embedder, query: str, *, count: int = 10) -> list[Match]:
        """The `count` passages nearest to `query`, the nearest first.

        ValueError: the service now embeds with another model than the corpus was loaded with.
        """
        answer = client.embed([query])
        if _model(answer.provenance) != self.model:
            raise ValueError(
                "the corpus was embedded with another model than the service has now; load it again"
            )
        wanted = array("f", answer.embeddings[0].values)
        similarities = [sum(map(operator.mul, wanted, vector)) for vector in self.vectors]
        nearest = heapq.nlargest(count, range(len(similarities)), key=similarities.__getitem__)
        return [Match(index, self.passages[index], similarities[index]) for index in nearest]

    def save(self, path: Path) -> None:
        """Writes passages and embeddings as JSON lines."""
        lines = [json.dumps({"model": self.model})]
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
            return cls(tuple(row["passage"] for row in rows), tuple(vectors), head["model"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} is not a corpus that medmesh saved") from None


def _model(provenance: Provenance) -> str:
    return f"{provenance.model_name} {provenance.preprocessing_version} {provenance.weights_sha256}"
