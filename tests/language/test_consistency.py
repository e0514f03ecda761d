"""One word means one thing within a note, and an abbreviation what it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from services.language.consistency import abbreviations, agree, decode_note, stands_for
from services.language.decoding import WordSpan, decode
from tests.language.conftest import LABELS

SURE, UNSURE, OTHER = (
    [0.02, 0.9, 0.02, 0.04, 0.02],
    [0.5, 0.44, 0.02, 0.02, 0.02],
    [0.9, 0.04, 0.02, 0.02, 0.02],
)


def logs(*rows):
    values = np.array(rows, dtype=np.float32)
    return np.log(values / values.sum(axis=1, keepdims=True))


def test_a_plain_mention_helps_a_bare_one_of_the_same_word():
    table = logs(SURE, OTHER, UNSURE)
    assert [span.first for span in decode(table, LABELS)] == [0]
    agreed = agree(table, ["TET", "and", "Tet"])
    assert [span.first for span in decode(agreed, LABELS)] == [0, 2]
    assert agreed[1] == pytest.approx(table[1], abs=1e-5)
    assert np.exp(agreed).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_numbers_and_short_words_do_not_speak_for_each_other():
    table = logs([1, 9, 1, 1, 1], [9, 1, 1, 1, 1])
    for word in ("of", "2015", "..."):
        assert agree(table, [word, word]) == pytest.approx(table, abs=1e-5)


@pytest.mark.parametrize(
    ("short", "words", "expected"),
    [
        ("MTX", "methotrexate", True),
        ("COPD", "chronic obstructive pulmonary disease", True),
        ("TNSs", "transient neurologic symptoms", True),
        ("AVP", "arginine vasopressin", True),
        ("PD", "parkinson ' s disease", True),
        ("COPD", "pulmonary disease", False),
        ("MI", "femur", False),
    ],
)
def test_an_abbreviation_holds_letters_of_its_name_in_order(short, words, expected):
    assert stands_for(short, words.split()) is expected


def test_an_abbreviation_in_brackets_takes_the_type_of_the_name_before_it():
    words = ["chronic", "obstructive", "pulmonary", "disease", "(", "COPD", ")", ".", "Mild", "COPD"]
    assert abbreviations(words, [WordSpan(0, 4, "DISEASE", 0.9)]) == {"COPD": "DISEASE"}
    first, inside = [0.02, 0.94, 0.02, 0.01, 0.01], [0.02, 0.02, 0.94, 0.01, 0.01]
    bare = [0.9, 0.07, 0.01, 0.01, 0.01]
    table = logs(first, inside, inside, inside, OTHER, bare, OTHER, OTHER, OTHER, bare)
    found = decode_note(table, words, LABELS)
    assert [(span.first, span.last, span.label) for span in found] == [
        (0, 4, "DISEASE"),
        (5, 6, "DISEASE"),
        (9, 10, "DISEASE"),
    ]


def test_an_abbreviation_of_what_is_no_entity_is_none():
    words = ["after", "bile", "duct", "ligation", "(", "BDL", ")", "the"]
    assert abbreviations(words, []) == {"BDL": "O"}
    table = logs(*[OTHER] * 5, [0.4, 0.02, 0.02, 0.54, 0.02], OTHER, OTHER)
    assert [span.first for span in decode(table, LABELS)] == [5]
    assert decode_note(table, words, LABELS) == []


@pytest.mark.parametrize(
    "text", ["( COPD )", "asthma ( mild ) today", "asthma ( ABCDEFGHIJKL ) today", "a ("]
)
def test_other_brackets_mean_nothing(text):
    assert abbreviations(text.split(), []) == {}


def test_no_entity_ends_with_an_opening_bracket():
    first, inside = [0.02, 0.94, 0.02, 0.01, 0.01], [0.02, 0.02, 0.94, 0.01, 0.01]
    assert [
        (span.first, span.last) for span in decode_note(logs(first, inside), ["asthma", "("], LABELS)
    ] == [(0, 1)]


def test_an_entity_that_is_rather_wrong_than_right_is_none():
    words = ["renal", "failure", "then", "fever"]
    weak = [0.3, 0.6, 0.04, 0.03, 0.03], [0.3, 0.03, 0.6, 0.04, 0.03]
    table = logs(*weak, OTHER, SURE)
    assert [span.first for span in decode(table, LABELS)] == [0, 3]
    assert [(span.first, span.last) for span in decode_note(table, words, LABELS)] == [(3, 4)]
