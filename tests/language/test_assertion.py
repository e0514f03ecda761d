"""The assertion rules: what single phrases do, and that they neither cut entities nor slow down."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.language.assertion import assert_entities
from services.language.assertion_lexicon import Lexicon, default_lexicon
from services.language.entities import Assertion, EntityType, Span
from services.language.sentences import split_sentences

CASES = [
    ("There is pneumonia.", "pneumonia", Assertion.PRESENT, []),
    ("No evidence of pneumonia.", "pneumonia", Assertion.ABSENT, ["No evidence of"]),
    ("Denies fever, chills, or cough.", "cough", Assertion.ABSENT, ["Denies"]),
    ("No change in the effusion.", "effusion", Assertion.PRESENT, []),
    ("Cannot rule out pneumonia.", "pneumonia", Assertion.POSSIBLE, ["Cannot rule out"]),
    ("Pneumonia cannot be excluded.", "Pneumonia", Assertion.POSSIBLE, ["cannot be excluded"]),
    ("Return if fever.", "fever", Assertion.HYPOTHETICAL, ["Return if"]),
    ("Refused insulin for diabetes.", "diabetes", Assertion.PRESENT, []),
    ("Interval resolution of the pneumonia.", "pneumonia", Assertion.ABSENT, ["Interval resolution of"]),
    ("No effusion, but there is edema.", "edema", Assertion.PRESENT, ["there is"]),
    ("Atelectasis versus pneumonia.", "Atelectasis", Assertion.POSSIBLE, ["versus"]),
    ("PMH: asthma, gout", "gout", Assertion.HISTORICAL, ["PMH"]),
    ("Cough and prior stroke.", "Cough", Assertion.PRESENT, []),
    ("Stroke, remote.", "Stroke", Assertion.HISTORICAL, ["remote"]),
    ("s/p stroke in 2015", "stroke", Assertion.HISTORICAL, ["in 2015"]),
    ("No family history of stroke.", "stroke", Assertion.FAMILY, ["No family history of"]),
    ("Mother had breast cancer.", "breast cancer", Assertion.FAMILY, ["Mother had"]),
]


def find(text: str, words: str) -> Span:
    start = text.index(words)
    return Span(start, start + len(words), EntityType.DISEASE)


@pytest.mark.parametrize(("text", "words", "assertion", "triggers"), CASES)
def test_a_phrase_decides_and_is_named(text, words, assertion, triggers):
    (result,) = assert_entities(text, [find(text, words)])
    assert result.assertion is assertion
    assert [text[t.start : t.end] for t in result.triggers][: len(triggers)] == triggers


def test_a_phrase_may_speak_of_drugs_only():
    text = "Allergic to penicillin, refused insulin for her diabetes."
    drugs = [
        Span(text.index(w), text.index(w) + len(w), EntityType.CHEMICAL) for w in ("penicillin", "insulin")
    ]
    results = assert_entities(text, [*drugs, find(text, "diabetes")])
    assert [r.assertion for r in results] == [Assertion.ALLERGY, Assertion.ABSENT, Assertion.PRESENT]


def test_results_stand_in_the_order_of_the_entities():
    text = "No fever. Cough."
    cough, fever = find(text, "Cough"), find(text, "fever")
    results = assert_entities(text, [cough, fever])
    assert [r.assertion for r in results] == [Assertion.PRESENT, Assertion.ABSENT]


def test_a_trigger_inside_an_entity_does_not_speak():
    text = "Non-ST elevation myocardial infarction without prior history."
    span = find(text, "Non-ST elevation myocardial infarction")
    assert assert_entities(text, [span])[0].assertion is Assertion.PRESENT


def test_a_section_ends_with_the_next_header():
    text = "Family history: diabetes\nHPI: cough\nPMH: gout\nPlan: treat fever"
    results = assert_entities(text, [find(text, w) for w in ("diabetes", "cough", "gout", "fever")])
    assert [r.assertion.value for r in results] == ["family", "present", "historical", "present"]


def test_sentences_cover_the_note_and_cut_no_entity():
    text = "1. No mass.\n2. Dr. Ho saw C. diff. colitis here. Lungs are\nclear. Yes."
    span = find(text, "C. diff. colitis")
    sentences = list(split_sentences(text, [span]))
    assert [s for s, _ in sentences[1:]] == [e for _, e in sentences[:-1]]
    assert (sentences[0][0], sentences[-1][1]) == (0, len(text))
    assert all(not start < span.start + 1 < end or span.end <= end for start, end in sentences)
    assert text[sentences[0][0] : sentences[0][1]] == "1. No mass."


def test_a_malformed_lexicon_line_is_named(tmp_path):
    path = tmp_path / "triggers.tsv"
    path.write_text("# head\nno\tabsent\tforward\nnope\tsometimes\tforward\n")
    with pytest.raises(ValueError, match="line 3"):
        Lexicon.read(path)


PIECES = st.sampled_from(
    ["no", "denies", ",", "or", "and", "history of", ".", "\n", ":", "mass", "Ä🫁", "is", "?", "PMH:"]
)


@given(st.lists(PIECES, max_size=60), st.data())
@settings(deadline=None)
def test_any_text_gets_one_result_an_entity_and_triggers_inside_the_text(pieces, data):
    text = " ".join(pieces)
    starts = data.draw(st.lists(st.integers(0, len(text) - 1), max_size=6)) if text else []
    spans = [Span(s, data.draw(st.integers(s + 1, len(text))), EntityType.DISEASE) for s in starts]
    results = assert_entities(text, spans)
    assert len(results) == len(spans)
    assert all(0 <= t.start < t.end <= len(text) for r in results for t in r.triggers)


def seconds(garbage: str, length: int) -> float:
    text = (garbage * (length // len(garbage) + 1))[:length]
    spans = [Span(start, start + 1, EntityType.DISEASE) for start in range(0, length, 400)]
    begin = time.process_time()
    assert_entities(text, spans)
    return time.process_time() - begin


GARBAGE = (
    *("no ", "x, ", "denied ", ". ", "\n", "\n\n", " ", "\t", "if rash or ", "in 2015 ", "(", "?", "? ", ":"),
    *(
        "a: ",
        "a" * 50,
        "- ",
        "[ ] ",
        "| ",
        "PMH:\n",
        "family history: ",
        "patient has ",
        "no\n",
        "a.",
        "yes\n",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
def test_four_times_the_garbage_takes_four_times_the_work(garbage):
    default_lexicon()
    assert_entities("PMH: none", [])
    small = min(seconds(garbage, 6_000) for _ in range(2))
    assert min(seconds(garbage, 24_000) for _ in range(2)) < 9 * max(small, 0.01)  # a square is 16
