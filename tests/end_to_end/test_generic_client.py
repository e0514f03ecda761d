"""A client that knows only reflection and the health protocol can list, check and call every service.

Nothing generated is used: the messages come from the descriptors that the servers hand out.
"""

from __future__ import annotations

import base64
import json

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from services.chassis.rpc.transport import DIRECT
from tests.end_to_end.conftest import SAMPLES

pytestmark = pytest.mark.live

IMAGE = base64.b64encode((SAMPLES / "chest_xray.png").read_bytes()).decode()
CHEST = {"body_part": "CHEST"}
PATIENT = {"fhir_bundle": base64.b64encode((SAMPLES / "patient.json").read_bytes()).decode()}
NOTE = "Fever and cough, no pleural effusion."

# service of the mesh, gRPC service, rpc, request as JSON, a field of the answer
CALLS = [
    (
        "imaging",
        "medmesh.imaging.v1.ImagingService",
        "AnalyzeImage",
        {"sources": [{"content": IMAGE}], "options": CHEST},
        "analysis",
    ),
    ("language", "medmesh.language.v1.LanguageService", "AnalyzeNote", {"note": NOTE}, "analysis"),
    ("language", "medmesh.language.v1.LanguageService", "EmbedTexts", {"texts": [NOTE]}, "embeddings"),
    (
        "recommendation",
        "medmesh.recommendation.v1.RecommendationService",
        "RankTreatments",
        {"patient": PATIENT},
        "ranking",
    ),
    (
        "orchestrator",
        "medmesh.orchestrator.v1.DiagnosticService",
        "Diagnose",
        {"case": {"note": NOTE, "patient": PATIENT}},
        "diagnosis",
    ),
]


class GenericClient:
    """Finds out by reflection what a server serves, and calls it with JSON."""

    def __init__(self, target: str):
        self.channel = grpc.insecure_channel(target, options=[DIRECT])
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def services(self) -> list[str]:
        return list(self.database.get_services())

    def call(self, service: str, method: str, request: dict) -> dict:
        described = self.pool.FindServiceByName(service).methods_by_name[method]
        sent, answered = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
        rpc = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=sent.SerializeToString,
            response_deserializer=answered.FromString,
        )
        answer = rpc(ParseDict(request, sent()), timeout=60)
        return MessageToDict(answer, preserving_proto_field_name=True)


@pytest.mark.parametrize("name", ["imaging", "language", "recommendation", "orchestrator"])
def test_every_service_lists_what_it_serves_and_says_that_it_serves(mesh, name, shipped):
    with GenericClient(mesh.addresses[name]) as client:
        served = client.services()
        assert "grpc.health.v1.Health" in served
        assert "medmesh.common.v1.ModelCatalogService" in served
        own = [service for service in served if service.startswith(f"medmesh.{name}.")]
        assert len(own) == 1
        for service in ["", *own]:
            assert client.call("grpc.health.v1.Health", "Check", {"service": service}) == {
                "status": "SERVING"
            }
        models = client.call("medmesh.common.v1.ModelCatalogService", "ListModels", {})["models"]
        assert all(model.get("ready") for model in models if model["name"] in shipped), models
        for model in (model for model in models if model["name"] in shipped):
            request = {"name": model["name"]}
            card = client.call("medmesh.common.v1.ModelCatalogService", "GetModelCard", request)["card"]
            assert card["weights_sha256"] == model["weights_sha256"]
            assert card["intended_use"]


@pytest.mark.parametrize(("name", "service", "method", "request_", "field"), CALLS, ids=[c[2] for c in CALLS])
def test_every_service_answers_a_call(mesh, name, service, method, request_, field):
    with GenericClient(mesh.addresses[name]) as client:
        assert client.call(service, method, request_)[field]


def test_refusals_are_readable_without_stubs(mesh):
    """The status's details travel as `google.rpc.Status`, which every gRPC library can read."""
    with GenericClient(mesh.addresses["language"]) as client, pytest.raises(grpc.RpcError) as caught:
        client.call("medmesh.language.v1.LanguageService", "AnalyzeNote", {"note": ""})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    trailing = dict(caught.value.trailing_metadata())
    assert b"BadRequest" in trailing["grpc-status-details-bin"]
    assert json.dumps(trailing["x-request-id"])
