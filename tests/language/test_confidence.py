"""The tagger's probabilities as the service answers them."""

from __future__ import annotations

import pytest

from services.language.confidence import AS_DECODED, Confidence, Curve
from services.language.decoding import WordSpan


def span(probability, **changes):
    return WordSpan(0, 1, "Disease", probability, **changes)


def test_a_card_without_it_leaves_the_probabilities_alone():
    assert Confidence.from_parameters({}) == AS_DECODED
    assert AS_DECODED.of(span(0.7)) == pytest.approx(0.7)


def test_a_rise_and_fall_of_one_move_the_log_odds_by_the_offset():
    halved_odds = Confidence({"Disease": Curve(offset=-0.6931472)})
    assert halved_odds.of(span(0.5)) == pytest.approx(1 / 3)
    assert halved_odds.of(span(0.8)) == pytest.approx(2 / 3)


def test_rise_and_fall_bend_either_end():
    """odds = p^rise / (1 - p)^fall: 0.5^2 / 0.5^3 = 2."""
    assert Curve(rise=2, fall=3).of(0.5) == pytest.approx(2 / 3)


def test_each_type_has_its_own_curve_in_the_card():
    both = Confidence({"Disease": Curve(1.2, 0.9, -0.3), "Chemical": Curve(2.0, 0.8, -0.6)})
    read = Confidence.from_parameters(both.to_parameters())
    assert read == both
    chemical = WordSpan(0, 1, "Chemical", 0.8)
    assert read.of(chemical) == pytest.approx(both.curves["Chemical"].of(0.8))
    assert read.of(chemical) != read.of(span(0.8))


def test_a_type_without_a_whole_curve_keeps_its_probabilities():
    disease = Confidence({"Disease": Curve(1.2, 0.9, -0.3)}).to_parameters()
    del disease["confidence_fall.Disease"]
    assert Confidence.from_parameters(disease) == AS_DECODED


def test_it_keeps_the_order_and_stays_a_probability():
    steep = Confidence({"Disease": Curve(3.0, 3.0, -1.0)})
    answers = [steep.of(span(probability)) for probability in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert answers == sorted(answers)
    assert 0 <= answers[0] < answers[-1] <= 1


def test_what_the_terminology_decided_has_its_constant():
    raised = Confidence({"Disease": Curve(offset=2.0)})
    assert raised.of(span(0.64, from_terminology=True)) == 0.64
