"""The figures that the fusion trusts are those that were measured."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from services.chassis.settings import MODEL_REPOSITORY
from services.language.assertion import assert_entities
from services.language.entities import EntityType, Span
from services.orchestrator.catalogue import load
from services.orchestrator.evidence import collect, reach, unmeasured
from services.orchestrator.fusion import Modality
from tests.conftest import REPOSITORY
from tests.orchestrator.cards import write_cards
from tests.orchestrator.cases import case, chest

SENTENCES = REPOSITORY / "tests" / "language" / "data" / "assertion_sentences.tsv"
LETTERS = {"P": "present", "A": "absent", "U": "possible", "H": "historical", "F": "family"}


def diseases(text: str) -> tuple[str, list[tuple[Span, str]]]:
    """A labelled sentence as plain text with its diseases: `No <A effusion>.`"""
    plain, found, position = "", [], 0
    for match in re.finditer(r"<([PAUHF])(:C)? ([^>]*)>", text):
        plain += text[position : match.start()]
        span = Span(
            len(plain), len(plain) + len(match[3]), EntityType.CHEMICAL if match[2] else EntityType.DISEASE
        )
        plain, position = plain + match[3], match.end()
        found.append((span, LETTERS[match[1]]))
    return plain + text[position:], found


def test_the_precision_of_each_assertion_is_as_counted():
    given, right = Counter(), Counter()
    for line in SENTENCES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        _, split, _, text = line.split("\t")
        plain, labelled = diseases(text.replace("\\n", "\n"))
        results = assert_entities(plain, [span for span, _ in labelled])
        for result, (span, truth) in zip(results, labelled, strict=True):
            if split == "held_out" and span.type is EntityType.DISEASE:
                given[result.assertion.value] += 1
                right[result.assertion.value] += result.assertion.value == truth
    for name, statement in load(MODEL_REPOSITORY).note.items():
        assert statement.precision == pytest.approx((right[name] + 1) / (given[name] + 2)), name


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
