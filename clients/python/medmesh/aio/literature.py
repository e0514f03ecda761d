"""Literature: publications added to corpora, and searched for passages with their citations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medmesh import rpcs
from medmesh.aio.calls import AsyncCalls
from medmesh.language.v1 import literature_pb2 as pb
from medmesh.language.v1.literature_pb2 import (
    LITERATURE_MATCHING_UNSPECIFIED,
    AddLiteratureResponse,
    LiteratureCorpus,
    LiteratureFindings,
    LiteratureMatching,
    Publication,
    PublicationKind,
)


class AsyncLiterature:
    """The corpora of the language service. An empty name of a corpus means `default`."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    async def search(
        self,
        query: str,
        *,
        corpus: str = "",
        from_year: int | None = None,
        to_year: int | None = None,
        kinds: Iterable[PublicationKind | str] = (),
        max_results: int | None = None,
        max_of_one: int | None = None,
        draft_answer: bool = False,
        matching: LiteratureMatching = LITERATURE_MATCHING_UNSPECIFIED,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> LiteratureFindings:
        """Passages near to the query in words and in meaning; those that contradict it, and those of
        retracted publications, stand last. `max_results` None: 10; `max_of_one`: of one publication.
        `draft_answer`: with sentences that answer, each with its passage.
        """
        request = pb.SearchLiteratureRequest(
            query=query,
            corpus=corpus,
            from_year=from_year,
            to_year=to_year,
            kinds=kinds,
            max_passage_count=max_results,
            max_passages_per_publication=max_of_one,
            draft_answer=draft_answer,
            matching=matching,
        )
        answer: pb.SearchLiteratureResponse = await self._calls.unary(
            rpcs.SEARCH_LITERATURE, request, timeout_s, request_id
        )
        return answer.findings

    async def add(
        self,
        publications: Iterable[Publication],
        *,
        corpus: str = "",
        words_only: bool = False,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AddLiteratureResponse:
        """Adds at most 256 publications, in the place of those with the same ids; asked twice, they are
        unchanged. `words_only` leaves the embeddings, which take most of the time, to a later call.
        """
        request = pb.AddLiteratureRequest(corpus=corpus, publications=publications, words_only=words_only)
        answer: AddLiteratureResponse = await self._calls.unary(
            rpcs.ADD_LITERATURE, request, timeout_s, request_id
        )
        return answer

    async def corpora(
        self, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> list[LiteratureCorpus]:
        """What there is, by name."""
        answer: pb.ListLiteratureResponse = await self._calls.unary(
            rpcs.LIST_LITERATURE, pb.ListLiteratureRequest(), timeout_s, request_id
        )
        return list(answer.corpora)

    async def remove(
        self,
        corpus: str,
        ids: Sequence[str] = (),
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> int:
        """Removes publications, without `ids` the whole corpus, and returns how many there were."""
        request = pb.RemoveLiteratureRequest(corpus=corpus, ids=ids)
        answer: pb.RemoveLiteratureResponse = await self._calls.unary(
            rpcs.REMOVE_LITERATURE, request, timeout_s, request_id
        )
        return answer.removed_publication_count
