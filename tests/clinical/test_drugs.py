"""The drug tables are sound, and a drug is one thing by whatever name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.clinical.drugs import (
    FOLDER,
    PARTS,
    DrugClass,
    Drugs,
    Ingredient,
    read_classes,
    read_ingredients,
)
from services.clinical.tables import rows
from services.clinical.words import Names, words

RECOMMENDATION = Path(FOLDER).parent / "recommendation"
SHAPES = {
    "snomed": r"[1-9]\d{5,17}",
    "rxnorm": r"[1-9]\d{0,7}",
    "unii": r"[0-9A-Z]{10}",
    "atc": r"[A-Z]\d\d[A-Z]{0,2}(\d\d)?",
}
VERHOEFF_PRODUCTS = (
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
)
VERHOEFF_PERMUTATION = "1576283094"


@pytest.fixture(scope="module")
def drugs():
    return Drugs.load()


def is_snomed(code: str) -> bool:
    """Whether the last digit is SNOMED CT's check digit (Verhoeff, D5) of the others."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = int(VERHOEFF_PERMUTATION[value])
        check = int(VERHOEFF_PRODUCTS[check][value])
    return check == 0


def test_a_wrong_digit_of_a_snomed_code_is_seen():
    assert is_snomed("22298006")
    assert not is_snomed("22298007")


def test_every_row_is_well_formed_and_names_a_source_that_the_notice_explains(drugs):
    notice = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    known = drugs.names | drugs.classes
    for name, system, code, _called, source in rows(FOLDER / "drug_codes.tsv", 5):
        assert name in known, (name, code)
        assert re.fullmatch(SHAPES[system], code), (name, code)
        assert system != "snomed" or is_snomed(code), (name, code)
        assert re.search(rf"\b{source}\b", notice), source
        found = drugs.by_code(f"{system}|{code}")
        assert name in found or (system == "atc" and found), (name, code)
    for _name, _groups, _further, _called, source in rows(FOLDER / "drug_classes.tsv", 5):
        assert re.search(r"WHO ATC|FDA EPC|FDA, Table|[Ll]abel|Beers|ring", source), source
    for _rxcui, name, source, _terms in rows(FOLDER / "drugs.tsv", 4):
        assert source == "-" or re.search(rf"^  {source}\b", notice, re.MULTILINE), (name, source)
    for name, _class, _substance, source in rows(FOLDER / "pharmacologic_classes.tsv", 4):
        assert name in drugs.names, name
        assert re.search(rf"\b{source}\b", notice), source
    for rxcui, name, source in rows(FOLDER / "drug_products.tsv", 3):
        assert re.fullmatch(SHAPES["rxnorm"], rxcui), name
        assert re.search(rf"\b{source}\b", notice), source


def test_the_codes_of_conditions_and_allergens_are_well_formed_and_have_their_sources():
    notice = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    groups = [
        (system, code, src) for _, system, code, _, src in rows(RECOMMENDATION / "condition_groups.tsv", 5)
    ]
    others = [
        (system, code, src) for _, _, system, code, _, src in rows(RECOMMENDATION / "other_allergens.tsv", 6)
    ]
    names = [("snomed", code, src) for code, _, src in rows(RECOMMENDATION / "condition_names.tsv", 3)]
    for system, code, source in (*groups, *others, *names):
        assert re.search(rf"\b{source}\b", notice), source
        assert system != "snomed" or is_snomed(code), code
        assert not system.startswith("icd10") or re.fullmatch(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?", code), (
            code
        )


def test_every_term_of_an_ingredient_leads_to_it(drugs):
    for ingredient in read_ingredients():
        parts = set(ingredient.name.split(PARTS))
        assert parts <= drugs.names
        for term in ingredient.terms:
            assert parts <= drugs.by_name(term), term
        if ingredient.rxcui and ingredient.is_checked:
            assert drugs.by_code(f"rxnorm|{ingredient.rxcui}") == parts, ingredient.name


