"""The tagger's probabilities as the service answers them."""

from __future__ import annotations

import pytest

from services.language.confidence import AS_DECODED, OFFSET, SLOPE, Confidence
from services.language.decoding import WordSpan


def span(probability, **changes):
    return WordSpan(0, 1, "Disease", probability, **changes)


def test_a_card_without_it_leaves_the_probabilities_alone():
    assert Confidence.from_parameters({}) == AS_DECODED
    assert AS_DECODED.of(span(0.7)) == pytest.approx(0.7)


def test_it_is_what_the_card_says_on_the_log_odds():
    halved_odds = Confidence.from_parameters({SLOPE: 1.0, OFFSET: -0.6931472})
    assert halved_odds.of(span(0.5)) == pytest.approx(1 / 3)
    assert halved_odds.of(span(0.8)) == pytest.approx(2 / 3)


def test_it_keeps_the_order_and_stays_a_probability():
    steep = Confidence(slope=3.0, offset=-1.0)
    answers = [steep.of(span(probability)) for probability in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert answers == sorted(answers)
    assert 0 <= answers[0] < answers[-1] <= 1


def test_what_the_terminology_decided_has_its_constant():
    assert Confidence(offset=2.0).of(span(0.64, from_terminology=True)) == 0.64
