"""The notes from which the tagger of identifiers learns."""

from __future__ import annotations

import pytest

from services.language.deidentification.identifiers import Kind
from training.deidentification.makers import OWN_OF_TEST, Maker
from training.deidentification.synthetic import Marked
from training.identifier_tagger.people import with_people


@pytest.mark.parametrize("seed", range(40))
def test_a_role_becomes_a_name_and_what_was_marked_stays_marked(seed):
    text = "On 3/5/2019 the patient told his wife that the surgeon called from Dallas."
    known = ((3, 11, Kind.DATE), (67, 73, Kind.LOCATION))
    made = with_people(Marked(text, known), Maker("train", seed), ["foot", "aspirin"])
    names = [made.text[start:end] for start, end, kind in made.identifiers if kind is Kind.NAME]
    rest = [(made.text[start:end], kind) for start, end, kind in made.identifiers if kind is not Kind.NAME]
    assert rest == [("3/5/2019", Kind.DATE), ("Dallas", Kind.LOCATION)]
    assert len(names) == 3
    assert "the patient" not in made.text
    assert not {part for name in names for part in name.split()} & OWN_OF_TEST


def test_a_sentence_without_a_role_stays():
    text = Marked("The abdomen is soft.", ())
    assert with_people(text, Maker("train", 1), ["foot"]) == text
