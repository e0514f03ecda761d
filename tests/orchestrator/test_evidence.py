"""What findings, mentions and the record are worth as evidence, on the served catalogue."""

from __future__ import annotations

import itertools
import math

import pytest

from services.clinical.code_systems import ICD10CM
from services.clinical.log_odds import log_odds
from services.orchestrator.assessment import assess
from services.orchestrator.disagreement import Kind, find
from services.orchestrator.evidence import (
    Assertion,
    Case,
    Mention,
    collect,
    further_conditions,
    outside_population,
    reach,
)
from services.orchestrator.fusion import Modality
from tests.orchestrator.cards import FIGURES, catalogue_of
from tests.orchestrator.cases import ASTHMA, BACTERIAL, PNEUMONIA, VIRAL, case, chest, has, says

CATALOGUE = catalogue_of(FIGURES)


def items(*findings, age_years=None):
    return {
        (item.condition, item.evidence.modality): item.evidence
        for item in collect(case(*findings, age_years=age_years), CATALOGUE)
    }


def probabilities(*findings, missing=()):
    return {
        a.condition.key: a.fused.probability for a in assess(case(*findings), missing, CATALOGUE).conditions
    }


def test_a_calibrated_answer_is_worth_its_odds_over_those_of_the_data_it_was_calibrated_to():
    """Worked with the labels of one condition: posterior odds over prior odds, as docs/fusion.md says."""
    chest_xray = CATALOGUE.images["chest_xray"]
    viral, bacterial = chest_xray.share["viral_pneumonia"], chest_xray.share["bacterial_pneumonia"]
    evidence = items(chest(0.6, 0.3))[("bacterial_pneumonia", Modality.IMAGE)]
    # Equal priors of both kinds: among the kinds the likelihood ratio is that of the two labels.
    assert evidence.log_likelihood_ratio == pytest.approx(math.log((0.6 / 0.3) / (bacterial / viral)))
    assert evidence.reliability == pytest.approx(2 * chest_xray.auroc["auroc_bacterial_vs_viral"] - 1)


def test_an_answer_of_the_training_mix_says_nothing():
    share = CATALOGUE.images["chest_xray"].share
    reading = chest(share["bacterial_pneumonia"], share["viral_pneumonia"])
    assert all(abs(e.log_likelihood_ratio) < 0.02 for e in items(reading).values())


@pytest.mark.parametrize(("bacterial", "viral"), [(0.9999, 0.0001), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0)])
def test_no_image_is_worth_more_than_its_held_out_cases_can_show(bacterial, viral):
    counts = CATALOGUE.images["chest_xray"].held_out_count
    evidence = items(chest(bacterial, viral))[("pneumonia", Modality.IMAGE)]
    ill = counts["bacterial_pneumonia"] + counts["viral_pneumonia"]
    assert -math.log(ill / 3) <= evidence.log_likelihood_ratio <= math.log(counts["normal"] / 3)


def test_which_kind_it_is_is_only_asked_of_an_image_that_shows_the_whole():
    assert set(items(chest(0.3, 0.1))) == {("pneumonia", Modality.IMAGE)}
    assert ("bacterial_pneumonia", Modality.IMAGE) in items(chest(0.4, 0.1))


def test_an_image_that_the_gate_rejects_is_no_evidence():
    assert items(chest(0.9, 0.05, accepted=False)) == {}


def test_an_image_of_a_model_without_reliability_is_no_evidence():
    reading = chest(0.9, 0.05)
    assert items(type(reading)(0, "another_model", reading.probabilities)) == {}


def test_an_image_counts_less_outside_the_ages_of_its_model():
    inside, outside = (
        items(chest(0.9, 0.05), age_years=age)[("pneumonia", Modality.IMAGE)] for age in (4, 62)
    )
    assert outside.reliability == pytest.approx(inside.reliability * 0.5)
    assert outside.log_likelihood_ratio == inside.log_likelihood_ratio
    assert items(chest(0.9, 0.05))[("pneumonia", Modality.IMAGE)] == inside, "an unknown age changes nothing"
    assert outside_population(case(chest(0.9, 0.05), age_years=62), CATALOGUE) == ["chest_xray"]
    assert outside_population(case(chest(0.9, 0.05), age_years=4), CATALOGUE) == []


@pytest.mark.parametrize(
    ("assertion", "direction"),
    [("present", 1), ("possible", 1), ("absent", -1), ("historical", 0), ("family", 0)],
)
def test_what_a_note_says_of_an_acute_condition(assertion, direction):
    evidence = items(says(PNEUMONIA, Assertion(assertion))).get(("pneumonia", Modality.NOTE))
    if direction:
        statement = CATALOGUE.note[assertion]
        assert math.copysign(1, evidence.log_likelihood_ratio) == direction
        assert evidence.reliability == pytest.approx(0.95 * statement.precision)
    else:
        assert evidence is None


def test_the_history_of_a_chronic_condition_is_the_condition():
    assert items(says(ASTHMA, Assertion.HISTORICAL))[("asthma", Modality.NOTE)].weight > 0


def test_a_symptom_bears_on_the_condition():
    fever = Mention(((ICD10CM, "R50.9"),), "", Assertion.PRESENT, 1.0)
    evidence = items(fever)[("pneumonia", Modality.NOTE)]
    assert evidence.log_likelihood_ratio == pytest.approx(math.log(1.7))
    assert items(Mention((), "fever", Assertion.PRESENT, 1.0)) == items(fever)
    assert items(Mention((), "fever", Assertion.POSSIBLE, 1.0)) == {}


