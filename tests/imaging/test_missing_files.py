"""A card that is missing or broken costs its own model: the others are served."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.gate import GATE_LABELS
from services.imaging.models import CHEST_XRAY, HEAD_CT, IMAGE_GATE, SPECS
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, model_card, write_model_repository
from tests.imaging import samples

LABELS = {
    CHEST_XRAY.spec.name: ["normal", "bacterial_pneumonia", "viral_pneumonia"],
    HEAD_CT.spec.name: ["normal", "intracranial_haemorrhage"],
}


def findings(probabilities, cells):
    return {
        "logits": np.log(np.array([probabilities], np.float32)),
        "probabilities": np.array([probabilities], np.float32),
        "activation_map": np.zeros((1, len(probabilities), cells, cells), np.float32),
    }


FUNCTIONS = {
    CHEST_XRAY.spec.name: lambda _: findings([0.1, 0.8, 0.1], 7),
    HEAD_CT.spec.name: lambda _: findings([0.9, 0.1], 5),
    IMAGE_GATE.name: lambda _: {
        "probabilities": np.array([[0.9, *[0.0] * (len(GATE_LABELS) - 1)]], np.float32)
    },
}


@pytest.mark.parametrize("harm", ["missing", "broken"])
@pytest.mark.parametrize("name", [HEAD_CT.spec.name, IMAGE_GATE.name])
async def test_the_chest_is_read_without_an_optional_model(tmp_path, name, harm):
    cards = [model_card(spec, labels=LABELS.get(spec.name, [])) for spec in SPECS]
    repository = write_model_repository(tmp_path, cards)
    card = repository / name / "metadata.json"
    card.unlink() if harm == "missing" else card.write_text("{")
    settings = ImagingSettings(listen="127.0.0.1:0", model_repository=repository, drain_s=0)
    async with (
        running_server(SERVICE, settings, inference=FakeInference(FUNCTIONS, SPECS)) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = imaging_pb2_grpc.ImagingServiceStub(channel)
        image = samples.dicom(np.arange(64 * 64).astype(np.uint8).reshape(64, 64))
        options = pb.ImageOptions(body_part=pb.BODY_PART_CHEST)
        answer = await stub.AnalyzeImage(pb.AnalyzeImageRequest(image=image, options=options), timeout=20)
        assert answer.analysis.findings[0].label == "bacterial_pneumonia"
        unjudged = [
            n for n in answer.analysis.notices if n.reason == "IMAGE_NOT_JUDGED" and n.review_required
        ]
        assert bool(unjudged) == (name == IMAGE_GATE.name)
        assert running.parts.health.problems == {}
        assert not running.parts.catalog.serves(name)
