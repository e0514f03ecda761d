"""A real imaging server on a free port, with a fake only below the inference seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.gate import GATE_LABELS
from services.imaging.models import CHEST_XRAY, HEAD_CT, IMAGE_GATE, SPECS
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, model_card, write_model_repository

CHEST_LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia")
HEAD_LABELS = ("normal", "intracranial_haemorrhage")


@dataclass
class Imaging:
    """The running service: its stub, the fake models, and what they answer next."""

    stub: Any
    channel: grpc.aio.Channel
    inference: FakeInference
    chest: list[float]
    gate: dict[str, float]


def _findings(probabilities, cells=7):
    labels = len(probabilities)
    maps = np.zeros((1, labels, cells, cells), np.float32)
    for label in range(labels):
        maps[0, label, label, label] = 1
    return {
        "logits": np.log(np.array([probabilities], np.float32)),
        "probabilities": np.array([probabilities], np.float32),
        "activation_map": maps,
    }


@pytest.fixture
async def imaging(tmp_path):
    chest = [0.05, 0.9, 0.05]
    gate = dict.fromkeys(GATE_LABELS, 0.01) | {"chest_xray": 0.98, "sound": 0.94}
    functions = {
        "chest_xray": lambda inputs: _findings(chest),
        "head_ct": lambda inputs: _findings([0.3, 0.7], cells=5),
        "image_gate": lambda inputs: {"probabilities": np.array([[*gate.values()]], np.float32)},
    }
    conformal = {"conformal_coverage": 0.9, "conformal_minimum_probability": 0.25}
    cards = [
        model_card(CHEST_XRAY.spec, labels=CHEST_LABELS, serving_parameters=conformal),
        model_card(HEAD_CT.spec, labels=HEAD_LABELS),
        model_card(IMAGE_GATE, serving_parameters={"accept_minimum_probability": 0.5}),
    ]
    inference = FakeInference(functions, SPECS)
    settings = ImagingSettings(
        listen="127.0.0.1:0",
        model_repository=write_model_repository(tmp_path, cards),
        maximum_image_bytes=1_000_000,
    )
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield Imaging(imaging_pb2_grpc.ImagingServiceStub(channel), channel, inference, chest, gate)
