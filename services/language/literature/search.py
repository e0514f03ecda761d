"""Search of a corpus: what is near in words and in meaning; what contradicts the query stands last.

The two orders are fused by ranks (reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009), since
BM25 and cosines have no common scale.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import ModelFailed, ModelUnavailable, Overloaded
from services.chassis.notices import Notice
from services.language.agreement import Side, Statement, StatementReader, Vocabulary
from services.language.literature.library import Library
from services.language.literature.publications import Kind, Passage, Publication
from services.language.literature.stance import Stance, comparable, stance
from services.language.literature.vectors import Filter
from services.language.tasks.text_embedding import TextEmbedder
from services.language.texts import check_text

if TYPE_CHECKING:
    from services.language.literature.corpus import Snapshot
    from services.language.literature.words import Hit

_CANDIDATES = 100
"""Passages that each of the two orders contributes."""
_ONE_IN = 5
"""Places of an answer, one of which is kept for what contradicts the query: who looks for evidence of
something is to see that there is evidence against it.
"""
_READ_FOR_DENIALS = 60
"""Passages that are read where the query denies something."""
_RANK_CONSTANT = 60.0
"""Of reciprocal rank fusion, as its authors set it."""


class Matching(Enum):
    """How passages are found."""

    BOTH = auto()
    WORDS = auto()
    MEANING = auto()


@dataclass(frozen=True)
class Search:
    """What is looked for, and how much of it."""

    query: str
    corpus: str = ""
    only: Filter = field(default_factory=Filter)
    most: int = 10
    most_of_one: int | None = None
    matching: Matching = Matching.BOTH


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its publication (without the text), how near it is, and what it says of the query."""

    publication: Publication
    passage: Passage
    score: float
    words_score: float | None
    similarity: float | None
    stance: Stance = Stance.NOT_OTHERWISE

    @property
    def contradicts_query(self) -> bool:
        """Whether it says otherwise of a concept of the query."""
        return self.stance is Stance.CONTRADICTS

    @property
    def is_retracted(self) -> bool:
        """Whether the publication was retracted."""
        return Kind.RETRACTED in self.publication.kinds


@dataclass(frozen=True)
class Findings:
    """The passages in their order, and what the reader should know of it."""

    passages: tuple[Found, ...]
    contradictions_sought: bool
    notices: tuple[Notice, ...]
    provenance: Provenance | None
    """Of the model that compared meanings; None: none did."""


class LiteratureSearcher:
    """Searches the corpora of a library; keeps nothing of a query."""

    def __init__(self, library: Library, vocabulary: Vocabulary) -> None:
        self._library = library
        self._vocabulary = vocabulary

    async def search(self, search: Search, embedder: TextEmbedder | None) -> Findings:
        """The passages of a corpus that are nearest to a query: those that do not contradict it, then those
        that do, then those of retracted publications. `embedder` None: none is served.

        InvalidInput naming `query`. CorpusUnknown, CorpusUnavailable.
        """
        check_text(search.query, "query")
        corpus = await asyncio.to_thread(self._library.snapshot, search.corpus)
        point, provenance, notices = await _meaning(search, corpus, embedder)
        if point is None and search.matching is Matching.MEANING:
            return Findings((), contradictions_sought=False, notices=tuple(notices), provenance=None)
        found, sought = await asyncio.to_thread(self._found, search, corpus, point)
        return Findings(found, sought, (*notices, *_notices(found, sought=sought)), provenance)

    def _found(
        self, search: Search, corpus: Snapshot, point: npt.NDArray[np.float32] | None
    ) -> tuple[tuple[Found, ...], bool]:
        in_words: list[tuple[Hit, float]] = []
        in_meaning: list[tuple[Hit, float]] = []
        if search.matching is not Matching.MEANING:
            in_words = corpus.nearest_in_words(search.query, _CANDIDATES, search.only)
        if point is not None:
            in_meaning = corpus.nearest_in_meaning(point, _CANDIDATES, search.only)
        reader = StatementReader(self._vocabulary)
        asked = comparable(reader.of_query(search.query))
        order = _Order(search.most, search.most_of_one, least=_least_read(asked))
        for hit, score in _fused(in_words, in_meaning):
            publication = corpus.words.publication(hit.publication_id)
            if publication is None:  # removed by another process in between
                continue
            said = reader.of(hit.passage.text, about=asked) if asked else ()
            found = Found(
                publication, hit.passage, score.fused, score.words, score.cosine, stance(asked, said)
            )
            if order.is_full_with(found):
                break
        return order.passages(), bool(asked)


def _least_read(asked: Sequence[Statement]) -> int:
    """How many passages are read at least: those that deny what the query denies stand first wherever they
    are near.
    """
    return _READ_FOR_DENIALS if any(statement.side is Side.DENIED for statement in asked) else 0


