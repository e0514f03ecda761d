"""How often search puts what agrees with a query before what contradicts it.

`python -m training.note_embedding.evaluate` ranks the passages of search_passages.tsv with the served model,
by nearness alone and as RankPassages does; `--write` renews these figures in the model's card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.language.agreement import StatementReader, Vocabulary, contradicts
from services.language.recovery import Terms
from services.language.tokenization import TextTokenizer
from training.figures import metric
from training.model_card import MODEL_REPOSITORY, write_card
from training.note_embedding.reference import exported
from training.note_embedding.search_passages import Passage, read_passages

Bools = NDArray[np.bool_]


NAME = "note_embedding"


def pairs(own: Sequence[Passage], similarity: NDArray[np.float32], against: Bools) -> list[tuple[bool, bool]]:
    """For each passage that agrees and each that contradicts: whether the first stands before the second, by
    nearness alone and as it is served.
    """
    found = []
    for i, agreeing in enumerate(own):
        for j, other in enumerate(own):
            if (agreeing.stance, other.stance) == ("agrees", "contradicts"):
                nearer = bool(similarity[i] > similarity[j])
                served = nearer if against[i] == against[j] else bool(against[j])
                found.append((nearer, served))
    return found


def measure(folder: Path = MODEL_REPOSITORY / NAME) -> list[Metric]:
    """The card's figures of the model in `folder`; intervals draw queries."""
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json")
    reader = StatementReader(Vocabulary(Terms()))
    order: list[tuple[int, bool, bool]] = []
    marked: list[tuple[int, bool, bool]] = []
    for number, (query, rows) in enumerate(groupby(read_passages(), key=lambda row: row.query)):
        own = list(rows)
        vectors = exported(folder / "1" / "model.onnx", [query, *(row.text for row in own)], tokenizer)
        asked = reader.of_query(query)
        against = np.array([contradicts(asked, reader.of(row.text, about=asked)) for row in own])
        order += [(number, *pair) for pair in pairs(own, vectors[1:] @ vectors[0], against)]
        marked += [
            (number, row.stance == "contradicts", bool(a)) for row, a in zip(own, against, strict=True)
        ]
    queries, nearer, served = (np.array(column) for column in zip(*order, strict=True))
    on = f"{queries.max() + 1} invented queries, pairs of a passage that agrees and one that contradicts"
    groups, wanted, given = (np.array(column) for column in zip(*marked, strict=True))
    of_passages = f"{len(wanted)} invented passages for {groups.max() + 1} queries"
    return [
        metric("agreeing_first", lambda rows: float(served[rows].mean()), queries, measured_on=on),
        metric(
            "agreeing_first_by_nearness_alone",
            lambda rows: float(nearer[rows].mean()),
            queries,
            measured_on=on,
        ),
        metric(
            "contradictions_marked",
            lambda rows: float(given[rows][wanted[rows]].mean()),
            groups,
            measured_on=of_passages,
        ),
        metric(
            "marked_that_contradict",
            lambda rows: float(wanted[rows][given[rows]].mean()),
            groups,
            measured_on=of_passages,
        ),
    ]


def renewed(card: ModelCard, metrics: Sequence[Metric]) -> ModelCard:
    """The card of the same weights with `metrics` in place of those of the same names."""
    names = {one.name for one in metrics}
    result = ModelCard()
    result.CopyFrom(card)
    del result.metrics[:]
    result.metrics.extend([*(one for one in card.metrics if one.name not in names), *metrics])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="renew the figures of the served model's card")
    arguments = parser.parse_args()
    measured = measure()
    for one in measured:
        print(f"{one.name:34} {one.value:.4f} [{one.ci_low:.4f}, {one.ci_high:.4f}] n={one.case_count}")
    if arguments.write:
        path = MODEL_REPOSITORY / NAME / "metadata.json"
        card = json_format.Parse(path.read_text(encoding="utf-8"), ModelCard())
        print(write_card(renewed(card, measured)))


if __name__ == "__main__":
    main()
