"""The scores of the tagger, alone and with the terminology, and the card that holds them."""

from __future__ import annotations

import numpy as np
import pytest

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.language.confidence import Confidence, Curve
from services.language.recovery import Terms
from training.clinical_ner import scoring
from training.clinical_ner.card import LIMITATIONS, Calibration, renewed
from training.clinical_ner.corpus import LABELS, Pieces, Sentence

SENTENCES = [
    Sentence(("No", "pneumothorax", "."), (0, 1, 0)),
    Sentence(("Second", "pregnancy", "."), (0, 0, 0)),
    Sentence(("Mild", "clubbing", "."), (1, 2, 0)),
]


def nothing(sequences):
    """The tagger finds nothing, and is 95 % sure of it."""
    row = np.full(len(LABELS), 0.05 / 4, dtype=np.float32)
    row[0] = 0.95
    return [np.tile(row, (len(ids) + 2, 1)) for ids in sequences]


def test_the_terminology_counts_only_where_it_is_asked_for(tokenizer):
    alone = scoring.outcomes(SENTENCES, Pieces(tokenizer), nothing, 9)
    assert scoring.counts(alone).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 1]]
    served = scoring.outcomes(SENTENCES, Pieces(tokenizer), nothing, 9, Terms())
    assert scoring.counts(served).tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 1]]
    assert scoring.f1(scoring.counts(served)) == pytest.approx(0.5)
    assert all(item.from_terminology for outcome in served for item in outcome.judged)


def test_a_renewed_card_keeps_what_was_not_measured_again_and_the_weights():
    old = ModelCard(
        weights_sha256="ab" * 32,
        metrics=[Metric(name="f1", value=0.5), Metric(name="f1_fp32", value=0.6)],
        limitations=["old"],
        calibration="One temperature, 1.100, in the graph; what the service did before.",
    )
    curves = Confidence({"Disease": Curve(1.2, 0.9, -0.3), "Chemical": Curve(2.0, 0.8, -0.6)})
    new = renewed(old, [Metric(name="f1", value=0.7)], Calibration(curves, 5000, 0.06, 0.02, (-0.02, 0.03)))
    assert [(metric.name, metric.value) for metric in new.metrics] == [("f1", 0.7), ("f1_fp32", 0.6)]
    assert new.weights_sha256 == old.weights_sha256
    assert list(new.limitations) == list(LIMITATIONS)
    of_types = {label.upper(): curve for label, curve in curves.curves.items()}
    assert Confidence.from_card(new.serving.token_classification).curves == of_types
    assert new.calibration.startswith("One temperature, 1.100, in the graph; a curve for each type")
    assert "between 0.020 too low and 0.030 too high" in new.calibration
    assert [metric.value for metric in old.metrics] == [0.5, 0.6]
