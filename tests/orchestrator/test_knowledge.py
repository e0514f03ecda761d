"""The known conditions are complete, their codes are codes, and every number says where it comes from."""

from __future__ import annotations

import re

import pytest

from services.clinical.code_systems import ICD10CM, SNOMED
from services.language.entities import EntityType
from services.language.linking import Linker
from services.orchestrator.convert.declaration import declaration_of
from services.orchestrator.knowledge import load
from tests.orchestrator.cards import served_cards

LINKER = Linker()
KNOWLEDGE = load()
CONDITIONS = list(KNOWLEDGE.conditions.values())
_D = [
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
]
_P = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]


def verhoeff(number: str) -> bool:
    """Whether the last digit checks the others, as in every SNOMED CT identifier."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_D[check][int(_P[place % 8][int(digit)])])
    return check == 0


def test_the_check_digit_finds_a_typing_error():
    assert verhoeff("233604007")
    assert not verhoeff("233604008")
    assert not verhoeff("233640007")


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.key)
def test_a_condition_is_complete(condition):
    namings = [condition.naming, *(sign.naming for sign in condition.signs)]
    for naming in namings:
        assert all(verhoeff(code) for code in naming.snomed)
        assert all(re.fullmatch(r"[A-Z]\d[0-9A-Z]{1,5}", category) for category in naming.icd10cm)
        assert naming.synonyms
        assert all(synonym == synonym.strip().lower() for synonym in naming.synonyms)
    assert condition.setting
    assert condition.prior_source
    for sign in condition.signs:
        assert sign.source
        assert sign.present > 1
        assert sign.absent is None or 0 < sign.absent < 1


def test_what_the_served_models_bear_on_is_known():
    """Nothing that they are measured on is left out of the assessment."""
    borne_on = {(card.name, one.condition.code) for card in served_cards() for one in card.serving.evidence}
    assert borne_on
    for model, code in borne_on:
        assert KNOWLEDGE.of_code(code) is not None, model


@pytest.mark.parametrize("card", served_cards(), ids=lambda card: card.name)
def test_what_a_served_card_declares_can_be_weighed(card):
    declaration = declaration_of(card)
    for one in declaration.evidence:
        assert one.labels < set(declaration.labels)
        assert 0.5 <= one.auroc <= 1
        assert one.positive_count >= 3
        assert one.negative_count >= 3
        assert 0 <= one.outside_factor <= 1
        assert not one.within or declaration.on(one.within) is not None


def test_no_code_means_two_conditions_unless_one_is_a_kind_of_the_other():
    for one in CONDITIONS:
        for code in one.naming.snomed:
            named = KNOWLEDGE.named([(SNOMED, code)])
            assert [c.key for c in named] == [one.key]


def test_words_name_one_condition():
    for one in CONDITIONS:
        for word in one.naming.synonyms:
            assert one in KNOWLEDGE.named([], word), word
            assert len(KNOWLEDGE.named([], word)) == 1, word


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("J18.9", "pneumonia"),
        ("J15.9", "bacterial_pneumonia"),
        ("j12.81", "viral_pneumonia"),
        ("I61.4", "intracranial_hemorrhage"),
        ("S06.5X0A", "intracranial_hemorrhage"),
        ("E11.9", "diabetes"),
        ("J45.909", "asthma"),
    ],
)
def test_icd_codes_below_a_category_name_its_condition(code, expected):
    assert [c.key for c in KNOWLEDGE.named([(ICD10CM, code)])] == [expected]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("traumatic pneumothorax", {"pneumothorax"}),
        ("iatrogenic pneumothorax", {"pneumothorax"}),
        ("left DVT", {"deep_vein_thrombosis"}),
        ("right lower lobe collapse", {"atelectasis"}),
        ("legionella pneumonia", {"bacterial_pneumonia"}),
        ("hypertensive heart failure", {"hypertension", "heart_failure"}),
        ("hypertensive kidney disease", {"hypertension", "chronic_kidney_disease"}),
        ("right upper lobe lung cancer", {"lung_cancer"}),
        ("acute subdural hematoma", {"intracranial_hemorrhage"}),
        ("malignant pleural effusion", {"pleural_effusion"}),
        ("emphysematous changes", {"copd"}),
        ("metastatic cancer to lung", set()),
        ("subcutaneous emphysema", set()),
        ("old stroke", set()),
        ("pulmonary nodules", set()),
    ],
)
def test_what_a_note_names_bears_on_its_condition_and_no_other(words, expected):
    codes = [(c.system, c.code) for c in LINKER.codes(words, EntityType.DISEASE)]
    assert {c.key for c in KNOWLEDGE.named(codes, words)} == expected


@pytest.mark.parametrize("code", ["J09", "I6", "Z99.9", "E12"])
def test_other_icd_codes_name_nothing(code):
    assert KNOWLEDGE.named([(ICD10CM, code)]) == []


def test_a_kind_is_rarer_than_the_whole():
    for condition in CONDITIONS:
        for broader in KNOWLEDGE.broader(condition):
            assert condition.prior < broader.prior


def test_words_are_found_whatever_their_case_and_spacing():
    assert [c.key for c in KNOWLEDGE.named([], " Pleural\n Effusion.")] == ["pleural_effusion"]
    assert KNOWLEDGE.named([], "pleural") == []


def test_reliabilities_lie_between_guessing_and_certainty():
    assert 0.5 <= KNOWLEDGE.record.precision < 1
    assert KNOWLEDGE.record.source
    for statement in KNOWLEDGE.note.values():
        assert 0 < statement.rate_if_ill < 1
        assert 0 < statement.rate_if_well < 1
        assert 0.5 <= statement.precision <= 1
        assert statement.source
