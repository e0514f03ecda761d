"""What a tagger says of a text's words, in one form for every tagger: log-probabilities of the columns `O`,
`B-DISEASE`, `I-DISEASE`, `B-CHEMICAL`, ..., whatever labels and scheme the model was trained with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from medmesh.common.v1.serving_pb2 import TaggingScheme, TokenClassification
from services.language.decoding import SMALLEST, FloatArray

OUTSIDE = "O"
_TYPE = re.compile(r"[A-Z][A-Z0-9_]*")

_BEGINS = {TaggingScheme.TAGGING_SCHEME_IOB2: "B", TaggingScheme.TAGGING_SCHEME_BIOES: "BS"}
_CONTINUES = {TaggingScheme.TAGGING_SCHEME_IOB2: "I", TaggingScheme.TAGGING_SCHEME_BIOES: "IE"}


@dataclass(frozen=True, slots=True)
class _Source:
    """The labels that say a type begins, and those that say it goes on; none where one label says both."""

    begins: tuple[int, ...]
    continues: tuple[int, ...]


class Columns:
    """The columns that a card's labels become.

    Raises ValueError naming the card's field where labels, types and scheme do not fit each other.
    """

    def __init__(self, task: TokenClassification) -> None:
        labels = list(task.labels)
        if labels.count(OUTSIDE) != 1:
            raise ValueError(f"labels must contain {OUTSIDE} once")
        self._outside = labels.index(OUTSIDE)
        self._sources = _sources(task)
        self.types = tuple(self._sources)
        """Types of entity, as they are answered, in the order of the card."""
        self.names = (OUTSIDE, *(f"{prefix}-{name}" for name in self.types for prefix in "BI"))
        """Names of the columns."""
        in_order = [self._outside]
        for source in self._sources.values():
            in_order += [*source.begins, *source.continues]
        self._are_labels = in_order == list(range(len(self.names))) == list(range(len(labels)))

    def of(self, label_logs: FloatArray) -> FloatArray:
        """Log-probabilities of the labels, FP32 [words, labels], as those of the columns, [words,
        columns].
        """
        if self._are_labels:
            return label_logs
        given = np.exp(label_logs)
        columns = [given[:, self._outside]]
        for source in self._sources.values():
            begins = given[:, source.begins].sum(axis=1)
            if source.continues:
                columns += [begins, given[:, source.continues].sum(axis=1)]
            else:
                # One label says that the type is there: it goes on as far as the word before has it too.
                before = np.concatenate([np.zeros(1, dtype=given.dtype), begins[:-1]])
                columns += [begins * (1 - before), begins * before]
        logs: FloatArray = np.log(np.maximum(np.stack(columns, axis=1), SMALLEST)).astype(np.float32)
        return logs


def _sources(task: TokenClassification) -> dict[str, _Source]:
    scheme = task.scheme or TaggingScheme.TAGGING_SCHEME_IOB2
    types = {declared.label: declared.type for declared in task.entity_types}
    for name in types.values():
        if not _TYPE.fullmatch(name):
            raise ValueError(f"entity_types: {name or 'an empty type'} is not in UPPER_SNAKE_CASE")
    begins: dict[str, list[int]] = {name: [] for name in types.values()}
    continues: dict[str, list[int]] = {name: [] for name in types.values()}
    for place, label in enumerate(task.labels):
        if label == OUTSIDE:
            continue
        is_whole = scheme == TaggingScheme.TAGGING_SCHEME_IO
        prefix, _, stem = ("", "", label) if is_whole else label.partition("-")
        if stem not in types:
            raise ValueError(f"labels: {label} is of no type in entity_types")
        if is_whole or prefix in _BEGINS[scheme]:
            begins[types[stem]].append(place)
        elif prefix in _CONTINUES[scheme]:
            continues[types[stem]].append(place)
        else:
            raise ValueError(f"labels: {label} is not of {TaggingScheme.Name(scheme)}")
    found = {}
    for name, own in begins.items():
        if not own and not continues[name]:
            raise ValueError(f"entity_types: no label is of type {name}")
        # A type of which no label says that it begins is told by one label.
        found[name] = (
            _Source(tuple(own), tuple(continues[name])) if own else _Source(tuple(continues[name]), ())
        )
    return found