def test_a_statement_about_a_kind_bears_on_the_whole_and_not_the_other_way_round():
    assert set(items(says(BACTERIAL))) == {
        ("pneumonia", Modality.NOTE),
        ("bacterial_pneumonia", Modality.NOTE),
    }
    assert set(items(says(PNEUMONIA))) == {("pneumonia", Modality.NOTE)}


@pytest.mark.parametrize("key", ["asthma", "pneumonia", "epilepsy"])
def test_a_record_takes_common_and_rare_conditions_to_about_the_share_that_is_right(key):
    condition = CATALOGUE.conditions[key]
    assert 0.75 < probabilities(has(condition.code))[key] < CATALOGUE.record.precision


def test_only_active_conditions_of_the_record_count():
    assert items(has(ASTHMA))[("asthma", Modality.RECORD)].weight > 0
    assert items(has(ASTHMA, active=False)) == {}


@pytest.mark.parametrize("key", ["asthma", "pneumonia", "epilepsy"])
def test_a_tentative_condition_of_the_record_counts_less_than_a_confirmed_one(key):
    condition = CATALOGUE.conditions[key]
    tentative = probabilities(has(condition.code, tentative=True))[key]
    assert condition.prior < tentative < 0.5
    assert tentative < probabilities(has(condition.code))[key]


def test_a_tentative_condition_contradicts_no_note():
    denial = says(ASTHMA, Assertion.ABSENT)
    for tentative, kinds in ((True, []), (False, [Kind.RECORD_POSITIVE_NOTE_NEGATIVE])):
        found = collect(case(has(ASTHMA, tentative=tentative), denial), CATALOGUE)
        assert [one.kind for one in find(found, CATALOGUE)] == kinds


def test_a_kind_is_never_more_probable_than_the_whole_on_the_served_catalogue():
    notes = [None, *(says(code, a) for code in (PNEUMONIA, BACTERIAL, VIRAL) for a in Assertion)]
    images = [None, *(chest(b / 5, v / 5) for b in range(6) for v in range(6 - b))]
    records = [None, has(PNEUMONIA), has(BACTERIAL)]
    for findings in itertools.product(notes, images, records):
        found = probabilities(*(finding for finding in findings if finding is not None))
        for kind in ("bacterial_pneumonia", "viral_pneumonia"):
            assert found.get(kind, 0.0) <= found.get("pneumonia", 0.0)


def test_an_image_alone_shares_the_whole_among_its_kinds():
    found = probabilities(chest(0.7, 0.2))
    assert found["bacterial_pneumonia"] + found["viral_pneumonia"] == pytest.approx(
        found["pneumonia"], rel=0.01
    )


@pytest.mark.parametrize("missing", list(Modality))
def test_the_interval_of_a_partial_answer_holds_the_complete_one(missing):
    """For every way the missing branch could have turned out, on the served catalogue."""
    turns = {
        Modality.IMAGE: [chest(b / 10, v / 10) for b in range(11) for v in range(11 - b)],
        Modality.NOTE: [says(PNEUMONIA, a, c) for a in Assertion for c in (0.3, 1.0)] + [says(BACTERIAL)],
        Modality.RECORD: [has(PNEUMONIA), has(BACTERIAL)],
    }
    others = [
        turns[modality][3 if modality is Modality.IMAGE else 0]
        for modality in Modality
        if modality is not missing
    ]
    partial = {a.condition.key: a.fused for a in assess(case(*others), {missing}, CATALOGUE).conditions}
    for turn in turns[missing]:
        for key, complete in probabilities(*others, turn).items():
            if key in partial:
                assert partial[key].low - 1e-12 <= complete <= partial[key].high + 1e-12


def test_without_evidence_nothing_is_assessed():
    assert probabilities() == {}


def test_the_prior_is_part_of_the_answer():
    (asthma,) = assess(case(has(ASTHMA)), (), CATALOGUE).conditions
    assert asthma.fused.prior_log_odds == pytest.approx(log_odds(CATALOGUE.conditions["asthma"].prior))


def test_what_a_modality_can_say_is_bounded():
    for condition in CATALOGUE.conditions.values():
        for modality in Modality:
            bound = reach(condition, modality, CATALOGUE)
            assert bound.favour >= 0
            assert bound.against >= 0
    assert reach(CATALOGUE.conditions["asthma"], Modality.IMAGE, CATALOGUE).favour == 0


def further(*findings) -> list[str]:
    return [condition.key for condition in further_conditions(case(*findings), CATALOGUE)]


def test_confident_findings_and_present_problems_go_on_to_the_treatments():
    assert further(chest(0.85, 0.1)) == ["bacterial_pneumonia", "pneumonia"]
    assert further(chest(0.5, 0.4)) == ["pneumonia"]
    assert further(says(ASTHMA)) == ["asthma"]
    assert further(says(VIRAL)) == ["pneumonia", "viral_pneumonia"]


def test_doubtful_ones_do_not():
    assert further(chest(0.4, 0.3)) == []
    assert further(chest(0.9, 0.05, accepted=False)) == []
    assert further(says(ASTHMA, confidence=0.4)) == []
    assert further(*(says(ASTHMA, a) for a in Assertion if a is not Assertion.PRESENT)) == []
    assert further_conditions(Case(), CATALOGUE) == []
