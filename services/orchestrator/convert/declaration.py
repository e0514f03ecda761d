"""What a card declares of conditions: from `ModelCard`."""

from __future__ import annotations

from collections.abc import Iterable

from medmesh.common.v1 import serving_pb2
from medmesh.common.v1.model_card_pb2 import ModelCard
from services.clinical.code_systems import SNOMED, canonical_system
from services.clinical.concepts import Concept
from services.orchestrator.declared import Declaration, DeclaredEvidence


def declaration_of(card: ModelCard) -> Declaration:
    """What the card declares; without evidence for a task whose answers have no labels.

    Raises ValueError where its evidence cannot be weighed; the text names what is missing.
    """
    serving = card.serving
    evidence = tuple(_evidence(one, card) for one in serving.evidence)
    match serving.WhichOneof("task"):
        case "image_classification":
            classification = serving.image_classification
            applies = classification.applies_to
            return Declaration(
                model=card.name,
                labels=tuple(label.name for label in classification.labels),
                normal=_normal(classification.labels),
                exclusive=classification.exclusive,
                needs_gate=bool(applies.gate_kinds),
                youngest=applies.age.min_years if applies.age.HasField("min_years") else None,
                oldest=applies.age.max_years if applies.age.HasField("max_years") else None,
                evidence=evidence,
            )
        case "text_classification":
            text = serving.text_classification
            return Declaration(
                model=card.name,
                labels=tuple(label.name for label in text.labels),
                normal=_normal(text.labels),
                exclusive=text.exclusive,
                evidence=evidence,
            )
    return Declaration(card.name, labels=(), normal=frozenset(), exclusive=False)


def _normal(labels: Iterable[serving_pb2.Label]) -> frozenset[str]:
    return frozenset(label.name for label in labels if label.meaning == serving_pb2.LABEL_MEANING_NORMAL)


def _evidence(one: serving_pb2.ConditionEvidence, card: ModelCard) -> DeclaredEvidence:
    figures = [m.value for m in card.metrics if m.name == one.metric and not m.subgroup]
    if not figures:
        raise ValueError(f"the card has no metric {one.metric} over all patients")
    if canonical_system(one.condition.system) != SNOMED:
        raise ValueError("a condition is not in SNOMED CT")
    if not all(0.0 <= figure <= 1.0 for figure in figures):
        raise ValueError(f"the metric {one.metric} is not an AUROC")
    if not 0.0 < one.calibrated_share < 1.0:
        raise ValueError("a calibrated share does not lie between 0 and 1")
    return DeclaredEvidence(
        condition=Concept(SNOMED, one.condition.code, one.condition.display),
        labels=frozenset(one.labels),
        auroc=min(figures),
        share=one.calibrated_share,
        positive_count=one.held_out_positive_count,
        negative_count=one.held_out_negative_count,
        outside_factor=one.outside_population_factor,
        within=one.within.code if one.HasField("within") else "",
        holds_for_series=one.holds_for_series,
    )
