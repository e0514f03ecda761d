"""The decoder finds the most likely valid sequence, and says how likely each entity is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.language.decoding import assemble, decode, viterbi, word_log_probabilities
from services.language.windows import windows
from tests.language.conftest import LABELS


def logs(*rows):
    values = np.array(rows, dtype=np.float32)
    return np.log(np.maximum(values / values.sum(axis=1, keepdims=True), 1e-9))


def valid(path):
    previous = "O"
    for index in path:
        label = LABELS[index]
        if label.startswith("I-") and previous not in {f"B-{label[2:]}", label}:
            return False
        previous = label
    return True


@given(st.integers(1, 4), st.integers(0, 10_000))
def test_viterbi_equals_the_best_of_all_valid_sequences(length, seed):
    table = logs(*np.random.default_rng(seed).uniform(0.01, 1, (length, len(LABELS))))
    paths = filter(valid, itertools.product(range(len(LABELS)), repeat=length))
    best = max(paths, key=lambda path: sum(table[word, label] for word, label in enumerate(path)))
    assert viterbi(table, LABELS) == list(best)


def test_an_inside_label_never_starts_an_entity():
    spans = decode(logs([0.3, 0.2, 0.4, 0.05, 0.05]), LABELS)
    assert all(span.first == 0 and span.label == "DISEASE" for span in spans)
    assert valid(viterbi(logs([0.1, 0.05, 0.75, 0.05, 0.05]), LABELS))


def test_neighbouring_entities_stay_apart():
    disease, inside, chemical = [1, 9, 1, 1, 1], [1, 1, 9, 1, 1], [1, 1, 1, 9, 1]
    spans = decode(logs(disease, inside, disease, chemical), LABELS)
    assert [(span.first, span.last, span.label) for span in spans] == [
        (0, 2, "DISEASE"),
        (2, 3, "DISEASE"),
        (3, 4, "CHEMICAL"),
    ]


def test_no_entity_reaches_over_a_break():
    disease, inside = [0.01, 0.96, 0.01, 0.01, 0.01], [0.01, 0.3, 0.67, 0.01, 0.01]
    table = logs(disease, inside)
    assert [(span.first, span.last) for span in decode(table, LABELS)] == [(0, 2)]
    assert [(span.first, span.last) for span in decode(table, LABELS, breaks=[1])] == [(0, 1), (1, 2)]


def test_the_probability_is_that_of_exactly_this_span():
    spans = decode(logs([0.1, 0.9, 0, 0, 0], [0.2, 0, 0.8, 0, 0], [0.75, 0, 0.25, 0, 0]), LABELS)
    assert [span.probability for span in spans] == [pytest.approx(0.9 * 0.8 * 0.75)]


def test_a_word_takes_the_geometric_mean_of_its_pieces():
    pieces = np.array([[0.8, 0.2], [0.2, 0.8], [0.9, 0.1]], dtype=np.float32)
    words = np.exp(word_log_probabilities(pieces, [(0, 2), (2, 3)]))
    assert words == pytest.approx(np.array([[0.5, 0.5], [0.9, 0.1]]), abs=1e-6)


def test_an_empty_text_has_no_entities():
    assert viterbi(np.zeros((0, 5), dtype=np.float32), LABELS) == []


def test_each_token_of_a_long_text_is_taken_from_the_window_that_owns_it():
    cuts = list(windows(np.arange(500), 126, 48))
    rows = []
    for cut in cuts:
        row = np.full((128, 2), -1, dtype=np.float32)
        row[1 : 1 + cut.end - cut.start, 0] = np.arange(cut.start, cut.end)
        rows.append(row)
    assert assemble(cuts, rows, 500)[:, 0].tolist() == list(range(500))
