"""Who contradicts whom: one row a constellation."""

from __future__ import annotations

import pytest

from services.orchestrator.assessment import assess
from services.orchestrator.disagreement import Kind
from services.orchestrator.evidence import Assertion
from tests.orchestrator.cards import FIGURES, catalogue_of
from tests.orchestrator.cases import ASTHMA, BACTERIAL, PNEUMONIA, VIRAL, case, chest, has, says

CATALOGUE = catalogue_of(FIGURES)
ABSENT, POSSIBLE, FAMILY = Assertion.ABSENT, Assertion.POSSIBLE, Assertion.FAMILY
ILL, WELL, UNSURE = chest(0.85, 0.1), chest(0.02, 0.03), chest(0.4, 0.3)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([ILL, says(PNEUMONIA)], []),
        ([WELL, says(PNEUMONIA, ABSENT)], []),
        ([ILL, says(PNEUMONIA, ABSENT)], [(Kind.IMAGE_POSITIVE_NOTE_NEGATIVE, "pneumonia")]),
        ([WELL, says(PNEUMONIA)], [(Kind.NOTE_POSITIVE_IMAGE_NEGATIVE, "pneumonia")]),
        ([UNSURE, says(PNEUMONIA)], []),
        ([UNSURE, says(PNEUMONIA, ABSENT)], []),
        ([WELL, says(PNEUMONIA, POSSIBLE)], []),
        ([ILL, says(PNEUMONIA, FAMILY)], []),
        ([ILL, says(ASTHMA, ABSENT)], []),
        # A note that contradicts itself does not contradict the image.
        ([ILL, says(PNEUMONIA), says(PNEUMONIA, ABSENT)], []),
        ([has(PNEUMONIA), says(PNEUMONIA, ABSENT)], [(Kind.RECORD_POSITIVE_NOTE_NEGATIVE, "pneumonia")]),
        ([has(PNEUMONIA), says(PNEUMONIA)], []),
        ([has(PNEUMONIA, active=False), says(PNEUMONIA, ABSENT)], []),
        ([ILL, chest(0.01, 0.02, index=1)], [(Kind.IMAGES_DIFFER, "pneumonia")]),
        ([ILL, chest(0.9, 0.05, index=1)], []),
        ([ILL, chest(0.4, 0.3, index=1)], []),
        # The same illness, but not the same kind of it.
        (
            [chest(0.93, 0.05), chest(0.05, 0.93, index=1)],
            [(Kind.IMAGES_DIFFER, "bacterial_pneumonia"), (Kind.IMAGES_DIFFER, "viral_pneumonia")],
        ),
        ([chest(0.93, 0.05), says(VIRAL)], [(Kind.NOTE_POSITIVE_IMAGE_NEGATIVE, "viral_pneumonia")]),
        ([chest(0.93, 0.05), says(BACTERIAL)], []),
        ([chest(0.93, 0.05, accepted=False), says(PNEUMONIA, ABSENT)], []),
        (
            [ILL, has(PNEUMONIA), says(PNEUMONIA, ABSENT)],
            [
                (Kind.IMAGE_POSITIVE_NOTE_NEGATIVE, "pneumonia"),
                (Kind.RECORD_POSITIVE_NOTE_NEGATIVE, "pneumonia"),
            ],
        ),
    ],
)
def test_disagreements(findings, expected):
    found = assess(case(*findings), (), CATALOGUE).disagreements
    assert [(one.kind, one.condition) for one in found] == expected


def test_the_order_of_the_findings_does_not_matter():
    findings = [ILL, WELL, says(PNEUMONIA, ABSENT), has(PNEUMONIA)]
    assert (
        assess(case(*findings), (), CATALOGUE).disagreements
        == assess(case(*reversed(findings)), (), CATALOGUE).disagreements
    )
