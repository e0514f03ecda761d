"""A label is in the prediction set by its own least probability, or by that of all labels."""

from __future__ import annotations

import numpy as np
import pytest

from services.imaging.analysis import CONFORMAL_MINIMUM, ModelFacts, minimum_key, prediction_set

LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia")
OWN = {minimum_key(label): value for label, value in zip(LABELS, (0.8, 0.3, 0.1), strict=True)}


@pytest.mark.parametrize(
    ("probabilities", "members"),
    [
        ((0.05, 0.85, 0.1), ["bacterial_pneumonia", "viral_pneumonia"]),
        ((0.02, 0.93, 0.05), ["bacterial_pneumonia"]),
        ((0.85, 0.05, 0.1), ["normal", "viral_pneumonia"]),
        ((0.1, 0.2, 0.7), ["viral_pneumonia"]),
        ((0.75, 0.2, 0.05), []),
    ],
)
def test_each_label_has_a_minimum_of_its_own(probabilities, members):
    assert prediction_set(ModelFacts(LABELS, OWN), np.array(probabilities)) == members


def test_one_minimum_for_all_labels_counts_where_a_label_has_none():
    facts = ModelFacts(LABELS, {CONFORMAL_MINIMUM: 0.25, minimum_key("viral_pneumonia"): 0.1})
    assert prediction_set(facts, np.array((0.26, 0.6, 0.14))) == [
        "bacterial_pneumonia",
        "normal",
        "viral_pneumonia",
    ]


def test_without_a_minimum_for_every_label_there_is_no_set():
    facts = ModelFacts(LABELS, {minimum_key("normal"): 0.5})
    assert prediction_set(facts, np.array((0.9, 0.05, 0.05))) is None
    assert prediction_set(ModelFacts(LABELS), np.array((0.9, 0.05, 0.05))) is None
