"""Weights of evidence: what holds for any evidence, and the worked example of docs/fusion.md."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.clinical.log_odds import log_odds, probability_of
from services.orchestrator.fusion import (
    MAXIMUM_CERTAINTY,
    Evidence,
    Reach,
    Source,
    about_the_whole,
    fuse,
    strongest,
    within,
)

PRIORS = st.floats(0.001, 0.999)
EVIDENCE = st.builds(
    Evidence,
    st.sampled_from(Source),
    st.text("abc", max_size=3),
    st.floats(-4, 4),
    st.floats(0, 1),
)
SETS = st.lists(EVIDENCE, max_size=8)
REACH = Reach(favour=4.0, against=4.0)


def negated(item: Evidence) -> Evidence:
    return dataclasses.replace(item, log_likelihood_ratio=-item.log_likelihood_ratio)


NOTHING = Evidence(Source.IMAGE, "", 0.0, 0.0)


@given(PRIORS, SETS, st.randoms())
@example(0.5, [NOTHING, dataclasses.replace(NOTHING, reliability=1.0)], random.Random(1))
@example(0.5, [dataclasses.replace(NOTHING, log_likelihood_ratio=r) for r in (1.0, -1.0)], random.Random(1))
def test_the_order_of_the_evidence_does_not_matter(prior, evidence, shuffler: random.Random):
    shuffled = list(evidence)
    shuffler.shuffle(shuffled)
    assert fuse(prior, shuffled, {}) == fuse(prior, evidence, {})


@given(PRIORS, SETS)
def test_saying_it_twice_changes_nothing(prior, evidence):
    assert fuse(prior, evidence * 2, {}) == fuse(prior, evidence, {})


@given(PRIORS, SETS)
def test_shares_sum_to_one_where_anything_weighs(prior, evidence):
    shares = [weighed.share for weighed in fuse(prior, evidence, {}).evidence]
    assert all(0 <= share <= 1 for share in shares)
    weighs = any(item.weight for item in evidence)
    assert math.fsum(shares) == pytest.approx(1 if weighs else 0)


@given(PRIORS, SETS)
def test_the_log_odds_are_the_sum_of_the_contributions(prior, evidence):
    fused = fuse(prior, evidence, {})
    total = fused.prior_log_odds + math.fsum(weighed.evidence.weight for weighed in fused.evidence)
    assert fused.probability == pytest.approx(
        min(max(probability_of(total), 1 - MAXIMUM_CERTAINTY), MAXIMUM_CERTAINTY)
    )


@given(PRIORS, SETS)
def test_leaving_a_source_out_is_as_never_having_had_it(prior, evidence):
    for source, probability in fuse(prior, evidence, {}).without.items():
        rest = [item for item in evidence if item.source is not source]
        assert probability == pytest.approx(fuse(prior, rest, {}).probability)


@given(PRIORS, SETS)
def test_only_sources_that_counted_can_be_left_out(prior, evidence):
    assert set(fuse(prior, evidence, {}).without) == {item.source for item in evidence}


@given(PRIORS, SETS, EVIDENCE)
def test_evidence_for_a_condition_never_lowers_its_probability(prior, evidence, further):
    before, after = fuse(prior, evidence, {}), fuse(prior, [*evidence, further], {})
    if further.weight >= 0:
        assert after.probability >= before.probability - 1e-12
    else:
        assert after.probability <= before.probability + 1e-12


@given(PRIORS, SETS)
def test_turning_everything_round_turns_the_answer_round(prior, evidence):
    # Weight zero is neither for nor against; it counts as for, so it is left out here.
    evidence = [item for item in evidence if item.weight]
    there, back = fuse(prior, evidence, {}), fuse(1 - prior, [negated(item) for item in evidence], {})
    assert there.probability == pytest.approx(1 - back.probability)
    assert (there.low, there.high) == (pytest.approx(1 - back.high), pytest.approx(1 - back.low))


@given(PRIORS, SETS)
def test_the_interval_holds_the_probability(prior, evidence):
    fused = fuse(prior, evidence, {})
    assert 1 - MAXIMUM_CERTAINTY <= fused.low <= fused.probability <= fused.high <= MAXIMUM_CERTAINTY


@given(PRIORS, SETS)
def test_without_doubt_and_without_gaps_there_is_no_interval(prior, evidence):
    certain = [dataclasses.replace(item, reliability=1.0) for item in evidence]
    fused = fuse(prior, certain, {})
    assert fused.low == pytest.approx(fused.probability) == fused.high


@given(PRIORS, SETS, st.sampled_from(Source))
def test_what_a_missing_branch_would_have_said_lies_within_the_interval(prior, evidence, source):
    """However the missing source would have turned out, the answer had stayed within what was stated."""
    there = [item for item in evidence if item.source is not source]
    partial = fuse(prior, there, {source: REACH})
    assert partial.low - 1e-12 <= fuse(prior, evidence, {}).probability <= partial.high + 1e-12


@given(PRIORS, SETS, st.sampled_from(Source), st.data())
def test_that_holds_too_when_only_some_images_are_missing(prior, evidence, source, data):
    kept = [item for item in evidence if item.source is not source or data.draw(st.booleans())]
    partial = fuse(prior, kept, {source: REACH})
    assert partial.low - 1e-12 <= fuse(prior, evidence, {}).probability <= partial.high + 1e-12


@given(SETS)
def test_of_each_source_at_most_one_piece_for_and_one_against_count(evidence):
    kept = strongest(evidence)
    assert len({(item.source, item.weight >= 0) for item in kept}) == len(kept)
    for item in evidence:
        same = [k for k in kept if (k.source, k.weight >= 0) == (item.source, item.weight >= 0)]
        assert abs(same[0].weight) >= abs(item.weight)


@given(PRIORS, SETS, PRIORS, SETS)
def test_a_kind_is_never_more_probable_than_the_whole(prior, evidence, share, of_the_kind):
    whole = fuse(prior, evidence, {})
    kind = within(whole, fuse(share, of_the_kind, {}))
    assert kind.low <= kind.probability <= kind.high
    assert (kind.low, kind.probability, kind.high) <= (whole.low, whole.probability, whole.high)


@given(PRIORS, SETS, PRIORS, SETS)
def test_leaving_a_source_out_of_a_kind_leaves_it_out_of_both_factors(prior, evidence, share, of_the_kind):
    kind = within(fuse(prior, evidence, {}), fuse(share, of_the_kind, {}))
    for source, probability in kind.without.items():
        whole_rest = fuse(prior, [item for item in evidence if item.source is not source], {})
        kind_rest = fuse(share, [item for item in of_the_kind if item.source is not source], {})
        assert probability == pytest.approx(whole_rest.probability * kind_rest.probability)


def test_what_a_statement_about_a_kind_says_of_the_whole_is_bayes_theorem():
    """Counted out: of 20 patients with the whole, 5 have the kind; 80 have neither."""
    ill, well = 0.7, 0.01
    said_of_the_whole = (5 * ill + 15 * well) / 20
    assert about_the_whole(ill / well, 5 / 20) == pytest.approx(said_of_the_whole / well)


@given(PRIORS)
def test_log_odds_and_back(prior):
    assert probability_of(log_odds(prior)) == pytest.approx(prior)
