"""The inventory of the whole mesh, and the orchestrator's health."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from medmesh.common.v1 import catalog_pb2
from tests.orchestrator.conftest import Refusal, running_mesh

SERVICES = ("imaging", "language", "recommendation")


async def health(mesh) -> str:
    await mesh.running.parts.health.refresh()
    request = health_pb2.HealthCheckRequest(service="medmesh.orchestrator.v1.DiagnosticService")
    answer = await health_pb2_grpc.HealthStub(mesh.channel).Check(request, timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def test_the_inventory_lists_the_models_of_every_service(mesh):
    answer = await mesh.catalog.ListModels(catalog_pb2.ListModelsRequest(), timeout=10)
    assert [(m.service, m.name) for m in answer.models] == [(name, f"{name}_model") for name in SERVICES]
    assert not answer.unreachable_services


async def test_a_service_that_cannot_be_asked_is_named(tmp_path):
    async with running_mesh(tmp_path, dead=("language", "imaging")) as mesh:
        answer = await mesh.catalog.ListModels(catalog_pb2.ListModelsRequest(), timeout=10)
    assert [m.service for m in answer.models] == ["recommendation"]
    assert list(answer.unreachable_services) == ["imaging", "language"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_card_comes_from_the_service_that_has_it(mesh, service):
    request = catalog_pb2.GetModelCardRequest(name=f"{service}_model")
    answer = await mesh.catalog.GetModelCard(request, timeout=10)
    assert answer.card.name == f"{service}_model"


async def test_a_model_that_nobody_has_is_unknown(mesh):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.catalog.GetModelCard(catalog_pb2.GetModelCardRequest(name="nothing"), timeout=10)
    assert Refusal.of(caught.value).reason == "MODEL_UNKNOWN"


async def test_that_a_model_is_unknown_is_not_said_before_all_were_asked(tmp_path):
    async with running_mesh(tmp_path, dead=("language",)) as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await mesh.catalog.GetModelCard(catalog_pb2.GetModelCardRequest(name="nothing"), timeout=10)
    refusal = Refusal.of(caught.value)
    assert refusal.reason == "UPSTREAM_UNAVAILABLE"
    assert refusal.metadata["upstream"] == "language"


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        ((), "SERVING"),
        (("imaging",), "SERVING"),
        (("imaging", "language"), "SERVING"),
        (SERVICES, "NOT_SERVING"),
    ],
)
async def test_the_orchestrator_serves_while_one_service_does(tmp_path, dead, expected):
    async with running_mesh(tmp_path, dead=dead) as mesh:
        assert await health(mesh) == expected
