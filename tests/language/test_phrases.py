"""What images show is found in the words of reports, however much stands in between."""

from __future__ import annotations

import itertools

import pytest

from services.language.decoding import WordSpan
from services.language.entities import EntityType
from services.language.linking import default_linker
from services.language.phrases import Phrases, with_findings
from services.language.vocabulary import read_images, term_words

PHRASES = Phrases()


def found(text, breaks=()):
    words = text.split()
    return [(" ".join(words[f.first : f.last]), f.term) for f in PHRASES.find(words, breaks)]


@pytest.mark.parametrize(
    ("text", "words", "term"),
    [
        ("an 8 mm nodule", "nodule", "nodule"),
        ("the heart is again noted to be mildly enlarged .", None, "heart enlarged"),
        ("stable enlarged cardiac silhouette", "enlarged cardiac silhouette", "enlarged cardiac silhouette"),
        ("blunting of the left costophrenic angle", None, "blunting costophrenic angle"),
        ("opacities in the right lower lobe", "opacities", "opacity in lobe"),
        ("fracture of the left clavicle", "fracture", "fracture of clavicle"),
        ("ground - glass opacities", None, "ground glass opacity"),
        ("multiple pulmonary nodules", None, "multiple pulmonary nodules"),
        ("pulmonary nodule", None, "pulmonary nodule"),
        ("calcified mediastinal and hilar nodes", None, "calcified mediastinal hilar node"),
    ],
)
def test_words_of_degree_and_place_may_stand_in_between(text, words, term):
    assert found(text) == [(words or text.removeprefix("the ").removesuffix(" ."), term)]


@pytest.mark.parametrize(
    "text",
    [
        "the heart is not enlarged",
        "heart size is normal",
        "the heart . enlarged",
        "body mass index",
        "mass casualties",
        "consolidation therapy",
        "pneumothorax - free",
        "edema - like",
        "upper limits of normal",
    ],
)
def test_other_words_name_nothing(text):
    assert found(text) == []


def test_no_term_reaches_over_a_new_thought():
    assert found("heart enlarged", breaks=[1]) == []
    assert [words for words, _ in found("effusion pneumothorax", breaks=[1])] == ["effusion", "pneumothorax"]


def test_a_longer_entity_of_the_tagger_stays_and_a_shorter_one_is_taken_in():
    words = ["thyroid", "nodule", "and", "airspace", "opacities"]
    thyroid, airspace = WordSpan(0, 2, "DISEASE", 0.9), WordSpan(3, 4, "DISEASE", 0.9)
    spans = with_findings(words, [thyroid, airspace], PHRASES, 0.6)
    assert spans == [thyroid, WordSpan(3, 5, "DISEASE", 0.6, True, "airspace opacity")]


def test_an_entity_that_overlaps_is_taken_in():
    words = ["bilateral", "airspace", "opacities"]
    spans = with_findings(words, [WordSpan(0, 2, "DISEASE", 0.9)], PHRASES, 0.6)
    assert [(span.first, span.last) for span in spans] == [(0, 3)]


def test_a_chemical_that_is_the_finding_becomes_one():
    [span] = with_findings(["nodule"], [WordSpan(0, 1, "CHEMICAL", 0.9)], PHRASES, 0.6)
    assert (span.label, span.from_terminology) == ("DISEASE", True)


def test_every_term_is_found_as_itself_and_has_one_code():
    linker = default_linker()
    codes = {}
    for term, _ in read_images():
        words = term.split()
        assert [(f.first, f.reach) for f in PHRASES.find(words)] == [(0, len(words))], term
        codes.setdefault(term.lower(), set()).add(linker.codes(term, EntityType.DISEASE)[:1])
    assert {term for term, found in codes.items() if len(found) > 1} == set()


def test_no_filler_denies():
    assert not term_words("filler").keys() & {"no", "not", "without", "nor", "never", "negative", "free"}


def test_no_word_is_in_two_findings():
    words = (
        "heart is enlarged with small effusions and airspace opacities in the left lower lobe . " * 50
    ).split()
    spans = with_findings(words, [], PHRASES, 0.6)
    assert len(spans) == 150
    assert all(a.last <= b.first for a, b in itertools.pairwise(spans))


def test_the_work_grows_with_the_note_alone(monkeypatch):
    """A word is looked at a bounded number of times, even where every word could begin a term."""
    looked = []
    plain = Phrases._is_filler
    monkeypatch.setattr(Phrases, "_is_filler", lambda self, reading: looked.append(1) or plain(self, reading))
    counted = []
    for times in (500, 1000):
        looked.clear()
        list(PHRASES.find(["heart", "mildly"] * times))
        counted.append(len(looked))
    assert counted[1] <= 2.1 * counted[0]
