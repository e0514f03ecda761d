"""Literature's messages to its dataclasses and back."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1 import literature_pb2 as pb
from services.chassis.rpc.notices import notice_messages
from services.language.literature.answer import LABEL, Cited
from services.language.literature.library import Added, Holdings, Outcome
from services.language.literature.publications import Kind, Publication
from services.language.literature.search import Findings, Found, Matching, Search
from services.language.literature.vectors import Filter

_MOST = 10
"""Passages that are returned where the request does not say how many."""
_OUTCOMES = {
    Outcome.ADDED: pb.PUBLICATION_OUTCOME_ADDED,
    Outcome.REPLACED: pb.PUBLICATION_OUTCOME_REPLACED,
    Outcome.UNCHANGED: pb.PUBLICATION_OUTCOME_UNCHANGED,
    Outcome.REFUSED: pb.PUBLICATION_OUTCOME_REFUSED,
}
_MATCHING = {
    pb.LITERATURE_MATCHING_WORDS: Matching.WORDS,
    pb.LITERATURE_MATCHING_MEANING: Matching.MEANING,
}


def publication(message: pb.Publication) -> Publication:
    """A publication that is to be added."""
    return Publication(
        message.id,
        title=message.title,
        text=message.text,
        authors=tuple(message.authors),
        journal=message.journal,
        year=message.year if message.HasField("year") else None,
        pmid=message.pmid,
        kinds=_kinds(message.kinds),
    )


def search(request: pb.SearchLiteratureRequest) -> Search:
    """What a request looks for."""
    most, of_one = request.max_passage_count, request.max_passages_per_publication
    return Search(
        request.query,
        corpus=request.corpus,
        only=Filter(
            request.from_year if request.HasField("from_year") else None,
            request.to_year if request.HasField("to_year") else None,
            _kinds(request.kinds),
        ),
        most=most if request.HasField("max_passage_count") else _MOST,
        most_of_one=of_one if request.HasField("max_passages_per_publication") else None,
        matching=_MATCHING.get(request.matching, Matching.BOTH),
    )


def findings_message(findings: Findings, answer: Sequence[Cited]) -> pb.LiteratureFindings:
    """What was found, and the answer that was put together from it."""
    message = pb.LiteratureFindings(
        passages=[_passage(found) for found in findings.passages],
        contradictions_sought=findings.contradictions_sought,
        notices=notice_messages(findings.notices),
        provenance=findings.provenance,
    )
    if answer:
        message.answer.label = LABEL
        message.answer.sentences.extend(
            pb.CitedSentence(
                text=one.text, passage_index=one.passage_index, start_offset=one.start, end_offset=one.end
            )
            for one in answer
        )
    return message


def added_message(added: Sequence[Added], provenance: Provenance | None) -> pb.AddLiteratureResponse:
    """What became of the publications of a request."""
    return pb.AddLiteratureResponse(
        publications=[
            pb.AddedPublication(
                outcome=_OUTCOMES[one.outcome],
                problem=one.problem,
                passage_count=one.passage_count,
                truncated_passage_count=one.truncated_count,
            )
            for one in added
        ],
        provenance=provenance,
    )


def corpus_message(holdings: Holdings, *, embeddings_usable: bool) -> pb.LiteratureCorpus:
    """What a corpus holds."""
    return pb.LiteratureCorpus(
        name=holdings.name,
        publication_count=holdings.publication_count,
        passage_count=holdings.passage_count,
        embedded_passage_count=holdings.embedded_count,
        provenance=holdings.embedding.provenance if holdings.embedding else None,
        size_bytes=holdings.size_bytes,
        embeddings_usable=embeddings_usable,
    )


def _passage(found: Found) -> pb.LiteraturePassage:
    cited = found.publication
    return pb.LiteraturePassage(
        publication=pb.Publication(
            id=cited.id,
            title=cited.title,
            authors=cited.authors,
            journal=cited.journal,
            year=cited.year,
            pmid=cited.pmid,
            kinds=[pb.PublicationKind.Name(kind) for kind in cited.kinds],
        ),
        text=found.passage.text,
        start_offset=found.passage.start,
        end_offset=found.passage.end,
        score=found.score,
        words_score=found.words_score,
        similarity=found.similarity,
        contradicts_query=found.contradicts_query,
        retracted=found.is_retracted,
    )


def _kinds(values: Sequence[int]) -> tuple[Kind, ...]:
    """Those that are known, each once: a newer client's other kinds do not count."""
    known = {int(kind) for kind in Kind}
    return tuple(Kind(value) for value in sorted(set(values) & known))
