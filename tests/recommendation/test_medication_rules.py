"""Textbook rules of drug safety in the codings in which records have them (`data/medication_rules.tsv`).

python -m tests.recommendation.test_medication_rules     # the share alerted by coding, for the docs
"""

from __future__ import annotations

import pytest

from services.clinical.tables import rows
from services.recommendation.safety.alerts import Kind
from tests.recommendation.medication_records import RULES_FILE, checked, order, patient, record

CASES = [*rows(RULES_FILE, 5)]
UNKNOWN_CODES = {"snomed:73397007", "snomed:413712001"}
"""Heparin-induced thrombocytopenia and breastfeeding by codes of SNOMED CT that no published set at hand
has: without a name beside it such a code raises CONDITION_NOT_CHECKED.
"""


def shown(rules, ordered, made):
    return [*checked(rules, made, order(ordered)).orders[0].alerts]


def is_alerted(rules, ordered, written, kind, coding):
    """Whether an alert is shown that the entry itself, the age or the dose triggers."""
    alerts = shown(rules, ordered, record(written, kind, coding))
    own = {"age": Kind.AGE, "dose": Kind.DOSE}.get(kind)
    return any(item.alert.kind is own if own else item.triggers for item in alerts)


def test_the_rules_are_many():
    assert len({case[0] for case in CASES}) >= 200
    assert len(CASES) >= 500


def test_every_textbook_rule_alerts_in_every_coding(rules):
    missed = {case[4] for case in CASES if not is_alerted(rules, *case[1:])}
    assert missed == UNKNOWN_CODES


@pytest.mark.parametrize("code", sorted(UNKNOWN_CODES))
def test_a_code_that_is_not_known_is_said(rules, code):
    answer = checked(rules, record("40 female", "condition", code), order("text:codeine 30 mg"))
    assert [notice.reason for notice in answer.notices] == ["CONDITION_NOT_CHECKED"]


@pytest.mark.parametrize(
    ("ordered", "who"),
    [
        ("text:amoxicillin 500 mg TID", "35 female"),
        ("text:lisinopril 10 mg daily", "50 male"),
        ("text:metformin 500 mg BID", "50 male"),
        ("text:atorvastatin 40 mg daily", "60 female"),
        ("text:acetaminophen 500 mg QID", "30 male"),
        ("text:levothyroxine 100 mcg daily", "45 female"),
        ("text:omeprazole 20 mg daily", "40 male"),
        ("text:albuterol inhaler", "20 female"),
        ("text:sertraline 50 mg daily", "40 female"),
        ("text:amlodipine 5 mg daily", "60 male"),
        ("text:methotrexate 15 mg weekly", "50 female"),
        ("text:ibuprofen 400 mg TID", "30 male"),
    ],
)
def test_an_order_that_is_right_raises_nothing(rules, ordered, who):
    answer = checked(rules, patient(who), order(ordered))
    assert answer.orders[0].alerts == ()
    assert answer.orders[0].drugs
    assert answer.notices == ()
