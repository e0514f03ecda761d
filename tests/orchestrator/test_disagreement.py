"""Who contradicts whom: one row a constellation."""

from __future__ import annotations

import pytest

from services.orchestrator.assessment import assess
from services.orchestrator.case import Assertion
from services.orchestrator.fusion import Source
from tests.orchestrator.cards import declared
from tests.orchestrator.cases import (
    ASTHMA,
    BACTERIAL,
    DECLARED,
    KNOWLEDGE,
    PNEUMONIA,
    VIRAL,
    case,
    chest,
    has,
    says,
)

IMAGE_NOTE, NOTE_IMAGE = (Source.IMAGE, Source.NOTE), (Source.NOTE, Source.IMAGE)
RECORD_NOTE, IMAGE_IMAGE = (Source.RECORD, Source.NOTE), (Source.IMAGE, Source.IMAGE)
"""Who speaks for the condition, and who against it."""
ABSENT, POSSIBLE, FAMILY = Assertion.ABSENT, Assertion.POSSIBLE, Assertion.FAMILY
ILL, WELL, UNSURE = chest(0.85, 0.1), chest(0.02, 0.03), chest(0.4, 0.3)


def disagreements(*findings):
    return assess(case(*findings), (), KNOWLEDGE, DECLARED).disagreements


def sides(*findings):
    return [((one.supporting.source, one.opposing.source), one.condition) for one in disagreements(*findings)]


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([ILL, says(PNEUMONIA)], []),
        ([WELL, says(PNEUMONIA, ABSENT)], []),
        ([ILL, says(PNEUMONIA, ABSENT)], [(IMAGE_NOTE, "pneumonia")]),
        ([WELL, says(PNEUMONIA)], [(NOTE_IMAGE, "pneumonia")]),
        ([UNSURE, says(PNEUMONIA)], []),
        ([UNSURE, says(PNEUMONIA, ABSENT)], []),
        ([WELL, says(PNEUMONIA, POSSIBLE)], []),
        ([ILL, says(PNEUMONIA, FAMILY)], []),
        ([ILL, says(ASTHMA, ABSENT)], []),
        # A note that contradicts itself does not contradict the image.
        ([ILL, says(PNEUMONIA), says(PNEUMONIA, ABSENT)], []),
        ([has(PNEUMONIA), says(PNEUMONIA, ABSENT)], [(RECORD_NOTE, "pneumonia")]),
        ([has(PNEUMONIA), says(PNEUMONIA)], []),
        ([has(PNEUMONIA, active=False), says(PNEUMONIA, ABSENT)], []),
        ([ILL, chest(0.01, 0.02, index=1)], [(IMAGE_IMAGE, "pneumonia")]),
        ([ILL, chest(0.9, 0.05, index=1)], []),
        ([ILL, chest(0.4, 0.3, index=1)], []),
        # The same illness, but not the same kind of it.
        (
            [chest(0.93, 0.05), chest(0.05, 0.93, index=1)],
            [(IMAGE_IMAGE, "bacterial_pneumonia"), (IMAGE_IMAGE, "viral_pneumonia")],
        ),
        ([chest(0.93, 0.05), says(VIRAL)], [(NOTE_IMAGE, "viral_pneumonia")]),
        ([chest(0.93, 0.05), says(BACTERIAL)], []),
        ([chest(0.93, 0.05, accepted=False), says(PNEUMONIA, ABSENT)], []),
        (
            [ILL, has(PNEUMONIA), says(PNEUMONIA, ABSENT)],
            [
                (IMAGE_NOTE, "pneumonia"),
                (RECORD_NOTE, "pneumonia"),
            ],
        ),
    ],
)
def test_disagreements(findings, expected):
    assert sides(*findings) == expected


def test_the_order_of_the_findings_does_not_matter():
    findings = [ILL, chest(0.02, 0.03, index=1), says(PNEUMONIA, ABSENT), has(PNEUMONIA)]
    assert disagreements(*findings) == disagreements(*reversed(findings))


def test_two_models_that_contradict_each_other_on_one_image_are_told():
    """Also when one of them does not count, since the other one is measured better."""
    second = declared("chest_xray", {"auroc_normal_vs_pneumonia": 0.8, "auroc_bacterial_vs_viral": 0.7})
    other = chest(0.01, 0.01, declaration=second, model="second")
    (found,) = disagreements(ILL, other)
    assert (found.condition, found.supporting.source, found.opposing.source) == (
        "pneumonia",
        Source.IMAGE,
        Source.IMAGE,
    )
    assert (found.supporting.reference.model, found.opposing.reference.model) == ("chest_xray", "second")
    assert found.supporting.reference.image_index == found.opposing.reference.image_index == 0


def test_a_record_is_not_contradicted_by_an_image_that_does_not_show_it():
    """It may be older than the image."""
    assert sides(WELL, has(PNEUMONIA)) == []
