"""The figures that the fusion trusts are those that were measured."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from services.language.assertion import assert_entities
from services.language.entities import EntityType
from services.orchestrator.convert.declaration import declaration_of
from services.orchestrator.evidence import collect
from services.orchestrator.receipts.statement import fusion_digest
from tests.orchestrator.cards import card, declared
from tests.orchestrator.cases import CHEST, KNOWLEDGE, PNEUMONIA, case, chest
from training.assertion.real_notes import read_notes


def upper_end(right: int, given: int) -> float:
    """Upper end of Wilson's 95 % interval of a share."""
    share, z = right / given, 1.96
    middle = share + z**2 / (2 * given)
    return (middle + z * math.sqrt(share * (1 - share) / given + z**2 / (4 * given**2))) / (1 + z**2 / given)


def test_no_assertion_is_trusted_more_than_it_is_right(shared_data):
    """Counted again on the real notes' test half; new rules or labels may move it, but not below belief."""
    given, right = Counter(), Counter()
    for note in (note for note in read_notes(shared_data) if note.split == "test"):
        results = assert_entities(note.text, [mention.span for mention in note.mentions])
        for result, mention in zip(results, note.mentions, strict=True):
            if mention.span.type is EntityType.DISEASE and not mention.doubtful:
                given[result.assertion.value] += 1
                right[result.assertion.value] += result.assertion is mention.label
    for name, statement in KNOWLEDGE.note.items():
        assert statement.precision <= upper_end(right[name], given[name]), name


def test_the_reliability_of_a_model_is_read_from_its_card():
    figures = {"auroc_normal_vs_pneumonia": 0.9, "auroc_bacterial_vs_viral": 0.7}
    found = collect(case(chest(0.9, 0.05, declaration=declared("chest_xray", figures))), KNOWLEDGE)
    reliabilities = {item.condition: item.evidence.reliability for item in found}
    assert reliabilities["pneumonia"] == pytest.approx(0.8)
    assert reliabilities["bacterial_pneumonia"] == pytest.approx(0.4)


def test_of_several_figures_the_lowest_counts():
    made = card("chest_xray")
    made.metrics.add(name="auroc_normal_vs_pneumonia", value=0.7)
    assert declaration_of(made).on(PNEUMONIA).auroc == 0.7


def test_a_card_without_the_figure_that_its_evidence_names_cannot_be_weighed():
    with pytest.raises(ValueError, match="auroc_bacterial_vs_viral"):
        declared("chest_xray", {"auroc_normal_vs_pneumonia": 0.9})


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_is_none_cannot_be_weighed(share):
    made = card("chest_xray")
    made.serving.evidence[0].calibrated_share = share
    with pytest.raises(ValueError, match="share"):
        declaration_of(made)


def test_a_guess_is_no_evidence():
    figures = {"auroc_normal_vs_pneumonia": 0.5, "auroc_bacterial_vs_viral": 0.5}
    assert collect(case(chest(0.9, 0.05, declaration=declared("chest_xray", figures))), KNOWLEDGE) == []


def test_what_a_card_declares_is_part_of_the_fusion():
    """So that a receipt tells when a model counts otherwise, though it answers the same."""
    others = [
        declared("chest_xray", {"auroc_normal_vs_pneumonia": value, "auroc_bacterial_vs_viral": 0.8})
        for value in (0.9, 0.8)
    ]
    digests = {fusion_digest(KNOWLEDGE, declared) for declared in ([], [CHEST], [others[0]], [others[1]])}
    assert len(digests) == 4
    assert fusion_digest(KNOWLEDGE, [CHEST, CHEST]) == fusion_digest(KNOWLEDGE, [CHEST])
