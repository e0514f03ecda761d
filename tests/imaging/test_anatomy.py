"""What words and codes say of body parts, in DICOM's own terms, and how parts lie to each other."""

from __future__ import annotations

import pytest

from services.imaging import anatomy
from services.imaging.anatomy import agree, includes, lineage, region, stands_upright, understand
from services.imaging.images import View

TERMS = {term for meaning in anatomy._words().values() for term in meaning if term.isupper()}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CHEST", {"CHEST"}),
        ("Thorax pa", {"CHEST"}),
        ("lungs", {"LUNG"}),
        ("CHESTABDPELVIS", {"CHEST", "ABDOMEN", "PELVIS"}),
        ("Rodilla", {"KNEE"}),
        ("膝", {"KNEE"}),
        ("HEAD BRAIN", {"BRAIN"}),
        ("CERVICAL SPINE", {"CSPINE"}),
        ("Münchhausen", set()),
    ],
)
def test_a_body_part_is_understood_in_whatever_words_it_came(text, parts):
    assert understand(text).parts == parts


def test_the_tables_speak_of_the_same_terms():
    parts = anatomy._parts()
    assert {part for part in parts if part not in TERMS} == set()
    assert {whole for whole, _ in parts.values() if whole} <= set(parts)
    coded = {meaning for (kind, _, _), meaning in anatomy._codes().items() if kind == "region"}
    assert [term for term in coded if not understand(term).parts] == []


def test_no_part_lies_within_itself():
    for part in anatomy._parts():
        assert len(set(lineage(part))) == len(lineage(part))


def test_a_part_is_of_its_whole_and_not_the_other_way_round():
    assert includes("HEAD", "BRAIN")
    assert not includes("BRAIN", "HEAD")
    assert includes("LOWERLIMB", "PATELLA")
    assert lineage("PATELLA") == ("PATELLA", "KNEE", "LOWERLIMB", "EXTREMITY")


@pytest.mark.parametrize("part", ["RIB", "HEART", "CLAVICLE", "STERNUM", "TSPINE"])
def test_what_is_imaged_otherwise_than_the_chest_is_not_within_it(part):
    assert not includes("CHEST", part)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"BRAIN"}, {"SKULL"}, True),
        ({"LUNG"}, {"CHEST"}, True),
        ({"CHEST", "ABDOMEN"}, {"LIVER"}, True),
        ({"CHEST"}, {"KNEE"}, False),
        (set(), {"KNEE"}, True),
    ],
)
def test_statements_agree_where_they_share_a_part_or_a_whole(one, other, both):
    assert agree(one, other) == agree(other, one) == both


def test_only_what_has_one_way_of_being_displayed_stands_upright():
    assert stands_upright("CHEST")
    assert stands_upright("LUNG")
    assert not stands_upright("HAND")


def test_codes_name_regions_and_views_in_either_scheme():
    assert region("SCT", "70258002") == region("SNM3", "T-15750") == "ANKLE"
    assert region("SCT", "1") == ""
    assert understand("PA").views == {View.FRONTAL}
