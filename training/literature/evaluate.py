"""Measures search by words, by meaning, and by both, with the queries of `queries.tsv`, in a running language
service.

    python -m training.literature.benchmark load --data DIR --corpus bc5cdr --count 933
    python -m training.literature.evaluate --data DIR --corpus bc5cdr

Relevant to a query are abstracts, judged by all titles of the set and so whatever a search finds, or, of
queries that deny something, single sentences, judged among all that name it near a word of denial. A passage
counts when it is of a relevant abstract or holds a relevant sentence, and each abstract once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np

from medmesh.language.v1 import literature_pb2 as pb
from medmesh.language.v1.language_pb2_grpc import LanguageServiceStub
from training.literature.abstracts import Abstract, read

QUERIES = Path(__file__).parent / "queries.tsv"
FIRST = 10
_READ = 50
"""Passages that are asked for where their order by nearness alone is wanted: the first ten are among them."""
BOTH, WORDS = pb.LITERATURE_MATCHING_UNSPECIFIED, pb.LITERATURE_MATCHING_WORDS
MODES = {
    "BM25 alone": (WORDS, False),
    "meaning alone": (pb.LITERATURE_MATCHING_MEANING, False),
    "both, by nearness": (BOTH, False),
    "words, re-ranked": (WORDS, True),
    "both, re-ranked": (BOTH, True),
}
"""How passages are found, and whether what they assert counts in their order; the last is what a search
gives.
"""


@dataclass(frozen=True)
class Query:
    """What is looked for, and what is relevant: names of abstracts, or of sentences."""

    kind: str
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Scores:
    """Of one query, from 0 to 1."""

    recall: float
    ndcg: float


def main() -> None:
    """Reads the command line, and prints a row for each kind of query and mode."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of BC5CDR's train.tsv and devel.tsv")
    parser.add_argument("--url", default="127.0.0.1:50062")
    parser.add_argument("--corpus", default="bc5cdr")
    given = parser.parse_args()
    abstracts = {abstract.name: abstract for abstract in read(given.data)}
    queries = read_queries()
    with grpc.insecure_channel(given.url) as channel:
        stub = LanguageServiceStub(channel)
        for mode, (matching, is_reranked) in MODES.items():

            def ask(
                query: Query,
                matching: pb.LiteratureMatching = matching,
                is_reranked: bool = is_reranked,
            ) -> list[pb.LiteraturePassage]:
                request = pb.SearchLiteratureRequest(query=query.text, corpus=given.corpus, matching=matching)
                request.max_passage_count = FIRST if is_reranked else _READ
                if query.relevant & abstracts.keys():
                    request.max_passages_per_publication = 1
                passages = stub.SearchLiterature(request, timeout=60).findings.passages
                return ranked(passages, is_reranked=is_reranked)

            print(*rows(mode, queries, abstracts, ask), sep="\n")


def ranked(passages: Sequence[pb.LiteraturePassage], *, is_reranked: bool) -> list[pb.LiteraturePassage]:
    """The first ten as they came, or by nearness alone."""
    return list(passages if is_reranked else sorted(passages, key=lambda one: -one.score))[:FIRST]


def read_queries() -> list[Query]:
    """The queries in their order."""
    lines = QUERIES.read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [Query(row[1], row[2], frozenset((row[3] or row[4]).split())) for row in rows]


def rows(
    mode: str,
    queries: Sequence[Query],
    abstracts: dict[str, Abstract],
    ask: Callable[[Query], Sequence[pb.LiteraturePassage]],
) -> Iterable[str]:
    """The means with 95 % intervals (bootstrap over queries, 10,000 times, seed 0), all kinds first."""
    scores = [(query.kind, judged(query, ask(query), abstracts)) for query in queries]
    for kind in ("all", *dict.fromkeys(kind for kind, _ in scores)):
        of_kind = [one for name, one in scores if kind in ("all", name)]
        recall, ndcg = (_interval([getattr(one, part) for one in of_kind]) for part in ("recall", "ndcg"))
        yield f"{mode:18} {kind:11} {len(of_kind):3} queries  recall@{FIRST} {recall}  nDCG@{FIRST} {ndcg}"


def judged(query: Query, passages: Sequence[pb.LiteraturePassage], abstracts: dict[str, Abstract]) -> Scores:
    """Recall and nDCG (binary gains) of the first ten abstracts that are found, where sentences are relevant
    of the first ten passages.
    """
    of = [abstracts[passage.publication.id] for passage in passages]
    held = [
        query.relevant & {abstract.name, *_sentences(abstract, passage)}
        for abstract, passage in zip(of, passages, strict=True)
    ]
    found = frozenset().union(*held)
    ideal = sum(1 / math.log2(2 + at) for at in range(min(FIRST, len(query.relevant))))
    gained = sum(1 / math.log2(2 + at) for at, names in enumerate(held) if names)
    return Scores(len(found) / min(FIRST, len(query.relevant)), min(1.0, gained / ideal))


def _sentences(abstract: Abstract, passage: pb.LiteraturePassage) -> set[str]:
    """Names of the sentences that the passage holds a part of."""
    names, at = set(), 0
    for sentence in abstract.sentences:
        end = at + len(sentence.text)
        if at < passage.end_offset and end > passage.start_offset:
            names.add(sentence.name)
        at = end + 1
    return names


def _interval(values: Sequence[float]) -> str:
    chance = np.random.default_rng(0)
    means = chance.choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
