"""Runs the orchestrator: `python -m services.orchestrator`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from medmesh.language.v1.language_pb2_grpc import LanguageServiceStub
from medmesh.orchestrator.v1 import orchestrator_pb2, orchestrator_pb2_grpc
from medmesh.recommendation.v1.recommendation_pb2_grpc import RecommendationServiceStub
from services.chassis.rpc.health import Check
from services.chassis.rpc.server import Parts, Service, run
from services.chassis.settings import SettingsError
from services.chassis.upstream.call import Upstream
from services.orchestrator import catalogue
from services.orchestrator.diagnosis import Diagnostician
from services.orchestrator.fanout import Services, Split
from services.orchestrator.inventory import InventoryServicer, Shelf
from services.orchestrator.receipt import ReceiptLog
from services.orchestrator.servicer import DiagnosticServicer
from services.orchestrator.settings import OrchestratorSettings


async def register(parts: Parts[OrchestratorSettings], server: grpc.aio.Server) -> None:
    """Wires the upstreams, the fusion and the log of receipts together."""
    settings = parts.settings
    imaging = await _upstream(parts, "imaging", settings.imaging_url)
    language = await _upstream(parts, "language", settings.language_url)
    recommendation = await _upstream(parts, "recommendation", settings.recommendation_url)
    upstreams = (imaging, language, recommendation)
    log = _receipt_log(settings)
    diagnostician = Diagnostician(
        _services(imaging, language, recommendation),
        catalogue.load(settings.model_repository),
        log,
        Split(settings.treatment_share, settings.fusion_reserve_s),
        default_deadline_s=settings.default_deadline_s,
        intended_use=settings.intended_use,
    )
    inventory = InventoryServicer({u.name: _shelf(u, settings.inventory_timeout_s) for u in upstreams})
    orchestrator_pb2_grpc.add_DiagnosticServiceServicer_to_server(DiagnosticServicer(diagnostician), server)
    catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(inventory, server)
    parts.health.require("upstreams", any_serves(upstreams))
    parts.health.require("receipts", lambda: asyncio.to_thread(log.problem))


def any_serves(upstreams: Iterable[Upstream]) -> Check:
    """One service that serves is enough to answer, PARTIAL at worst; `medmesh doctor` shows each."""
    asked = tuple(upstreams)

    async def check() -> str:
        problems = [await upstream.problem() for upstream in asked]
        return "; ".join(problems) if all(problems) else ""

    return check


def _receipt_log(settings: OrchestratorSettings) -> ReceiptLog:
    try:
        return ReceiptLog(settings.receipt_folder)
    except OSError as error:
        raise SettingsError(settings.key("receipt_folder"), "the folder cannot be written") from error


async def _upstream(parts: Parts[OrchestratorSettings], name: str, address: str) -> Upstream:
    return await parts.resources.enter_async_context(Upstream(name, address, parts.settings))


def _services(imaging: Upstream, language: Upstream, recommendation: Upstream) -> Services:
    images = ImagingServiceStub(imaging.channel)
    notes = LanguageServiceStub(language.channel)
    records = RecommendationServiceStub(recommendation.channel)

    def caller(upstream: Upstream, method: Any) -> Any:
        async def call(message: Any, timeout_s: float) -> Any:
            return await upstream.call(method, message, timeout_s=timeout_s)

        return call

    return Services(
        analyze_image=caller(imaging, images.AnalyzeImage),
        analyze_note=caller(language, notes.AnalyzeNote),
        read_record=caller(recommendation, records.ReadRecord),
        rank_treatments=caller(recommendation, records.RankTreatments),
    )


def _shelf(upstream: Upstream, timeout_s: float) -> Shelf:
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(upstream.channel)
    return Shelf(
        list_models=lambda: upstream.call(
            stub.ListModels, catalog_pb2.ListModelsRequest(), timeout_s=timeout_s
        ),
        get_card=lambda request: upstream.call(stub.GetModelCard, request, timeout_s=timeout_s),
    )


SERVICE = Service(
    name="orchestrator",
    settings=OrchestratorSettings,
    descriptors=(orchestrator_pb2.DESCRIPTOR.services_by_name["DiagnosticService"],),
    register=register,
    own_catalog=True,
)

if __name__ == "__main__":
    run(SERVICE)
