"""A model as a task takes it, without a repository: for what a task makes of its card."""

from __future__ import annotations

from pathlib import Path

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models.inspection import CheckedVersion
from services.chassis.models.served import ServedModel
from tests.fakes import FakeInference, model_version


def served(card: ModelCard) -> ServedModel:
    """It answers nothing."""
    version = CheckedVersion(card, Path(), model_version(card.name, (), ()), "0" * 64, None)
    return ServedModel(version, FakeInference({}))
