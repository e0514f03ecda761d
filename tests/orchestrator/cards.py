"""The cards of the served image models, with figures that a test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.chassis.settings import MODEL_REPOSITORY
from services.orchestrator.convert.declaration import declaration_of
from services.orchestrator.declared import Declaration

FIGURES = {
    "chest_xray": {"auroc_normal_vs_pneumonia": 0.98, "auroc_bacterial_vs_viral": 0.88},
    "head_ct": {"auroc": 0.9},
}


@cache
def served_card(model: str) -> ModelCard:
    """The card as it is in the model repository."""
    text = (MODEL_REPOSITORY / model / "metadata.json").read_text(encoding="utf-8")
    return json_format.Parse(text, ModelCard(), ignore_unknown_fields=True)


def card(model: str, figures: Mapping[str, float] | None = None) -> ModelCard:
    """The served card with these figures, each with one of a subgroup beside it."""
    made = ModelCard()
    made.CopyFrom(served_card(model))
    del made.metrics[:]
    for name, value in (FIGURES[model] if figures is None else figures).items():
        made.metrics.extend(
            [Metric(name=name, value=value), Metric(name=name, value=0.5, subgroup="sex=female")]
        )
    return made


def declared(model: str, figures: Mapping[str, float] | None = None) -> Declaration:
    """What that card declares."""
    return declaration_of(card(model, figures))


def served_cards() -> list[ModelCard]:
    """Every card of the model repository, by name."""
    return [served_card(path.parent.name) for path in sorted(MODEL_REPOSITORY.glob("*/metadata.json"))]
