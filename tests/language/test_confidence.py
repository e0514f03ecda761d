"""The tagger's probabilities as the service answers them."""

from __future__ import annotations

import pytest

from medmesh.common.v1.serving_pb2 import TokenClassification
from services.language.confidence import AS_DECODED, Confidence, Curve
from services.language.decoding import WordSpan


def span(probability, **changes):
    return WordSpan(0, 1, "DISEASE", probability, **changes)


def test_a_card_without_it_leaves_the_probabilities_alone():
    assert Confidence.from_card(TokenClassification()) == AS_DECODED
    assert AS_DECODED.of(span(0.7)) == pytest.approx(0.7)


def test_a_rise_and_fall_of_one_move_the_log_odds_by_the_offset():
    halved_odds = Confidence({"DISEASE": Curve(offset=-0.6931472)})
    assert halved_odds.of(span(0.5)) == pytest.approx(1 / 3)
    assert halved_odds.of(span(0.8)) == pytest.approx(2 / 3)


def test_rise_and_fall_bend_either_end():
    """odds = p^rise / (1 - p)^fall: 0.5^2 / 0.5^3 = 2."""
    assert Curve(rise=2, fall=3).of(0.5) == pytest.approx(2 / 3)


def card(*curves, types=(("Disease", "DISEASE"), ("Chemical", "CHEMICAL"))):
    task = TokenClassification()
    for label, kind in types:
        task.entity_types.add(label=label, type=kind)
    for label, rise, fall, offset in curves:
        task.calibration.curves.add(label=label, rise=rise, fall=fall, offset=offset)
    return Confidence.from_card(task)


def test_each_type_has_its_own_curve_in_the_card():
    read = card(("Disease", 1.2, 0.9, -0.3), ("Chemical", 2.0, 0.8, -0.6))
    assert read.curves == {"DISEASE": Curve(1.2, 0.9, -0.3), "CHEMICAL": Curve(2.0, 0.8, -0.6)}


def test_a_type_without_a_curve_takes_the_one_that_names_no_label_else_keeps_its_probabilities():
    assert card(("Disease", 1.2, 0.9, -0.3)).of(WordSpan(0, 1, "CHEMICAL", 0.8)) == pytest.approx(0.8)
    both = card(("Disease", 1.2, 0.9, -0.3), ("", 2.0, 0.8, -0.6))
    assert both.curves == {"DISEASE": Curve(1.2, 0.9, -0.3), "CHEMICAL": Curve(2.0, 0.8, -0.6)}


def test_labels_of_one_type_share_the_first_curve():
    of_signs = card(
        ("Sign", 1.2, 0.9, -0.3),
        ("Disorder", 2.0, 0.8, -0.6),
        types=(("Disorder", "DISEASE"), ("Sign", "DISEASE")),
    )
    assert of_signs.curves == {"DISEASE": Curve(2.0, 0.8, -0.6)}


def test_it_keeps_the_order_and_stays_a_probability():
    steep = Confidence({"DISEASE": Curve(3.0, 3.0, -1.0)})
    answers = [steep.of(span(probability)) for probability in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert answers == sorted(answers)
    assert 0 <= answers[0] < answers[-1] <= 1


def test_what_the_terminology_decided_has_its_constant():
    raised = Confidence({"DISEASE": Curve(offset=2.0)})
    assert raised.of(span(0.64, from_terminology=True)) == 0.64
