"""The corpora of a folder by name, and what is added to them and removed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import CorpusUnknown, InvalidInput, Reason
from services.language.literature.publications import Passage, Publication, passages
from services.language.tasks.text_embedding import TextEmbedder

if TYPE_CHECKING:  # with the index of words, of which who has no corpus has no use
    from services.language.literature.corpus import Corpus, Embedding, Prepared, Snapshot

DEFAULT = "default"
"""Name of the corpus that is meant where none is named."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PASSAGES_A_WRITING = 512
"""So many are embedded, then written: a call that is cut short leaves what was written before."""


class Outcome(Enum):
    """What was done with a publication."""

    ADDED = auto()
    REPLACED = auto()
    UNCHANGED = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a publication; of one that was refused, why."""

    outcome: Outcome
    problem: str = ""
    passage_count: int = 0
    truncated_count: int = 0


@dataclass(frozen=True)
class Holdings:
    """What a corpus holds, in publications, passages and bytes."""

    name: str
    publication_count: int
    passage_count: int
    embedded_count: int
    size_bytes: int
    embedding: Embedding | None
    """None: it is found by words alone."""


class Library:
    """Opens corpora when they are asked for, and keeps them open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Corpus] = {}
        self._opening = threading.Lock()

    def snapshot(self, name: str) -> Snapshot:
        """The corpus as it is now. CorpusUnknown: there is none."""
        return self._corpus(name).now()

    def holdings(self) -> list[Holdings]:
        """Of all corpora, by name."""
        return [self._holdings(name) for name in self._names()]

    async def add(
        self, name: str, publications: Sequence[Publication], embedder: TextEmbedder | None
    ) -> tuple[list[Added], Provenance | None]:
        """Adds publications to a corpus, made where there is none; without `embedder` by their words.

        InvalidInput: two have one id, or the corpus was embedded by another model. Raises what an embedder
        and a corpus raise; what was written before stays.
        """
        _check_ids(publications)
        corpus = await asyncio.to_thread(self._corpus, name, make=True)
        adding = _Adding(corpus, embedder)
        for publication in publications:
            await adding.take(publication)
        await adding.write()
        return adding.outcomes(publications), adding.provenance

    def remove(self, name: str, ids: Sequence[str]) -> int:
        """Removes publications of a corpus, without `ids` all of it. CorpusUnknown: there is none."""
        corpus = self._corpus(name)
        if ids:
            return corpus.remove(ids)
        with self._opening:
            self._open.pop(name, None)
        return corpus.remove_all()

    def _corpus(self, name: str, *, make: bool = False) -> Corpus:
        name = name or DEFAULT
        if not _NAME.fullmatch(name):
            raise CorpusUnknown
        folder = self._folder / name
        with self._opening:
            if not make and not _is_corpus(folder):  # it may have been removed by another process
                self._open.pop(name, None)
                raise CorpusUnknown
            if name not in self._open or not _is_corpus(folder):
                from services.language.literature.corpus import Corpus

                self._open[name] = Corpus(folder)
            return self._open[name]

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(
            path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name) and _is_corpus(path)
        )

    def _holdings(self, name: str) -> Holdings:
        corpus = self._corpus(name)
        now = corpus.now()
        return Holdings(
            name,
            *now.words.counts(),
            corpus.size_bytes(),
            now.embedding,
        )


class _Adding:
    """Publications on their way into a corpus: those that it has not are embedded and written together."""

    def __init__(self, corpus: Corpus, embedder: TextEmbedder | None) -> None:
        self._corpus = corpus
        self._embedder = embedder
        self._waiting: list[Prepared] = []
        self._added: dict[str, Added] = {}
        self.provenance: Provenance | None = None

    async def take(self, publication: Publication) -> None:
        """Looks whether it is new, and embeds and writes all that wait where they are enough."""
        added, prepared = await asyncio.to_thread(self._prepared, publication)
        self._added[publication.id] = added
        if prepared is not None:
            self._waiting.append(prepared)
            if sum(len(one.passages) for one in self._waiting) >= _PASSAGES_A_WRITING:
                await self.write()

    async def write(self) -> None:
        """Embeds and writes what waits."""
        if self._waiting:
            batch, self._waiting = self._waiting, []
            if self._embedder is not None:
                batch = await self._embedded(self._embedder, batch)
            await asyncio.to_thread(self._corpus.write, batch, self.provenance)

    def outcomes(self, publications: Sequence[Publication]) -> list[Added]:
        """What became of each."""
        return [self._added[publication.id] for publication in publications]

    def _prepared(self, publication: Publication) -> tuple[Added, Prepared | None]:
        if problem := publication.problem():
            return Added(Outcome.REFUSED, problem), None
        now = self._corpus.now().words
        parts = passages(publication)
        if now.has(publication, embedded=self._embedder is not None):
            return Added(Outcome.UNCHANGED, passage_count=len(parts)), None
        known = now.publication(publication.id) is not None
        outcome = Outcome.REPLACED if known else Outcome.ADDED
        from services.language.literature.corpus import Prepared

        return Added(outcome, passage_count=len(parts)), Prepared(publication, parts)

    async def _embedded(self, embedder: TextEmbedder, batch: Sequence[Prepared]) -> list[Prepared]:
        owners = [at for at, one in enumerate(batch) for _ in one.passages]
        texts = [embedded_text(one.publication.title, part) for one in batch for part in one.passages]
        embeddings = await embedder.embed(texts, [False] * len(texts))
        self.provenance = embeddings.provenance
        kept = (await asyncio.to_thread(self._corpus.now)).embedding
        if kept is not None and not kept.is_of(embeddings.provenance):
            raise InvalidInput(
                Reason.INPUT_INCONSISTENT,
                "corpus",
                "embedded by another model than the one that is served now; remove the corpus and load it "
                "again, or load into one of another name",
            )
        for owner, count in Counter(owners[at] for at in embeddings.truncated).items():
            key = batch[owner].publication.id
            self._added[key] = replace(self._added[key], truncated_count=count)
        starts = np.cumsum([len(one.passages) for one in batch])[:-1]
        return [
            replace(one, vectors=vectors)
            for one, vectors in zip(batch, np.split(embeddings.values, starts), strict=True)
        ]


def embedded_text(title: str, passage: Passage) -> str:
    """What stands for a passage in the embedding: the title says what "It resolved" speaks of."""
    return f"{title} {passage.text}".strip() if passage.end else passage.text


def _check_ids(publications: Sequence[Publication]) -> None:
    seen: set[str] = set()
    for index, publication in enumerate(publications):
        if publication.id in seen:
            raise InvalidInput(
                Reason.INPUT_INCONSISTENT,
                f"publications[{index}].id",
                "the id of another publication of the request",
            )
        seen.add(publication.id)


def _is_corpus(folder: Path) -> bool:
    return (folder / "words" / "meta.json").is_file()
