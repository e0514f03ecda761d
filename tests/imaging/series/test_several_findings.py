"""A model whose labels do not exclude each other: each label rests on slices of its own."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from google.protobuf import text_format

from medmesh.common.v1.serving_pb2 import ModelServing
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from services.chassis.models.inference import Tensor
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE
from services.imaging.settings import ImagingSettings
from tests.fakes import FakeInference, model_card, write_model_repository
from tests.imaging.series.stacks import files, head, zipped

SERVING = """
    preprocessing_version: "image/1"
    image_classification {
      applies_to { modalities: "CT" body_parts: "HEAD" }
      preprocessing {
        tensor: "image"
        steps { window { center_hu: 40 width_hu: 80 } }
        steps { resize { height_px: 32 } }
      }
      scores_tensor: "scores"
      labels { name: "fracture" meaning: LABEL_MEANING_FINDING threshold: 0.4 }
      labels { name: "bleeding" meaning: LABEL_MEANING_FINDING }
      labels { name: "blurred" meaning: LABEL_MEANING_QUALITY }
      slice_aggregation { method: METHOD_MAXIMUM max_key_slice_count: 2 }
    }"""


@pytest.fixture
async def stub(tmp_path):
    """Slice by slice, in the order in which they come: a fracture in the second, bleeding in the fifth."""
    card = model_card(
        "head_findings",
        text_format.Parse(SERVING, ModelServing()),
        [Tensor("image", np.uint8, (1, 32, 32))],
        [Tensor("scores", np.float32, (3,))],
    )
    scores = iter([[0, 0, 0.9], [0.8, 0.1, 0], [0, 0, 0.99], [0.3, 0.3, 0], [0.1, 0.6, 0], [0, 0, 0]])
    inference = FakeInference(
        {"head_findings": lambda inputs: {"scores": np.array([next(scores)], np.float32)}}
    )
    repository = write_model_repository(tmp_path / "models", [card])
    settings = ImagingSettings(listen="127.0.0.1:0", model_repository=(repository,))
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield ImagingServiceStub(channel)


async def test_each_finding_has_its_own_maximum_and_quality_makes_no_key_slice(stub):
    source = pb.ImageSource(content=zipped(files(head(6))))
    answer = await stub.AnalyzeImage(pb.AnalyzeImageRequest(sources=[source]))
    (result,) = answer.analysis.results
    found = {finding.label: (round(finding.probability, 6), finding.threshold) for finding in result.findings}
    assert found == {"fracture": (0.8, 0.4), "bleeding": (0.6, 0.5), "blurred": (0.99, 0.5)}
    assert not result.exclusive
    assert [one.index for one in result.key_slices] == [1, 4]
    assert result.gate_decision == pb.GATE_DECISION_NOT_ASKED