@dataclass
class _Score:
    fused: float = 0.0
    words: float | None = None
    cosine: float | None = None


def _fused(
    in_words: Sequence[tuple[Hit, float]], in_meaning: Sequence[tuple[Hit, float]]
) -> list[tuple[Hit, _Score]]:
    """Each passage once, in the order of the sum of what its ranks are worth."""
    scores: dict[Hit, _Score] = {}
    for rank, (hit, bm25) in enumerate(in_words):
        score = scores.setdefault(hit, _Score())
        score.words = bm25
        score.fused += 1 / (_RANK_CONSTANT + rank)
    for rank, (hit, cosine) in enumerate(in_meaning):
        score = scores.setdefault(hit, _Score())
        score.cosine = cosine
        score.fused += 1 / (_RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: -item[1].fused)


class _Order:
    """Takes passages from the nearest on, until there are enough that do not contradict."""

    def __init__(self, most: int, most_of_one: int | None, *, least: int) -> None:
        self._most, self._most_of_one, self._least = most, most_of_one, least
        self._read = 0
        self._taken: dict[Stance, list[Found]] = {one: [] for one in Stance}
        self._retracted: list[Found] = []
        self._of_one: Counter[str] = Counter()

    def is_full_with(self, found: Found) -> bool:
        """Takes a passage, and says whether there are enough."""
        self._read += 1
        key = found.publication.id
        if self._most_of_one is None or self._of_one[key] < self._most_of_one:
            self._of_one[key] += 1
            (self._retracted if found.is_retracted else self._taken[found.stance]).append(found)
        return self._read >= self._least and len(self._agreeing()) >= self._most

    def passages(self) -> tuple[Found, ...]:
        against = self._taken[Stance.CONTRADICTS]
        kept = min(len(against), self._most // _ONE_IN)
        return tuple([*self._agreeing()[: self._most - kept], *against, *self._retracted][: self._most])

    def _agreeing(self) -> list[Found]:
        return [*self._taken[Stance.DENIES_TOO], *self._taken[Stance.NOT_OTHERWISE]]


async def _meaning(
    search: Search, corpus: Snapshot, embedder: TextEmbedder | None
) -> tuple[npt.NDArray[np.float32] | None, Provenance | None, list[Notice]]:
    """The query as a point, which model made it, and why there is none."""
    if search.matching is Matching.WORDS:
        return None, None, []
    if embedder is None:
        return None, None, [_by_words("No model that embeds texts is served.")]
    if corpus.embedding is None:
        return None, None, [_by_words("The corpus has no embeddings.")]
    try:
        embedded = await embedder.embed([search.query], [True])
    except (ModelUnavailable, ModelFailed, Overloaded):
        return None, None, [_by_words("The model that embeds texts did not answer.")]
    if not corpus.embedding.is_of(embedded.provenance):
        return (
            None,
            None,
            [_by_words("The corpus was embedded by another model than the one that is served.")],
        )
    notices = []
    _, passages, searchable = corpus.words.counts()
    if searchable < passages:
        missing = passages - searchable
        message = f"{missing} of {passages} passages have no embedding: they are found by their words alone."
        notices.append(Notice("LITERATURE_EMBEDDED_IN_PART", message))
    if embedded.truncated:
        message = f"Of texts that are longer, only the first {embedded.token_room} tokens count."
        notices.append(Notice("TEXT_TRUNCATED", message, places=("query",)))
    return embedded.values[0], embedded.provenance, notices


def _by_words(why: str) -> Notice:
    return Notice("LITERATURE_BY_WORDS_ALONE", f"{why} Passages that say it in other words are not found.")


def _notices(found: Sequence[Found], *, sought: bool) -> list[Notice]:
    notices = []
    if against := _places(found, lambda one: one.contradicts_query):
        message = (
            "Passages say otherwise of a concept of the query than the query does, and stand behind the "
            "others (see `contradicts_query`)."
        )
        notices.append(Notice("PASSAGES_CONTRADICT_QUERY", message, places=against))
    if not sought:
        message = (
            "The query asks, or names no known concept: passages that contradict it were not looked for."
        )
        notices.append(Notice("ASSERTIONS_NOT_COMPARED", message))
    if retracted := _places(found, lambda one: one.is_retracted):
        message = "Publications of passages were retracted; they stand last (see `retracted`)."
        notices.append(Notice("LITERATURE_RETRACTED", message, review_required=True, places=retracted))
    return notices


def _places(found: Sequence[Found], holds: Callable[[Found], bool]) -> tuple[str, ...]:
    return tuple(f"passages[{index}]" for index, one in enumerate(found) if holds(one))
