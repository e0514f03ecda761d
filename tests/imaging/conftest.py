"""A real imaging server on a free port, with a fake only below the inference seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import Conformal
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.rpc.server import Running, running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, real_card, write_model_repository

GATE_COLUMNS = tuple(column.name for column in real_card("image_gate").serving.image_gate.columns)
CHEST = [0.05, 0.9, 0.05]
HEAD = [0.3, 0.7]


@dataclass
class Imaging:
    """The running service, its stub, the fake models, and what they answer next."""

    running: Running[ImagingSettings]
    stub: Any
    channel: grpc.aio.Channel
    inference: FakeInference
    chest: list[float]
    gate: dict[str, float]


def findings(probabilities, cells):
    """What a findings model answers; each label's map is warm at a place of its own."""
    labels = len(probabilities)
    maps = np.zeros((1, labels, cells, cells), np.float32)
    for label in range(labels):
        maps[0, label, label, label] = 1
    return {
        "logits": np.log(np.array([probabilities], np.float32)),
        "probabilities": np.array([probabilities], np.float32),
        "activation_map": maps,
    }


def gate_says(**probabilities):
    """What the gate answers of a sound radiograph, but for these columns."""
    return dict.fromkeys(GATE_COLUMNS, 0.01) | {"chest_xray": 0.98, "sound": 0.94} | probabilities


def cards() -> list[ModelCard]:
    """The cards of the project's models, with thresholds that a test can reckon with."""
    chest, head, gate = (real_card(name) for name in ("chest_xray", "head_ct", "image_gate"))
    conformal = chest.serving.image_classification.conformal
    del conformal.thresholds[:]
    conformal.coverage = 0.9
    conformal.thresholds.append(Conformal.Threshold(max_improbability=0.75))
    head.serving.image_classification.ClearField("conformal")
    for column in gate.serving.image_gate.columns:
        column.ClearField("min_sound_probability")
        column.ClearField("min_probability")
    return [chest, head, gate]


@pytest.fixture
async def imaging(tmp_path):
    chest, gate = [*CHEST], gate_says()
    inference = FakeInference(
        {
            "chest_xray": lambda _: findings(chest, 7),
            "head_ct": lambda _: findings(HEAD, 5),
            "image_gate": lambda _: {"probabilities": np.array([[*gate.values()]], np.float32)},
        }
    )
    settings = ImagingSettings(
        listen="127.0.0.1:0",
        model_repository=(write_model_repository(tmp_path, cards()),),
        maximum_image_bytes=1_000_000,
    )
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield Imaging(running, imaging_pb2_grpc.ImagingServiceStub(channel), channel, inference, chest, gate)
