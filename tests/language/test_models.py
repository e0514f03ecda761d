"""The committed models are those of their cards, and agree with the code that serves them."""

from __future__ import annotations

import json

import pytest

from services.chassis.models.card import inspect_model
from services.language.models import CLINICAL_NER, LABELS, SPECS
from services.language.tokenization import BUCKETS, MAX_TOKENS, WINDOW_TOKENS
from tests.language.conftest import REPOSITORY


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_weights_card_and_config_agree_with_the_service(spec):
    model = inspect_model(spec, REPOSITORY / spec.name)
    assert not model.refusal
    assert model.weights_verified


def test_the_labels_are_in_the_order_that_the_decoder_reads():
    labels = (REPOSITORY / CLINICAL_NER.name / "labels.txt").read_text(encoding="utf-8").split()
    assert tuple(labels) == LABELS


def test_both_models_split_words_alike():
    one, other = (
        json.loads((REPOSITORY / spec.name / "tokenizer.json").read_text(encoding="utf-8")) for spec in SPECS
    )
    assert one["model"]["vocab"] == other["model"]["vocab"]
    assert one["normalizer"] == other["normalizer"]


def test_windows_and_texts_fit_a_bucket():
    assert WINDOW_TOKENS in BUCKETS
    assert max(BUCKETS) == MAX_TOKENS


def test_the_card_reports_both_types_with_intervals():
    card = json.loads((REPOSITORY / CLINICAL_NER.name / "metadata.json").read_text(encoding="utf-8"))
    reported = {m.get("subgroup", ""): m for m in card["metrics"] if m["name"] == "strict_entity_f1"}
    assert set(reported) == {"", "entity type=Disease", "entity type=Chemical"}
    assert all(m["ci_low"] < m["value"] < m["ci_high"] for m in reported.values())
