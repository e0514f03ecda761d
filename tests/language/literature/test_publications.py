"""What a publication is divided into, and when it is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.language.literature.publications import Publication, passages

TEXT = (
    "BACKGROUND: Ketoconazole may harm the liver. We studied 100 patients.\nRESULTS: None had hepatitis. "
    "One had nausea. The dose was 0.4 mg/kg."
)


def test_a_passage_has_three_sentences_at_most_and_says_where_it_stands():
    first, second = passages(Publication("1", text=TEXT))
    assert first.text == TEXT[first.start : first.end]
    assert first.text.startswith("BACKGROUND")
    assert first.text.endswith("None had hepatitis.")
    assert second.text == "One had nausea. The dose was 0.4 mg/kg."
    assert TEXT[second.start : second.end] == second.text


def test_a_publication_without_a_text_is_its_title():
    [only] = passages(Publication("1", title="Quinidine hepatitis.", text=" \n"))
    assert (only.text, only.start, only.end) == ("Quinidine hepatitis.", 0, 0)


@given(st.text(alphabet="aB. \n\u00e9\U0001f642?", max_size=4000))
def test_passages_hold_every_word_once_in_their_order(text):
    if not text.strip():
        return
    found = passages(Publication("1", text=text))
    assert "".join("".join(one.text.split()) for one in found) == "".join(text.split())
    assert all(text[one.start : one.end] == one.text and len(one.text) <= 2100 for one in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_a_text_without_sentences_is_cut_at_white_space():
    found = passages(Publication("1", text="word " * 2000))
    assert len(found) > 5
    assert {word for one in found for word in one.text.split()} == {"word"}


@pytest.mark.parametrize(
    ("publication", "problem"),
    [
        (Publication("1"), "neither a title nor a text"),
        (Publication("1", title=" "), "neither a title nor a text"),
        (Publication("1", text="\x00\x01"), "its text is not text"),
        (Publication("a\x00", text="Fine."), "its id is not text"),
        (Publication("1", title="\x07bell", text="Fine."), "its title is not text"),
    ],
)
def test_what_cannot_be_indexed_says_why(publication, problem):
    assert problem in publication.problem()


def test_only_equal_publications_have_one_digest():
    one = Publication("1", title="A", text="B", year=2001)
    assert one.digest() == Publication("2", title="A", text="B", year=2001).digest()
    for other in (Publication("1", title="A", text="B"), Publication("1", title="AB", year=2001)):
        assert other.digest() != one.digest()
