"""Literature's rpcs: choose the embedding model, call, convert."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1 import literature_pb2 as pb
from services.chassis.errors import ModelFailed, ModelUnavailable, ModelUnknown, Overloaded
from services.chassis.models.catalog import Catalog
from services.chassis.notices import Notice
from services.language.literature import convert
from services.language.literature.answer import Cited, answer
from services.language.literature.library import Holdings, Library
from services.language.literature.search import Findings, LiteratureSearcher
from services.language.tasks import TEXT_EMBEDDING
from services.language.tasks.text_embedding import TextEmbedder


class LiteratureDesk:
    """Answers for the servicer, with the embedding model that the catalog serves at the time."""

    def __init__(self, catalog: Catalog, library: Library, searcher: LiteratureSearcher) -> None:
        self._catalog = catalog
        self._library = library
        self._searcher = searcher

    async def search(self, request: pb.SearchLiteratureRequest) -> pb.SearchLiteratureResponse:
        embedder = self._embedder()
        findings = await self._searcher.search(convert.search(request), embedder)
        cited: list[Cited] = []
        if request.draft_answer:
            cited, notices = await _drafted(request.query, findings, embedder)
            findings = replace(findings, notices=(*findings.notices, *notices))
        return pb.SearchLiteratureResponse(findings=convert.findings_message(findings, cited))

    async def add(self, request: pb.AddLiteratureRequest) -> pb.AddLiteratureResponse:
        embedder = None if request.words_only else self._catalog.only(TEXT_EMBEDDING)
        publications = [convert.publication(message) for message in request.publications]
        added, provenance = await self._library.add(request.corpus, publications, embedder)
        return convert.added_message(added, provenance)

    async def list(self) -> pb.ListLiteratureResponse:
        holdings = await asyncio.to_thread(self._library.holdings)
        usable = [convert.corpus_message(one, embeddings_usable=self._is_usable(one)) for one in holdings]
        return pb.ListLiteratureResponse(corpora=usable)

    async def remove(self, request: pb.RemoveLiteratureRequest) -> pb.RemoveLiteratureResponse:
        count = await asyncio.to_thread(self._library.remove, request.corpus, list(request.ids))
        return pb.RemoveLiteratureResponse(removed_publication_count=count)

    def _embedder(self) -> TextEmbedder | None:
        """The default embedding model; None: none is served, and words are still searched."""
        try:
            return self._catalog.only(TEXT_EMBEDDING)
        except (ModelUnknown, ModelUnavailable):
            return None

    def _is_usable(self, holdings: Holdings) -> bool:
        embedder = self._embedder()
        if holdings.embedding is None or embedder is None:
            return False
        card = self._catalog.entry(embedder.name).card
        served = Provenance(
            model_name=card.name,
            preprocessing_version=card.serving.preprocessing_version,
            weights_sha256=card.weights_sha256,
        )
        return holdings.embedding.is_of(served)


async def _drafted(
    query: str, findings: Findings, embedder: TextEmbedder | None
) -> tuple[list[Cited], list[Notice]]:
    """The answer, or why there is none."""
    if embedder is None:
        return [], [_not_answered("No model that embeds texts is served, so none was put together.")]
    try:
        cited = await answer(query, findings.passages, embedder)
    except (ModelUnavailable, ModelFailed, Overloaded):
        return [], [_not_answered("The model that embeds texts did not answer.")]
    return cited, [] if cited else [_not_answered("No sentence of the passages is near enough to the query.")]


def _not_answered(why: str) -> Notice:
    return Notice("LITERATURE_NOT_ANSWERED", why)