def test_a_code_without_a_source_decides_nothing():
    for source, expected in (("medrt", {"gabapentin"}), ("unchecked", set())):
        row = Ingredient("25480", "gabapentin", ("gabapentin", "Neurontin"), source)
        found = Drugs([row], [], [("gabapentin", "atc", "N02BF01")], [])
        assert found.by_code("rxnorm|25480") == expected
        assert found.find(["rxnorm|25480"], ["Neurontin 300 mg"]) == {"gabapentin"}
        assert found.by_code("atc|N02BF01") == {"gabapentin"}


def test_few_codes_are_unchecked_and_none_of_them_is_found(drugs):
    unchecked = [row for row in read_ingredients() if not row.is_checked]
    assert all(drugs.by_code(f"rxnorm|{row.rxcui}") == frozenset() for row in unchecked)
    assert len(unchecked) < 0.05 * sum(bool(row.rxcui) for row in read_ingredients())


@pytest.mark.parametrize(
    ("drug_class", "members", "others"),
    [
        ("penicillins", {"amoxicillin", "piperacillin"}, {"clavulanate", "tazobactam", "ceftriaxone"}),
        ("z_drugs", {"zolpidem", "zaleplon", "eszopiclone", "zopiclone"}, {"diazepam"}),
        ("sulfonylureas", {"glipizide", "gliclazide", "tolbutamide"}, {"metformin"}),
        ("angiotensin_receptor_blockers", {"valsartan", "eprosartan"}, {"sacubitril", "amlodipine"}),
        ("direct_oral_anticoagulants", {"dabigatran", "apixaban"}, {"warfarin", "heparin"}),
        ("volatile_anesthetics", {"sevoflurane", "halothane"}, {"propofol"}),
        ("nsaids", {"ibuprofen", "nabumetone", "salsalate"}, {"mesalamine", "acetaminophen"}),
    ],
)
def test_a_class_is_made_of_its_groups(drugs, drug_class, members, others):
    assert members <= drugs.members(drug_class)
    assert not others & drugs.members(drug_class)
    assert all(drug_class in drugs.groups({member}) for member in members)


def test_every_class_has_members_and_its_further_ones_are_drugs(drugs):
    for row in read_classes():
        assert drugs.members(row.name) or row.name == "beta_lactams", row.name
    with pytest.raises(ValueError, match="no drug: unobtainium"):
        Drugs([], [DrugClass("metals", (), ("unobtainium",), ())], [], [])


def test_codes_count_before_words(drugs):
    assert drugs.find(["rxnorm|11289"], ["Penicillin"]) == {"warfarin"}
    assert drugs.find(["local|1"], ["Penicillin V"]) == {"penicillin V"}
    assert drugs.find([], []) == frozenset()


def test_a_code_of_a_group_stands_for_what_begins_with_it(drugs):
    assert drugs.by_code("atc|J01CA08") == {"penicillins"}
    assert drugs.by_code("atc|J01CA04") == {"amoxicillin"}
    assert drugs.by_code("atc|B01AA") == {"anticoagulants", "vitamin_k_antagonists"}
    assert drugs.by_code("atc|J01XX99") == frozenset()
    assert drugs.by_code("atc|") == frozenset()


def test_of_names_that_overlap_the_longest_counts():
    names = Names({"class": ["penicillin"], "drug": ["penicillin G"], "other": ["G force"]})
    assert names.within("Penicillin G force") == {"drug"}
    assert names.within("penicillins") == frozenset()
    assert names.rest("oral penicillin-G 500") == ("oral", "500")
    assert names.whole("PENICILLIN!") == {"class"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pénicilline", ("penicilline",)),
        ("Penicillinallergie", ("penicillin",)),
        ("Allergie", ("allergie",)),
        ("TMP-SMX/rash", ("tmp", "smx", "rash")),
        ("", ()),
    ],
)
def test_words_are_compared_without_case_accents_and_marks(text, expected):
    assert words(text) == expected


def test_a_row_with_another_number_of_columns_is_named(tmp_path):
    (tmp_path / "table.tsv").write_text("# comment\na\tb\nc\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"table\.tsv, line 3: 1 columns instead of 2"):
        list(rows(tmp_path / "table.tsv", 2))
