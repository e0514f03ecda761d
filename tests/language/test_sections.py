"""Where sections and sentences begin and end, and that typography changes no offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.language.assertion_lexicon import default_lexicon
from services.language.entities import Assertion, EntityType, Span
from services.language.sections import known_headers, split_sections
from services.language.sentences import line_breaks, split_sentences
from services.language.typography import plain


def headers(text: str, *entities: str) -> list[tuple[str, str]]:
    """Each section as (header, what a disease is in it)."""
    spans = [Span(text.index(e), text.index(e) + len(e), EntityType.DISEASE) for e in entities]
    found = []
    for section in split_sections(text, spans, default_lexicon()):
        default = section.default(EntityType.DISEASE)
        found.append((text[section.start : section.body].strip(), default.kind.value if default else "none"))
    return found


@pytest.mark.parametrize(
    "note",
    [
        "FAMILY HISTORY: gout",
        "Family History\ngout",
        "## Family history\ngout",
        "- family history: gout",
        "...for 3 days.FAMILY HISTORY: gout",
        "Implants: none Family history: gout",
        "...with FAMILY\nHISTORY: gout",
        "examinationFAMILY HISTORY: gout",
        "None.FAMILY HISTORY1. gout",
    ],
)
def test_a_header_counts_wherever_it_stands(note):
    assert [kind for _, kind in headers(note)][-1] == "family"


def test_words_before_a_colon_are_no_header_where_they_state_something():
    assert headers("PMH: gout\nMother: diabetes\nDiabetes: on diet\nDenies: fever", "Diabetes: on") == [
        ("PMH:", "historical")
    ]
    assert headers("PMH: gout\nAnything else: no") == [("PMH:", "historical")]
    assert headers("PMH: gout\nSocial situation: alone") == [("PMH:", "historical"), ("", "none")]


def test_an_inner_header_keeps_what_the_section_says_and_a_none_ends_it():
    assert headers("PMH: Cardiac: infarct") == [("PMH:", "historical"), ("Cardiac:", "historical")]
    assert headers("PMH: None. Gout") == [("PMH:", "historical"), ("", "none")]
    assert headers("Family history: negative. Patient has gout.") == [
        ("Family history:", "family"),
        ("", "none"),
    ]
    assert headers("Family history: father with gout. Patient has gout.")[-1] == ("", "none")


def test_every_header_means_something_for_diseases_and_chemicals():
    assert known_headers()["allergies"].defaults == {
        EntityType.DISEASE: Assertion.HISTORICAL,
        EntityType.CHEMICAL: Assertion.ALLERGY,
    }
    assert all(words == words.lower() and words.strip() for words in known_headers())


@given(st.text("aA.:\n •-[]x1?", max_size=80))
def test_sections_and_their_sentences_cover_the_note_once(text):
    at = 0
    for section in split_sections(text, [], default_lexicon()):
        assert (section.start, section.body <= section.end) == (at, True)
        inside = section.body
        for start, end in split_sentences(text, [], section.body, section.end):
            assert start == inside < end
            inside = end
        assert inside == section.end
        at = section.end
    assert at == len(text)


@pytest.mark.parametrize(
    ("note", "breaks"),
    [
        ("No evidence of\nPE or DVT", 0),
        ("The patient was seen in the morning and had\nFever", 0),
        ("No fever\nCough for three days", 1),
        ("Asthma  No\nStroke  Yes", 1),
        ("Positive for:\n- fever\n- cough", 2),
        ("Fever\n\nCough", 2),
        ("Seen by Dr.\nSmith", 0),
    ],
)
def test_a_line_end_is_white_space_unless_the_lines_say_otherwise(note, breaks):
    assert len(line_breaks(note)) == breaks


@given(st.text(max_size=60))
def test_plain_text_keeps_every_offset(text):
    assert len(plain(text)) == len(text)
    assert "\r" not in plain(text)


def test_marks_of_every_origin_become_the_plain_ones():
    assert plain("\u201cDenies\u201d\u00a0fever \u2013 no\u2011one\u2026 \uff2e\uff4f\r\nok\r\x93q\x94") == (
        '"Denies" fever - no-one. No \nok\n"q"'
    )
