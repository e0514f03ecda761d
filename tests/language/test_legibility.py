"""What could not be read is said, with its lines and without its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.rpc.notices import notice_messages
from services.language.languages import Languages
from services.language.legibility import damage_notices, language_notices


def said(note):
    return [(notice.reason, notice.places) for notice in [*language_notices(note), *damage_notices(note)]]


def test_another_language_is_noticed_with_its_lines():
    note = "The lungs are clear.\r\nKein Pneumothorax.\n\nThe heart is normal.\rSin derrame."
    [notice] = language_notices(note)
    assert notice.reason == "LANGUAGE_NOT_SUPPORTED"
    assert notice.places == ("line 2", "line 5")
    assert notice.review_required


def test_another_script_within_english_is_noticed_too():
    assert said("Patient 王小明 has fever.") == [("LANGUAGE_NOT_SUPPORTED", ("line 1",))]


def test_what_the_readers_read_is_named():
    both = Languages.from_tags(["en", "de-AT"])
    note = "The lungs are clear.\nKein Pneumothorax.\nSin derrame pleural."
    [notice] = language_notices(note, both)
    assert notice.places == ("line 3",)
    assert notice.message.startswith("Only English and German are read")
    assert language_notices(note, Languages.from_tags(["mul"])) == []


@pytest.mark.parametrize(
    "note",
    [
        "Pas de fi\u00c3\u00a8vre. The patient has a cough.",
        "The patient\u00e2\u20ac\u2122s fever",
        "no\ufffd fever in the night",
        "denies\u00c2\u00a0fever",
        "denies\u00c2 fever",
        "no fever \u0096 cough",
        "M\u00c3\u00a9ni\u00c3\u00a8re disease",
        "5 \u00c2\u00b5g of the drug",
    ],
)
def test_damaged_text_is_noticed(note):
    assert ("TEXT_DAMAGED", ("line 1",)) in said(note)


@pytest.mark.parametrize(
    "note",
    [
        "Pneumonia.",
        "naïve “quotes” \u2013 a dash… and 38 °C ± 0.5, 50 µg, ≥ 3",
        "Ménière, Sjögren, Guillain-Barré, Brønsted, façade",
        "temperature\t98.6\x0bF",
        "fever\u00a0and cough, follow\u2011up",
        "Fever 🤒, cough",
        "PaO₂ 60, CO₂ 40, ½ tablet",
    ],
)
def test_what_can_be_read_is_not_noticed(note):
    assert said(note) == []


def test_at_most_twenty_places_are_named():
    [notice] = notice_messages(language_notices("Kein Fieber.\n" * 30))
    assert len(notice.places) == 20
    assert notice.place_count == 30


@given(st.text(max_size=100))
def test_a_notice_never_quotes_the_note(text):
    word = "Zyklotron"
    note = f"Kein {word}. {text}"
    for notice in [*language_notices(note), *damage_notices(note)]:
        assert word not in notice.message + "".join(notice.places)
