"""Loads abstracts into a running language service, and measures its searches.

    python -m training.literature.benchmark load --data DIR --count 100000 --corpus abstracts --words-only
    python -m training.literature.benchmark load --data DIR --count 100000 --corpus abstracts
    python -m training.literature.benchmark search --data DIR --corpus abstracts

`load` may be stopped and started again at any time: what the corpus has is passed over. The abstracts after
the real ones are made of their sentences (`training.literature.abstracts`).
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np

from medmesh.language.v1 import literature_pb2 as pb
from medmesh.language.v1.language_pb2_grpc import LanguageServiceStub
from training.literature.abstracts import Abstract, read, recombined

_BATCH = {True: 256, False: 32}
"""Publications a call, of words alone and with embeddings."""


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("load", "search"))
    parser.add_argument("--data", type=Path, required=True, help="folder of BC5CDR's train.tsv and devel.tsv")
    parser.add_argument("--url", default="127.0.0.1:50062")
    parser.add_argument("--corpus", default="abstracts")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--words-only", action="store_true")
    parser.add_argument("--searches", type=int, default=400)
    given = parser.parse_args()
    with grpc.insecure_channel(given.url) as channel:
        stub = LanguageServiceStub(channel)
        if given.what == "load":
            load(stub, given.corpus, _all(given.data, given.count), words_only=given.words_only)
        else:
            search(stub, given.corpus, read(given.data), given.searches)


def load(stub: LanguageServiceStub, corpus: str, abstracts: Iterator[Abstract], *, words_only: bool) -> None:
    """Adds the abstracts batch by batch, and says how fast."""
    start = last = time.monotonic()
    done = passages = 0
    while batch := list(itertools.islice(abstracts, _BATCH[words_only])):
        request = pb.AddLiteratureRequest(corpus=corpus, words_only=words_only)
        request.publications.extend(_publication(abstract) for abstract in batch)
        answer = stub.AddLiterature(request, timeout=120, wait_for_ready=True)
        done += len(batch)
        passages += sum(
            one.passage_count
            for one in answer.publications
            if one.outcome != pb.PUBLICATION_OUTCOME_UNCHANGED
        )
        if time.monotonic() - last > 20 or len(batch) < _BATCH[words_only]:
            last = time.monotonic()
            seconds = last - start
            print(
                f"{done} abstracts, {passages} passages in {seconds:.0f} s, {passages / seconds:.1f}/s",
                flush=True,
            )


def search(stub: LanguageServiceStub, corpus: str, abstracts: list[Abstract], count: int) -> None:
    """Searches one by one and prints the quantiles of the time, in ms: by the caller's clock, which an idle
    mesh shares.
    """
    chance = random.Random(5)
    sentences = [sentence.text for abstract in abstracts for sentence in abstract.sentences]
    kinds = {
        "titles": [abstract.title for abstract in abstracts],
        "words": [" ".join(chance.sample(text.split(), min(4, len(text.split())))) for text in sentences],
        "questions": [f"Is there {entity}?" for abstract in abstracts for entity in _entities(abstract)],
        "statements": [f"{entity} occurred" for abstract in abstracts for entity in _entities(abstract)],
        "denials": [f"no {entity} occurred" for abstract in abstracts for entity in _entities(abstract)],
    }
    for kind, queries in kinds.items():
        chance.shuffle(queries)
        times = []
        for number, query in enumerate(queries[: 5 + count // len(kinds)]):
            begin = time.perf_counter()
            stub.SearchLiterature(pb.SearchLiteratureRequest(corpus=corpus, query=query[:2000]), timeout=30)
            if number >= 5:  # the first ones open the files
                times.append((time.perf_counter() - begin) * 1000)
        p50, p95, p99 = np.percentile(times, [50, 95, 99])
        print(f"{kind:12} {len(times)} searches: p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms")


def _all(data: Path, count: int) -> Iterator[Abstract]:
    real = read(data)
    return itertools.islice(itertools.chain(real, recombined(real, max(0, count - len(real)))), count)


def _entities(abstract: Abstract) -> list[str]:
    return sorted({entity for sentence in abstract.sentences[:2] for entity in sentence.entities})


def _publication(abstract: Abstract) -> pb.Publication:
    made = abstract.name.startswith("made:")
    return pb.Publication(
        id=abstract.name,
        title=abstract.title,
        text=abstract.text,
        journal="made of sentences of BC5CDR" if made else "BC5CDR",
        year=1990 + len(abstract.text) % 30,
        kinds=[pb.PUBLICATION_KIND_ARTICLE],
    )


if __name__ == "__main__":
    main()
