"""Numbers of a graph become calibrated probabilities, and the sets of labels that they do not rule out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from google.protobuf import text_format

from medmesh.common.v1 import serving_pb2 as pb
from services.chassis.models.activation import activated
from services.imaging.tasks.probabilities import Calibration, ConformalSets, are_probabilities

LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia")
OWN = """
    coverage: 0.9
    thresholds { label: "normal" max_improbability: 0.2 }
    thresholds { label: "bacterial_pneumonia" max_improbability: 0.7 }
    thresholds { label: "viral_pneumonia" max_improbability: 0.9 }
"""


def members(conformal: str, probabilities) -> list[str]:
    sets = ConformalSets.declared(text_format.Parse(conformal, pb.Conformal()), LABELS)
    return list(sets.members(dict(zip(LABELS, probabilities, strict=True))))


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.05, 0.84, 0.11), ["bacterial_pneumonia", "viral_pneumonia"]),
        ((0.02, 0.93, 0.05), ["bacterial_pneumonia"]),
        ((0.85, 0.04, 0.11), ["normal", "viral_pneumonia"]),
        ((0.1, 0.2, 0.7), ["viral_pneumonia"]),
        ((0.75, 0.2, 0.05), []),
    ],
)
def test_each_label_has_a_limit_of_its_own(probabilities, expected):
    assert members(OWN, probabilities) == expected


def test_one_limit_for_all_labels_counts_where_a_label_has_none():
    common = (
        "coverage: 0.9 thresholds { max_improbability: 0.75 } "
        'thresholds { label: "viral_pneumonia" max_improbability: 0.9 }'
    )
    assert members(common, (0.26, 0.6, 0.14)) == ["bacterial_pneumonia", "normal", "viral_pneumonia"]


def test_a_limit_for_a_group_of_patients_is_refused():
    with pytest.raises(ValueError, match="images have no groups"):
        members('coverage: 0.9 thresholds { group: "age:0-9" max_improbability: 0.5 }', (1, 0, 0))


def test_logits_become_probabilities_as_the_card_says():
    logits = np.array([[0.0, math.log(3), -1000.0]])
    assert activated(logits, pb.ACTIVATION_SOFTMAX)[0] == pytest.approx([0.25, 0.75, 0])
    assert activated(logits, pb.ACTIVATION_SIGMOID)[0] == pytest.approx([0.5, 0.75, 0])
    assert activated(logits, pb.ACTIVATION_NONE) is logits
    assert not are_probabilities(logits)


def calibration(curves: str, *, exclusive: bool) -> Calibration:
    return Calibration.declared(text_format.Parse(curves, pb.Calibration()), LABELS, exclusive=exclusive)


def test_without_a_curve_probabilities_stay_what_they_are_to_the_last_bit():
    probabilities = np.array([0.1, 0.7000000001, 0.2])
    assert calibration('description: "in the graph"', exclusive=True)(probabilities) is probabilities


def test_a_temperature_of_a_half_doubles_the_log_odds():
    curved = calibration("curves { rise: 2 fall: 2 }", exclusive=False)(np.array([0.5, 0.75, 0.1]))
    assert curved == pytest.approx([0.5, 0.9, 1 / 82])  # odds 3 -> 9, 1/9 -> 1/81


def test_beta_calibration_has_two_slopes_and_an_offset():
    """Kull et al., AISTATS 2017: the log-odds are a ln p - b ln(1 - p) + c."""
    curved = calibration("curves { rise: 0.5 fall: 2 offset: -1 }", exclusive=False)(
        np.array([0.3, 0.5, 0.9])
    )
    odds = [0.5 * math.log(p) - 2 * math.log(1 - p) - 1 for p in (0.3, 0.5, 0.9)]
    assert curved == pytest.approx([1 / (1 + math.exp(-one)) for one in odds])


def test_a_label_without_a_curve_is_left_alone_and_exclusive_ones_sum_to_one():
    curves = 'curves { label: "normal" rise: 1 fall: 1 offset: 1 }'
    probabilities = np.array([0.5, 0.3, 0.2])
    raised = 1 / (1 + math.exp(-1))
    assert calibration(curves, exclusive=False)(probabilities) == pytest.approx([raised, 0.3, 0.2])
    together = calibration(curves, exclusive=True)(probabilities)
    assert together == pytest.approx(np.array([raised, 0.3, 0.2]) / (raised + 0.5))


def test_certain_probabilities_stay_finite():
    curved = calibration("curves { rise: 1 fall: 1 offset: 0.1 }", exclusive=False)(np.array([0.0, 1.0, 0.5]))
    assert np.isfinite(curved).all()
    assert are_probabilities(curved)
