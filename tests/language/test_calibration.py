"""The tagger's curves: fitted by type, and never measured on the sentences that they were fitted on."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not here: make test-training")

from training.clinical_ner import calibration, scoring


def results(sentences, seed, right_by_type):
    """One entity of each type a sentence; the chance that it is right is a function of its probability."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sentences):
        judged = []
        for label, chance in right_by_type.items():
            p = float(rng.uniform(0.45, 0.99))
            judged.append(scoring.Judged(label, p, bool(rng.random() < chance(p))))
        found.append(scoring.Outcome(tuple(judged), {"Disease": 1, "Chemical": 1}))
    return found


OVERCONFIDENT = {"Disease": lambda p: p - 0.2, "Chemical": lambda p: p**2}


def test_each_type_is_brought_in_line_with_how_often_it_is_right():
    confidence = calibration.fitted(results(6000, 0, OVERCONFIDENT))
    for label, chance in OVERCONFIDENT.items():
        for p in (0.55, 0.7, 0.85, 0.95):
            assert confidence.curves[label].of(p) == pytest.approx(chance(p), abs=0.04)


def test_a_curve_never_falls():
    """As with the tagger: what it is unsure of is right now and then, what it calls 0.96 nearly always."""
    smoothed = {kind: lambda p: 0.35 if p < 0.7 else 0.6 + 0.4 * (p > 0.9) for kind in OVERCONFIDENT}
    for curve in calibration.fitted(results(4000, 6, smoothed)).curves.values():
        answers = [curve.of(p / 100) for p in range(1, 100)]
        assert answers == sorted(answers)


def test_other_texts_are_calibrated_by_curves_that_did_not_see_them():
    tagged = results(3000, 1, OVERCONFIDENT)
    scaled = calibration.cross_fitted(tagged, tagged, results(300, 2, OVERCONFIDENT))
    assert [len(o.judged) for o in scaled] == [len(o.judged) for o in tagged]
    assert scoring.calibration_error(scaled) < 0.03 < scoring.calibration_error(tagged)


def test_a_stretch_says_nothing_of_its_own_curve():
    tagged = results(1000, 3, OVERCONFIDENT)
    first = calibration.stretches(len(tagged))[0]
    turned = [
        scoring.Outcome(
            tuple(scoring.Judged(j.label, j.probability, not j.right) for j in outcome.judged), outcome.gold
        )
        if i in first
        else outcome
        for i, outcome in enumerate(tagged)
    ]
    further = results(100, 4, OVERCONFIDENT)
    one, other = (calibration.cross_fitted(each, each, further) for each in (tagged, turned))
    assert [j.probability for i in first for j in one[i].judged] == [
        j.probability for i in first for j in other[i].judged
    ]


def test_what_the_terminology_decided_is_neither_fitted_nor_scaled():
    tagged = results(1000, 5, OVERCONFIDENT)
    constant = scoring.Judged("Disease", 0.64, False, from_terminology=True)
    mixed = [scoring.Outcome((*outcome.judged, constant), outcome.gold) for outcome in tagged]
    assert calibration.fitted(mixed) == calibration.fitted(tagged)
    scaled = calibration.rescaled(mixed[0], calibration.fitted(tagged))
    assert scaled.judged[-1] == constant
