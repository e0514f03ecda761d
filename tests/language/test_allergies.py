"""What a section on allergies names and nobody recognised is said."""

from __future__ import annotations

import pytest

from services.language.allergies import allergy_notices
from services.language.assertion import assert_entities
from services.language.entities import Entity, EntityType, Span
from services.language.linking import default_linker


def entities(note: str, *surfaces: str, kind=EntityType.CHEMICAL) -> list[Entity]:
    spans = [Span(note.index(text), note.index(text) + len(text), kind) for text in surfaces]
    results = assert_entities(note, spans)
    return [
        Entity(span, note[span.start : span.end], 1.0, result.assertion, result.triggers, None)
        for span, result in zip(spans, results, strict=True)
    ]


@pytest.mark.parametrize(
    ("note", "known"),
    [
        ("Allergies: Blorptex.", []),
        ("ALLERGIES:\nBlorptex\n\nPLAN: rest", []),
        ("HPI: fever.ALLERGIES: shellfish. MEDICATIONS: aspirin.", ["aspirin"]),
    ],
)
def test_an_allergy_that_was_not_recognised_is_said(note, known):
    [notice] = allergy_notices(note, entities(note, *known))
    assert (notice.reason, notice.review_required) == ("ALLERGIES_NOT_READ", True)
    assert notice.places == ("line 1",)
    assert "Blorptex" not in notice.message


@pytest.mark.parametrize(
    ("note", "known"),
    [
        ("Allergies: penicillin, Blorptex.", ["penicillin"]),
        ("Allergies: NKDA.", []),
        ("ALLERGIES: None.\nPLAN: rest.", []),
        ("Allergies: No known drug allergies.", []),
        ("Allergies:\n\nPlan: rest.", []),
        ("Fever and cough.", []),
    ],
)
def test_what_is_read_or_denied_is_not(note, known):
    assert allergy_notices(note, entities(note, *known)) == []


@pytest.mark.parametrize("name", ["PCN", "penicillin", "sulfa", "codeine", "Pen V", "ASA"])
def test_a_drug_or_class_is_known_by_its_name_though_it_has_no_code(name):
    assert default_linker().names_drug(name)


@pytest.mark.parametrize("name", ["hives", "cough", "lisinopril cough", "rash", "PE", "MS"])
def test_what_is_no_drug_alone_is_none(name):
    assert not default_linker().names_drug(name)
