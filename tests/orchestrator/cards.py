"""Model cards with figures that a test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.orchestrator.catalogue import Catalogue, load
from tests.fakes import write_model_repository

FIGURES = {
    "chest_xray": {"auroc_normal_vs_pneumonia": 0.98, "auroc_bacterial_vs_viral": 0.88},
    "head_ct": {"auroc": 0.9},
}


def write_cards(folder: Path, figures: Mapping[str, Mapping[str, float]] = FIGURES) -> Path:
    """A model repository of cards with these figures, each with one of a subgroup beside it."""
    return write_model_repository(
        folder,
        [
            ModelCard(
                name=model,
                metrics=[
                    metric
                    for name, value in metrics.items()
                    for metric in (
                        Metric(name=name, value=value),
                        Metric(name=name, value=0.5, subgroup="sex=female"),
                    )
                ],
            )
            for model, metrics in figures.items()
        ],
    )


def catalogue_of(figures: Mapping[str, Mapping[str, float]]) -> Catalogue:
    """The served catalogue with these figures of the image models."""
    with TemporaryDirectory() as folder:
        return load(write_cards(Path(folder), figures))
