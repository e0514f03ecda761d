"""The figures that the fusion trusts are those that were measured."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from services.chassis.settings import MODEL_REPOSITORY
from services.imaging.models import FINDINGS_MODELS
from services.language.assertion import assert_entities
from services.language.entities import EntityType
from services.orchestrator.catalogue import load
from services.orchestrator.evidence import collect, reach, unmeasured
from services.orchestrator.fusion import Modality
from tests.orchestrator.cards import write_cards
from tests.orchestrator.cases import case, chest
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
    for name, statement in load(MODEL_REPOSITORY).note.items():
        assert statement.precision <= upper_end(right[name], given[name]), name


def test_the_reliability_of_an_image_model_is_read_from_its_card(tmp_path: Path):
    write_cards(tmp_path, {"chest_xray": {"auroc_normal_vs_pneumonia": 0.9, "another": 0.7}})
    (item,) = collect(case(chest(0.9, 0.05)), load(tmp_path))
    assert item.condition == "pneumonia"
    assert item.evidence.reliability == pytest.approx(0.8)


def test_a_model_without_a_card_is_not_trusted(tmp_path: Path):
    catalogue = load(tmp_path)
    assert collect(case(chest(0.9, 0.05)), catalogue) == []
    assert unmeasured(case(chest(0.9, 0.05)), catalogue) == ["chest_xray"]
    assert reach(catalogue.conditions["pneumonia"], Modality.IMAGE, catalogue).favour == 0


def test_another_figure_is_another_fusion(tmp_path: Path):
    write_cards(tmp_path / "a", {"chest_xray": {"auroc_normal_vs_pneumonia": 0.9}})
    write_cards(tmp_path / "b", {"chest_xray": {"auroc_normal_vs_pneumonia": 0.8}})
    digests = {load(tmp_path / name).sha256 for name in ("a", "b", "none")}
    assert len(digests) == 3


@pytest.mark.parametrize("model", ["chest_xray", "head_ct"])
def test_the_served_cards_have_the_figures_that_the_fusion_reads(model):
    card = MODEL_REPOSITORY / model / "metadata.json"
    if not card.is_file():
        pytest.skip(f"{model} is not in the model repository")
    catalogue = load(MODEL_REPOSITORY)
    wanted = {i.metric for c in catalogue.conditions.values() for i in c.images if i.model == model}
    assert catalogue.images[model].auroc.keys() == wanted


@pytest.mark.parametrize("model", FINDINGS_MODELS, ids=lambda model: model.spec.name)
def test_imaging_and_fusion_know_the_same_ages_of_a_model(model):
    assert model.age_years == load(MODEL_REPOSITORY).images[model.spec.name].age_years
