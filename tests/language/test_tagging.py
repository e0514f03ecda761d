"""Whatever labels and scheme a tagger has, its words are read from the same columns."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from medmesh.common.v1.serving_pb2 import TokenClassification
from services.language.decoding import decode
from services.language.tagging import Columns

DISEASE = 'entity_types { label: "Disease" type: "DISEASE" }'


def task(labels, scheme="IOB2", types=DISEASE):
    quoted = ", ".join(f'"{label}"' for label in labels)
    return text_format.Parse(
        f"labels: [{quoted}] scheme: TAGGING_SCHEME_{scheme} {types}", TokenClassification()
    )


def read(columns, *rows):
    """The entities of words with these probabilities of the card's labels."""
    logs = columns.of(np.log(np.array(rows, dtype=np.float32) + 1e-9))
    return [(span.first, span.last, span.label) for span in decode(logs, columns.names)]


def test_labels_in_the_order_of_the_columns_pass_as_they_are():
    columns = Columns(task(["O", "B-Disease", "I-Disease"]))
    assert columns.names == ("O", "B-DISEASE", "I-DISEASE")
    logs = np.log(np.array([[0.2, 0.7, 0.1]], dtype=np.float32))
    assert columns.of(logs) is logs


def test_labels_in_any_other_order_are_put_in_order():
    columns = Columns(task(["I-Disease", "O", "B-Disease"]))
    assert read(columns, [0.05, 0.05, 0.9], [0.9, 0.05, 0.05], [0.1, 0.8, 0.1]) == [(0, 2, "DISEASE")]


def test_single_and_ending_words_are_beginnings_and_continuations():
    columns = Columns(task(["O", "B-Disease", "I-Disease", "E-Disease", "S-Disease"], "BIOES"))
    single, begin, end = [0, 0.05, 0, 0, 0.95], [0, 0.9, 0, 0, 0.1], [0, 0, 0.1, 0.9, 0]
    assert read(columns, single, single, begin, end) == [
        (0, 1, "DISEASE"),
        (1, 2, "DISEASE"),
        (2, 4, "DISEASE"),
    ]


def test_without_beginnings_neighbours_are_one_entity_and_its_probability_stays_high():
    columns = Columns(task(["O", "Disease"], "IO"))
    sick, well = [0.04, 0.96], [0.96, 0.04]
    assert read(columns, sick, sick, well, sick) == [(0, 2, "DISEASE"), (3, 4, "DISEASE")]
    logs = columns.of(np.log(np.array([well, sick, well], dtype=np.float32)))
    [span] = decode(logs, columns.names)
    assert span.probability == pytest.approx(0.96 * 0.96, abs=0.04)


def test_a_type_without_a_beginning_label_is_read_so_too():
    assert read(Columns(task(["O", "I-Disease"])), [0.1, 0.9], [0.1, 0.9]) == [(0, 2, "DISEASE")]


def test_labels_of_one_type_count_together():
    both = 'entity_types { label: "Sign" type: "DISEASE" } entity_types { label: "Disorder" type: "DISEASE" }'
    columns = Columns(task(["O", "B-Sign", "I-Sign", "B-Disorder", "I-Disorder"], types=both))
    assert columns.types == ("DISEASE",)
    assert read(columns, [0.4, 0.35, 0, 0.25, 0]) == [(0, 1, "DISEASE")]


@pytest.mark.parametrize(
    ("labels", "scheme", "field"),
    [
        (["B-Disease", "I-Disease"], "IOB2", "labels must contain O"),
        (["O", "B-Disease", "B-Drug"], "IOB2", "labels: B-Drug is of no type"),
        (["O", "B-Disease", "E-Disease"], "IOB2", "labels: E-Disease is not of TAGGING_SCHEME_IOB2"),
        (["O"], "IOB2", "entity_types: no label is of type DISEASE"),
    ],
)
def test_labels_that_fit_neither_types_nor_scheme_are_refused(labels, scheme, field):
    with pytest.raises(ValueError, match=field):
        Columns(task(labels, scheme))


def test_a_type_that_would_not_be_linked_for_its_spelling_is_refused():
    types = 'entity_types { label: "Disease" type: "Disease" }'
    with pytest.raises(ValueError, match="entity_types: Disease is not in UPPER_SNAKE_CASE"):
        Columns(task(["O", "B-Disease", "I-Disease"], types=types))
