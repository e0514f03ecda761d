"""What findings, mentions and the record are worth as evidence, on the served knowledge."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from services.clinical.code_systems import ICD10CM, SNOMED
from services.clinical.concepts import Concept
from services.clinical.log_odds import log_odds
from services.orchestrator.assessment import assess
from services.orchestrator.case import Assertion, Case, Mention, Reading, Standing
from services.orchestrator.declared import Declaration, DeclaredEvidence
from services.orchestrator.disagreement import find
from services.orchestrator.evidence import (
    collect,
    further_conditions,
    outside_population,
    reach,
    unknown_conditions,
)
from services.orchestrator.fusion import Source
from services.orchestrator.references import NoteFinding
from tests.orchestrator.cards import FIGURES, declared
from tests.orchestrator.cases import (
    ASTHMA,
    BACTERIAL,
    CHEST,
    DECLARED,
    KNOWLEDGE,
    PNEUMONIA,
    VIRAL,
    case,
    chest,
    has,
    says,
)

SHARE = {label: one.share for one in CHEST.evidence if len(one.labels) == 1 for label in one.labels}
"""Of each kind of pneumonia in the data that `chest_xray` is calibrated to."""


def items(*findings, age_years=None):
    return {
        (item.condition, item.evidence.source): item.evidence
        for item in collect(case(*findings, age_years=age_years), KNOWLEDGE)
    }


def probabilities(*findings, missing=()):
    return {
        a.condition.key: a.fused.probability
        for a in assess(case(*findings), missing, KNOWLEDGE, DECLARED).conditions
    }


def test_a_calibrated_answer_is_worth_its_odds_over_those_of_the_data_it_was_calibrated_to():
    """Worked with the labels of one condition: posterior odds over prior odds, as docs/fusion.md says."""
    viral, bacterial = SHARE["viral_pneumonia"], SHARE["bacterial_pneumonia"]
    evidence = items(chest(0.6, 0.3))[("bacterial_pneumonia", Source.IMAGE)]
    # Equal priors of both kinds: among the kinds the likelihood ratio is that of the two labels.
    assert evidence.log_likelihood_ratio == pytest.approx(math.log((0.6 / 0.3) / (bacterial / viral)))
    assert evidence.reliability == pytest.approx(2 * FIGURES["chest_xray"]["auroc_bacterial_vs_viral"] - 1)


def test_an_answer_of_the_training_mix_says_nothing():
    reading = chest(SHARE["bacterial_pneumonia"], SHARE["viral_pneumonia"])
    assert all(abs(e.log_likelihood_ratio) < 0.02 for e in items(reading).values())


@pytest.mark.parametrize(("bacterial", "viral"), [(0.9999, 0.0001), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0)])
def test_no_image_is_worth_more_than_its_held_out_cases_can_show(bacterial, viral):
    """The counts are those of the card: 225 + 163 images with pneumonia, 129 without."""
    evidence = items(chest(bacterial, viral))[("pneumonia", Source.IMAGE)]
    assert -math.log(388 / 3) <= evidence.log_likelihood_ratio <= math.log(129 / 3)


def test_which_kind_it_is_is_only_asked_of_an_image_that_shows_the_whole():
    assert set(items(chest(0.3, 0.1))) == {("pneumonia", Source.IMAGE)}
    assert ("bacterial_pneumonia", Source.IMAGE) in items(chest(0.4, 0.1))


def test_an_image_that_the_gate_rejects_is_no_evidence():
    assert items(chest(0.9, 0.05, accepted=False)) == {}


def test_an_image_of_a_model_whose_card_is_not_known_is_no_evidence():
    assert items(chest(0.9, 0.05, declaration=None, standing=Standing.UNKNOWN)) == {}


def test_an_image_counts_less_outside_the_ages_of_its_model():
    inside, outside = (items(chest(0.9, 0.05), age_years=age)[("pneumonia", Source.IMAGE)] for age in (4, 62))
    assert outside.reliability == pytest.approx(inside.reliability * 0.5)
    assert outside.log_likelihood_ratio == inside.log_likelihood_ratio
    assert items(chest(0.9, 0.05))[("pneumonia", Source.IMAGE)] == inside, "an unknown age changes nothing"
    assert outside_population(case(chest(0.9, 0.05), age_years=62)) == [CHEST]
    assert outside_population(case(chest(0.9, 0.05), age_years=4)) == []


@pytest.mark.parametrize(
    ("assertion", "direction"),
    [("present", 1), ("possible", 1), ("absent", -1), ("historical", 0), ("family", 0)],
)
def test_what_a_note_says_of_an_acute_condition(assertion, direction):
    evidence = items(says(PNEUMONIA, Assertion(assertion))).get(("pneumonia", Source.NOTE))
    if direction:
        statement = KNOWLEDGE.note[assertion]
        assert math.copysign(1, evidence.log_likelihood_ratio) == direction
        assert evidence.reliability == pytest.approx(0.95 * statement.precision)
    else:
        assert evidence is None


def test_the_history_of_a_chronic_condition_is_the_condition():
    assert items(says(ASTHMA, Assertion.HISTORICAL))[("asthma", Source.NOTE)].weight > 0


def test_a_symptom_bears_on_the_condition():
    fever = Mention(((ICD10CM, "R50.9"),), "", Assertion.PRESENT, 1.0)
    evidence = items(fever)[("pneumonia", Source.NOTE)]
    assert evidence.log_likelihood_ratio == pytest.approx(math.log(1.7))
    assert items(Mention((), "fever", Assertion.PRESENT, 1.0)) == items(fever)
    assert items(Mention((), "fever", Assertion.POSSIBLE, 1.0)) == {}


def test_a_statement_about_a_kind_bears_on_the_whole_and_not_the_other_way_round():
    assert set(items(says(BACTERIAL))) == {
        ("pneumonia", Source.NOTE),
        ("bacterial_pneumonia", Source.NOTE),
    }
    assert set(items(says(PNEUMONIA))) == {("pneumonia", Source.NOTE)}


@pytest.mark.parametrize("key", ["asthma", "pneumonia", "epilepsy"])
def test_a_record_takes_common_and_rare_conditions_to_about_the_share_that_is_right(key):
    condition = KNOWLEDGE.conditions[key]
    assert 0.75 < probabilities(has(condition.code))[key] < KNOWLEDGE.record.precision


def test_only_active_conditions_of_the_record_count():
    assert items(has(ASTHMA))[("asthma", Source.RECORD)].weight > 0
    assert items(has(ASTHMA, active=False)) == {}


@pytest.mark.parametrize("key", ["asthma", "pneumonia", "epilepsy"])
def test_a_tentative_condition_of_the_record_counts_less_than_a_confirmed_one(key):
    condition = KNOWLEDGE.conditions[key]
    tentative = probabilities(has(condition.code, tentative=True))[key]
    assert condition.prior < tentative < 0.5
    assert tentative < probabilities(has(condition.code))[key]


def test_a_tentative_condition_contradicts_no_note():
    denial = says(ASTHMA, Assertion.ABSENT)
    for tentative, sources in ((True, []), (False, [(Source.RECORD, Source.NOTE)])):
        found = collect(case(has(ASTHMA, tentative=tentative), denial), KNOWLEDGE)
        sides = [(one.supporting.source, one.opposing.source) for one in find(found, KNOWLEDGE)]
        assert sides == sources


def test_a_kind_is_never_more_probable_than_the_whole_on_the_served_data():
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


@pytest.mark.parametrize("missing", list(Source))
def test_the_interval_of_a_partial_answer_holds_the_complete_one(missing):
    """For every way the missing branch could have turned out, on the served knowledge."""
    turns = {
        Source.IMAGE: [chest(b / 10, v / 10) for b in range(11) for v in range(11 - b)],
        Source.NOTE: [says(PNEUMONIA, a, c) for a in Assertion for c in (0.3, 1.0)] + [says(BACTERIAL)],
        Source.RECORD: [has(PNEUMONIA), has(BACTERIAL)],
    }
    others = [turns[source][3 if source is Source.IMAGE else 0] for source in Source if source is not missing]
    assessed = assess(case(*others), {missing}, KNOWLEDGE, DECLARED).conditions
    partial = {a.condition.key: a.fused for a in assessed}
    for turn in turns[missing]:
        for key, complete in probabilities(*others, turn).items():
            if key in partial:
                assert partial[key].low - 1e-12 <= complete <= partial[key].high + 1e-12


def test_without_evidence_nothing_is_assessed():
    assert probabilities() == {}


def test_the_prior_is_part_of_the_answer():
    (asthma,) = assess(case(has(ASTHMA)), (), KNOWLEDGE, DECLARED).conditions
    assert asthma.fused.prior_log_odds == pytest.approx(log_odds(KNOWLEDGE.conditions["asthma"].prior))


def test_what_a_source_can_say_is_bounded():
    for condition in KNOWLEDGE.conditions.values():
        for source in Source:
            bound = reach(condition, source, KNOWLEDGE, DECLARED)
            assert bound.favour >= 0
            assert bound.against >= 0
    assert reach(KNOWLEDGE.conditions["asthma"], Source.IMAGE, KNOWLEDGE, DECLARED).favour == 0


def further(*findings) -> list[str]:
    return [KNOWLEDGE.of_code(concept.code).key for concept in further_conditions(case(*findings), KNOWLEDGE)]


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
    assert further_conditions(Case(), KNOWLEDGE) == []


def counted(*findings, age_years=None, knowledge=KNOWLEDGE):
    """The pieces of the image models that count, by condition and model, and those that do not."""
    found = collect(case(*findings, age_years=age_years), knowledge)
    return tuple(
        {(item.condition, item.evidence.reference.model) for item in found if item.counts is counts}
        for counts in (True, False)
    )


WEAKER = declared("chest_xray", {"auroc_normal_vs_pneumonia": 0.9, "auroc_bacterial_vs_viral": 0.95})


def test_of_two_models_on_one_image_the_better_measured_one_counts():
    """Of each condition by itself: one tells pneumonia better, the other its kinds."""
    count, others = counted(chest(0.8, 0.1), chest(0.1, 0.8, declaration=WEAKER, model="weaker"))
    assert count == {
        ("pneumonia", "chest_xray"),
        ("bacterial_pneumonia", "weaker"),
        ("viral_pneumonia", "weaker"),
    }
    assert others == {
        ("pneumonia", "weaker"),
        ("bacterial_pneumonia", "chest_xray"),
        ("viral_pneumonia", "chest_xray"),
    }


def test_a_second_model_on_the_image_changes_no_probability():
    """Whatever it says: a finding that two models see on one film is still one finding."""
    alone = probabilities(chest(0.8, 0.1))["pneumonia"]
    for bacterial in (0.01, 0.5, 0.98):
        second = chest(bacterial, 0.01, declaration=WEAKER, model="weaker")
        assert probabilities(chest(0.8, 0.1), second)["pneumonia"] == alone
        assert probabilities(second, chest(0.8, 0.1))["pneumonia"] == alone


def test_the_models_of_two_images_are_heard_on_each():
    count, others = counted(chest(0.8, 0.1), chest(0.8, 0.1, 1, declaration=WEAKER, model="weaker"))
    assert {("pneumonia", "chest_xray"), ("pneumonia", "weaker")} <= count
    assert others == set()


def test_a_model_that_was_not_made_for_the_patient_gives_way_to_one_that_was():
    adults = dataclasses.replace(WEAKER, youngest=18, oldest=None)
    count, _ = counted(chest(0.8, 0.1), chest(0.8, 0.1, declaration=adults, model="adults"), age_years=62)
    assert ("pneumonia", "adults") in count


@pytest.mark.parametrize("standing", [one for one in Standing if one is not Standing.COUNTS])
def test_only_answers_in_good_standing_are_evidence(standing):
    assert items(chest(0.9, 0.05, standing=standing)) == {}
    assert further_conditions(case(chest(0.9, 0.05, standing=standing)), KNOWLEDGE) == []


def test_a_series_counts_where_the_figures_hold_for_series():
    assert items(chest(0.9, 0.05, is_series=True)) == {}
    held = dataclasses.replace(
        CHEST, evidence=tuple(dataclasses.replace(one, holds_for_series=True) for one in CHEST.evidence)
    )
    assert items(chest(0.9, 0.05, is_series=True, declaration=held)) == items(
        chest(0.9, 0.05, declaration=held)
    )


CARDIOMEGALY = Concept(SNOMED, "8186001", "Cardiomegaly")
EFFUSION = Concept(SNOMED, "60046008", "Pleural effusion")
MANY = Declaration(
    "chest_findings",
    labels=("cardiomegaly", "effusion", "pneumonia"),
    normal=frozenset(),
    exclusive=False,
    evidence=(
        DeclaredEvidence(CARDIOMEGALY, frozenset({"cardiomegaly"}), 0.9, 0.1, 500, 4000, 0.0),
        DeclaredEvidence(EFFUSION, frozenset({"effusion"}), 0.9, 0.12, 500, 4000, 0.0),
        DeclaredEvidence(
            Concept(SNOMED, PNEUMONIA, "Pneumonia"), frozenset({"pneumonia"}), 0.8, 0.05, 200, 4000, 0.0
        ),
    ),
)


def many(cardiomegaly: float, effusion: float, pneumonia: float, **fields):
    probabilities = {"cardiomegaly": cardiomegaly, "effusion": effusion, "pneumonia": pneumonia}
    return chest(
        0, 0, **{"declaration": MANY, "model": "chest_findings", "probabilities": probabilities, **fields}
    )


def test_labels_that_do_not_exclude_each_other_are_worth_their_own_odds():
    """Worked by hand: 0.6 is odds of 1.5, 0.12 odds of 0.136."""
    evidence = items(many(0.5, 0.6, 0.05))[("pleural_effusion", Source.IMAGE)]
    assert evidence.log_likelihood_ratio == pytest.approx(math.log(1.5 / (0.12 / 0.88)))
    assert evidence.reliability == pytest.approx(0.8)
    pneumonia = items(many(0.5, 0.6, 0.05))[("pneumonia", Source.IMAGE)]
    assert pneumonia.log_likelihood_ratio == pytest.approx(0), "the answer of the data's own mix"


def test_a_condition_that_is_not_known_is_named_and_not_fused():
    reading = many(0.95, 0.1, 0.05)
    assert {condition for condition, _ in items(reading)} == {"pleural_effusion", "pneumonia"}
    assert unknown_conditions(case(reading), KNOWLEDGE) == [CARDIOMEGALY]
    assert unknown_conditions(case(chest(0.9, 0.05)), KNOWLEDGE) == []
    assert CARDIOMEGALY in further_conditions(case(reading), KNOWLEDGE), "the treatments hear of it"


def test_a_kind_that_is_declared_by_itself_bears_on_the_whole_too():
    """Without `within` it is a statement about the kind, as a note's: the whole follows by its share."""
    bacterial = DeclaredEvidence(
        Concept(SNOMED, BACTERIAL, ""), frozenset({"bacterial"}), 0.9, 0.1, 300, 3000, 0.0
    )
    model = Declaration("kinds", ("bacterial",), frozenset(), exclusive=False, evidence=(bacterial,))
    reading = chest(0, 0, declaration=model, model="kinds", probabilities={"bacterial": 0.9})
    found = items(reading)
    assert set(found) == {("bacterial_pneumonia", Source.IMAGE), ("pneumonia", Source.IMAGE)}
    ratio = 9 / (0.1 / 0.9)
    assert found["bacterial_pneumonia", Source.IMAGE].log_likelihood_ratio == pytest.approx(math.log(ratio))
    whole = found["pneumonia", Source.IMAGE].log_likelihood_ratio
    assert whole == pytest.approx(math.log(0.5 * ratio + 0.5))
    assert probabilities(reading)["bacterial_pneumonia"] <= probabilities(reading)["pneumonia"]


