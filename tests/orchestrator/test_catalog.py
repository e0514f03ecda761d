"""The catalog of the whole mesh, and the orchestrator's health."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from medmesh.common.v1 import catalog_pb2
from services.chassis.errors import PermissionDenied
from tests.orchestrator.conftest import Refusal, running_mesh

SERVICES = ("imaging", "language", "recommendation")
ALL = [
    ("imaging", "chest_xray"),
    ("imaging", "head_ct"),
    ("imaging", "imaging_model"),
    ("language", "language_model"),
    ("recommendation", "recommendation_model"),
]


async def health(mesh) -> str:
    await mesh.running.parts.health.refresh()
    request = health_pb2.HealthCheckRequest(service="medmesh.orchestrator.v1.DiagnosticService")
    answer = await health_pb2_grpc.HealthStub(mesh.channel).Check(request, timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def test_the_catalog_lists_the_models_of_every_service(mesh):
    answer = await mesh.catalog.ListModels(catalog_pb2.ListModelsRequest(), timeout=10)
    assert [(m.service, m.name) for m in answer.models] == ALL
    assert not answer.unreachable_services


@pytest.mark.parametrize("page_size", [1, 2, 5, 100])
async def test_pages_hold_every_model_once(mesh, page_size):
    found, token = [], ""
    while True:
        request = catalog_pb2.ListModelsRequest(page_size=page_size, page_token=token)
        answer = await mesh.catalog.ListModels(request, timeout=10)
        assert len(answer.models) <= page_size
        found += [(m.service, m.name) for m in answer.models]
        token = answer.next_page_token
        if not token:
            break
    assert found == ALL


async def test_a_page_token_of_no_answer_is_refused(mesh):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.catalog.ListModels(catalog_pb2.ListModelsRequest(page_token="3"), timeout=10)
    assert (Refusal.of(caught.value).reason, Refusal.of(caught.value).field) == (
        "INPUT_MALFORMED",
        "page_token",
    )


async def test_a_reload_reaches_every_service_and_tells_what_became_of_each_model(mesh):
    answer = await mesh.catalog.ReloadModels(catalog_pb2.ReloadModelsRequest(), timeout=10)
    assert [(m.service, m.name) for m in answer.models] == ALL
    assert not answer.unreachable_services
    assert [catalog.reload_count for catalog in mesh.catalogs.values()] == [1, 1, 1]


async def test_a_model_that_every_service_tells_of_is_listed_once_by_the_one_that_serves_it(mesh):
    for service in SERVICES:  # its card cannot be read: none knows whose it is but who serves it still
        mesh.catalogs[service].unreadable = {"lost": "", "kept": "1" if service == "language" else ""}
    listed = await mesh.catalog.ListModels(catalog_pb2.ListModelsRequest(), timeout=10)
    reloaded = await mesh.catalog.ReloadModels(catalog_pb2.ReloadModelsRequest(), timeout=10)
    for models in (listed.models, reloaded.models):
        found = [(m.service, m.name, m.model_version) for m in models if m.name in {"lost", "kept"}]
        assert found == [("imaging", "lost", ""), ("language", "kept", "1")]


async def test_a_service_that_cannot_reload_is_named_and_the_others_do(tmp_path):
    async with running_mesh(tmp_path, dead=("language",)) as mesh:
        answer = await mesh.catalog.ReloadModels(catalog_pb2.ReloadModelsRequest(), timeout=10)
    assert list(answer.unreachable_services) == ["language"]
    assert {m.service for m in answer.models} == {"imaging", "recommendation"}


async def test_who_may_not_reload_is_told_so(mesh):
    mesh.catalogs["language"].error = PermissionDenied()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.catalog.ReloadModels(catalog_pb2.ReloadModelsRequest(), timeout=10)
    assert Refusal.of(caught.value).reason == "PERMISSION_DENIED"


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
async def test_the_orchestrator_serves_while_one_service_does(tmp_path, monkeypatch, dead, expected):
    monkeypatch.setattr("services.orchestrator.__main__.STARTING_S", 0.0)
    async with running_mesh(tmp_path, dead=dead) as mesh:
        assert await health(mesh) == expected
