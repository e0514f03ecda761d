"""The terminology adds what the tagger missed, widens what it cut, and leaves the rest alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from services.language.consistency import decode_note
from services.language.decoding import WordSpan
from services.language.entities import EntityType
from services.language.linking import default_linker
from services.language.recovery import (
    CONFIDENCE,
    LEAST_SUPPORT,
    LEAST_SUPPORT_OF_SHORTHAND,
    default_terms,
    recover,
)
from services.language.vocabulary import read_terms, term_words
from tests.language.conftest import LABELS

TERMS = default_terms()
DISEASE, CHEMICAL = EntityType.DISEASE, EntityType.CHEMICAL


def logs(words, support):
    """Every word is most likely "O"; `support` is what the others share."""
    values = np.full((len(words), len(LABELS)), 0.0, dtype=np.float32)
    values[:, 0] = 1 - np.asarray(support)
    values[:, 1:] = np.asarray(support, dtype=np.float32).reshape(-1, 1) / 4
    return np.log(values)


def recovered(text, support=0.1, spans=(), breaks=()):
    words = text.split()
    found = recover(logs(words, np.full(len(words), support)), words, spans, TERMS, breaks)
    return [(" ".join(words[span.first : span.last]), span.label) for span in found]


def test_a_term_that_the_tagger_missed_becomes_an_entity_with_a_constant_confidence():
    words = ["No", "pneumothorax", "is", "seen", "."]
    table = logs(words, np.full(len(words), 0.05))
    assert decode_note(table, words, LABELS) == []
    expected = WordSpan(1, 2, "DISEASE", CONFIDENCE, from_terminology=True, stands_for="pneumothorax")
    assert recover(table, words, [], TERMS) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("night sweats and chills", ["night sweats", "chills"]),
        ("a small effusion , no consolidation", ["effusion", "consolidation"]),
        ("dyspnoea , haemoptysis", ["dyspnoea", "haemoptysis"]),
        ("deep vein thrombosis", ["deep vein thrombosis"]),
        ("known COPD", ["COPD"]),
    ],
)
def test_the_longest_term_is_found_however_it_is_spelled(text, expected):
    assert recovered(text) == [(words, "DISEASE") for words in expected]


@pytest.mark.parametrize(
    "text",
    [
        "we would add amlodipine",  # ADD
        "wears hearing aids",  # AIDS
        "a cold morning",
        "ST depression in V3",
        "tetanus shot given",
        "second pregnancy",
        "history of appendectomy",
        "night . sweats",
        "pneumothorax - free",
        "post - pneumonia",
        "the dog",
    ],
)
def test_words_that_may_mean_something_else_are_no_entity(text):
    found = [words for words, label in recovered(text) if label == "DISEASE"]
    assert found == []


def test_the_tagger_may_refuse_a_term():
    assert recovered("urticaria", LEAST_SUPPORT + 0.001) == [("urticaria", "DISEASE")]
    assert recovered("urticaria", LEAST_SUPPORT - 0.001) == []
    assert recovered("SIADH", LEAST_SUPPORT_OF_SHORTHAND + 0.001) == [("SIADH", "DISEASE")]
    assert recovered("SIADH", LEAST_SUPPORT_OF_SHORTHAND - 0.001) == []


def test_what_images_show_and_plain_abbreviations_are_found_whatever_the_tagger_says():
    assert recovered("pneumothorax , known COPD", 0.001) == [("pneumothorax", "DISEASE"), ("COPD", "DISEASE")]


@pytest.mark.parametrize("words", ["cardiomediastinal", "pleural spaces", "bony structures"])
def test_a_part_of_the_body_is_no_disease(words):
    count = len(words.split())
    assert recovered(words, spans=[WordSpan(0, count, "DISEASE", 0.9)]) == []


def test_a_term_that_holds_what_the_tagger_found_replaces_it():
    thrombosis = WordSpan(2, 3, "DISEASE", 0.9)
    assert recovered("deep vein thrombosis", spans=[thrombosis]) == [("deep vein thrombosis", "DISEASE")]
    parts = [WordSpan(0, 1, "DISEASE", 0.9), WordSpan(1, 3, "DISEASE", 0.9)]
    assert recovered("giant cell arteritis", spans=parts) == [("giant cell arteritis", "DISEASE")]


def test_what_the_tagger_found_is_never_cut():
    longer = WordSpan(0, 2, "DISEASE", 0.9)
    assert recovered("tension pneumothorax", spans=[longer]) == [("tension pneumothorax", "DISEASE")]


def test_only_an_entity_that_is_the_very_term_takes_its_type():
    chemical = WordSpan(2, 3, "CHEMICAL", 0.9)
    assert recovered("deep vein thrombosis", spans=[chemical]) == [("thrombosis", "DISEASE")]
    part = WordSpan(0, 2, "CHEMICAL", 0.9)
    both = [("deep vein", "CHEMICAL"), ("thrombosis", "DISEASE")]
    assert recovered("deep vein thrombosis", spans=[part]) == both
    same = WordSpan(0, 1, "DISEASE", 0.9)
    words = ["pneumothorax"]
    assert recover(logs(words, [0.9]), words, [same], TERMS) == [same]


def test_no_term_reaches_over_a_new_line_and_a_bullet_is_no_hyphen():
    assert recovered("night sweats", breaks=[1]) == []
    assert recovered("cough - pneumothorax", breaks=[1]) == [
        ("cough", "DISEASE"),
        ("pneumothorax", "DISEASE"),
    ]


def test_no_word_is_in_two_entities_and_the_order_is_the_texts():
    words = ("night sweats deep vein thrombosis pneumothorax warfarin " * 20).split()
    spans = [WordSpan(at, at + 1, "DISEASE", 0.9) for at, word in enumerate(words) if word == "thrombosis"]
    found = recover(logs(words, np.full(len(words), 0.2)), words, spans, TERMS)
    assert len(found) == 80
    assert all(a.last <= b.first for a, b in itertools.pairwise(found))


def test_what_is_listed_as_not_enough_alone_is_of_use():
    """Words that no term has are an error in the list."""
    linker = default_linker()
    for words in term_words("not_alone"):
        assert linker.codes(words, DISEASE) or linker.codes(words, CHEMICAL), words
        assert TERMS.find(words) is None
    for words in term_words("finding"):
        assert TERMS.find(words) == (DISEASE, LEAST_SUPPORT)


def test_no_drug_is_found_as_a_disease():
    for term, _ in read_terms(CHEMICAL):
        found = TERMS.find(term)
        assert found is None or found[0] is CHEMICAL, term


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 1), (1, 4)], ["right lower lobe urticaria"]),
        ([(0, 2), (2, 4)], ["right lower lobe urticaria"]),
        ([(0, 1), (3, 4)], ["urticaria"]),
        ([(0, 1)], []),
        ([(3, 4)], ["urticaria"]),
    ],
)
def test_a_side_alone_is_no_disease_but_belongs_to_the_one_behind_it(spans, expected):
    words = ["right", "lower", "lobe", "urticaria"]
    found = recover(
        logs(words, np.full(4, 0.001)), words, [WordSpan(*span, "DISEASE", 0.9) for span in spans], TERMS
    )
    assert [" ".join(words[span.first : span.last]) for span in found] == expected


def test_a_modifier_does_not_join_an_entity_of_another_type():
    words = ["acute", "aspirin"]
    spans = [WordSpan(0, 1, "DISEASE", 0.9), WordSpan(1, 2, "CHEMICAL", 0.9)]
    assert recover(logs(words, np.full(2, 0.001)), words, spans, TERMS) == spans[1:]