def test_a_kind_of_what_it_is_no_kind_of_is_not_weighed():
    strange = dataclasses.replace(CHEST.evidence[1], within="38341003")
    model = dataclasses.replace(CHEST, evidence=(CHEST.evidence[0], strange))
    reading = chest(0.9, 0.05, declaration=model)
    assert {condition for condition, _ in items(reading)} == {"pneumonia"}
    assert [one.code for one in unknown_conditions(case(reading), KNOWLEDGE)] == [BACTERIAL]


def test_when_the_models_of_a_missing_branch_are_not_known_anything_may_be_missing():
    unknown = {**DECLARED, Source.IMAGE: None}
    (asthma,) = assess(case(has(ASTHMA)), {Source.IMAGE}, KNOWLEDGE, unknown).conditions
    assert asthma.fused.low == pytest.approx(0.001)
    assert asthma.fused.high == pytest.approx(0.999)
    (known,) = assess(case(has(ASTHMA)), {Source.IMAGE}, KNOWLEDGE, DECLARED).conditions
    assert known.fused.high < 0.95, "no served image model bears on asthma"


def test_labels_of_a_note_are_evidence_of_the_note():
    """A text classifier with evidence in its card counts beside the entities, and not on top of them."""
    labels = {"cardiomegaly": 0.1, "effusion": 0.9, "pneumonia": 0.05}
    reading = Reading(Source.NOTE, "note_labels", labels, declaration=MANY)
    assert items(reading)[("pleural_effusion", Source.NOTE)].reference == NoteFinding(
        "note_labels", ("effusion",)
    )
    mention = says("60046008")
    together = assess(case(reading, mention), (), KNOWLEDGE, DECLARED).conditions
    (effusion,) = (one for one in together if one.condition.key == "pleural_effusion")
    assert len(effusion.fused.evidence) == 1
