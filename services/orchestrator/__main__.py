"""Runs the orchestrator: `python -m services.orchestrator`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import grpc

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageResponse
from medmesh.language.v1 import language_pb2
from medmesh.language.v1.deidentification_pb2 import Deidentification, DeidentifyRequest
from medmesh.language.v1.language_pb2_grpc import LanguageServiceStub
from medmesh.language.v1.report_pb2 import Draft, DraftSentence, GenerateReportRequest
from medmesh.orchestrator.v1 import orchestrator_pb2, orchestrator_pb2_grpc
from medmesh.recommendation.v1.recommendation_pb2_grpc import RecommendationServiceStub
from services.chassis.errors import MedmeshError
from services.chassis.rpc import assertions
from services.chassis.rpc.health import Check
from services.chassis.rpc.server import run
from services.chassis.rpc.service import Parts, Service
from services.chassis.settings import SettingsError
from services.chassis.uploads.forwarding import Forwarder
from services.chassis.uploads.servicer import DESCRIPTOR as UPLOADS
from services.chassis.uploads.servicer import serve_uploads
from services.chassis.uploads.store import Uploads
from services.chassis.upstream.call import Upstream
from services.orchestrator import knowledge
from services.orchestrator.cards import CardCalls, ModelCards
from services.orchestrator.catalog import CatalogCalls, MeshCatalogServicer
from services.orchestrator.diagnosis import Diagnostician
from services.orchestrator.fanout import Services, Split
from services.orchestrator.fusion import Source
from services.orchestrator.image_uploads import with_uploads
from services.orchestrator.note_privacy import Deidentify
from services.orchestrator.receipts.log import ReceiptLog
from services.orchestrator.receipts.signing import Signer
from services.orchestrator.repeats import Repeats
from services.orchestrator.servicer import DiagnosticServicer
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.wire import analyze_image_request

STARTING_S = 3.0
"""How long the orchestrator waits for all services when it starts, in seconds."""


async def register(parts: Parts[OrchestratorSettings], server: grpc.aio.Server) -> None:
    """Wires the upstreams, the fusion and the log of receipts together."""
    settings = parts.settings
    imaging = await _upstream(parts, "imaging", settings.imaging_url)
    language = await _upstream(parts, "language", settings.language_url)
    recommendation = await _upstream(parts, "recommendation", settings.recommendation_url)
    # An upload lies in one of imaging's replicas. Not observed: it would be a second breaker of one name.
    imaging_for_uploads = await parts.resources.enter_async_context(
        Upstream(
            "imaging", settings.imaging_url, settings, balanced=False, signer=assertions.signer(settings)
        )
    )
    upstreams = (imaging, language, recommendation)
    parts.traces.ask_too(upstreams)
    log = _receipt_log(settings)
    catalogs = {u.name: _catalog(u, settings.catalog_timeout_s) for u in upstreams}
    cards = ModelCards(
        {
            Source.IMAGE: _card_calls(imaging, settings.catalog_timeout_s),
            Source.NOTE: _card_calls(language, settings.catalog_timeout_s),
        }
    )
    await _in_background(parts, cards.follow(settings.card_refresh_s))
    uploads = await serve_uploads(settings, server, parts.resources)
    diagnostician = Diagnostician(
        _services(imaging, imaging_for_uploads, language, recommendation, uploads),
        knowledge.load(),
        cards,
        log,
        Split(settings.treatment_share, settings.fusion_reserve_s, settings.report_share),
        default_deadline_s=settings.default_deadline_s,
        card_timeout_s=settings.catalog_timeout_s,
        intended_use=settings.intended_use,
        notes_deidentified=settings.deidentify_notes,
    )
    repeats = Repeats(settings.repeat_window_s, settings.repeat_maximum_bytes)
    orchestrator_pb2_grpc.add_DiagnosticServiceServicer_to_server(
        DiagnosticServicer(
            diagnostician, repeats, _deidentify(language) if settings.deidentify_notes else None
        ),
        server,
    )
    catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(
        MeshCatalogServicer(catalogs, lambda: _refresh(cards)), server
    )
    parts.health.require("upstreams", any_serves(upstreams))
    parts.health.require("receipts", log.problem)


def any_serves(upstreams: Iterable[Upstream], starting_s: float | None = None) -> Check:
    """One service that serves is enough to answer, PARTIAL at worst; `medmesh doctor` shows each.

    For `starting_s` (STARTING_S) at first all are waited for: of services that start together the first
    request then finds all, and none of its branches fails for want of a moment.
    """
    asked = tuple(upstreams)
    until = time.monotonic() + (STARTING_S if starting_s is None else starting_s)
    waits = True

    async def check() -> str:
        nonlocal waits
        problems = [await upstream.problem() for upstream in asked]
        waits = waits and any(problems) and time.monotonic() < until
        return "; ".join(filter(None, problems)) if waits or all(problems) else ""

    return check


def _receipt_log(settings: OrchestratorSettings) -> ReceiptLog:
    try:
        signer = Signer.read(settings.receipt_key) if settings.receipt_key is not None else Signer()
    except OSError as error:
        raise SettingsError(settings.key("receipt_key"), "the file cannot be read") from error
    except ValueError as error:
        raise SettingsError(settings.key("receipt_key"), str(error)) from error
    try:
        return ReceiptLog(settings.receipt_folder, signer)
    except OSError as error:
        raise SettingsError(settings.key("receipt_folder"), "the folder cannot be written") from error


async def _in_background(parts: Parts[OrchestratorSettings], work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until the server has drained."""
    task = asyncio.create_task(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    parts.resources.push_async_callback(stop)


async def _refresh(cards: ModelCards) -> None:
    for source in Source:
        if source is not Source.RECORD:
            with suppress(MedmeshError):
                await cards.refresh(source)


async def _upstream(parts: Parts[OrchestratorSettings], name: str, address: str) -> Upstream:
    upstream = await parts.resources.enter_async_context(
        Upstream(
            name,
            address,
            parts.settings,
            signer=assertions.signer(parts.settings),
            hedge_share=parts.settings.hedge_share,
        )
    )
    upstream.observe(parts.telemetry.instruments)
    parts.health.tell(f"upstream.{name}", upstream.trouble)
    return upstream


def _services(
    imaging: Upstream,
    imaging_for_uploads: Upstream,
    language: Upstream,
    recommendation: Upstream,
    uploads: Uploads,
) -> Services:
    notes = LanguageServiceStub(language.channel)
    records = RecommendationServiceStub(recommendation.channel)

    def caller(upstream: Upstream, method: Any, resource: str) -> Callable[[Any, float], Awaitable[Any]]:
        async def call(message: Any, timeout_s: float) -> Any:
            answer = await upstream.call(method, message, timeout_s=timeout_s, hedged=upstream.balanced)
            return _part(answer, resource, upstream)

        return call

    def image_analyzer(upstream: Upstream) -> Callable[[Any, float], Awaitable[Any]]:
        method = upstream.channel.unary_unary(
            "/medmesh.imaging.v1.ImagingService/AnalyzeImage",
            request_serializer=analyze_image_request,
            response_deserializer=AnalyzeImageResponse.FromString,
        )
        return caller(upstream, method, "analysis")

    async def generate_report(
        request: GenerateReportRequest, timeout_s: float, hear: Callable[[DraftSentence], None]
    ) -> Draft:
        async def read(message: GenerateReportRequest, **options: Any) -> Draft:
            """The stream as one answer: its sentences are heard, its last event is returned."""
            call = notes.GenerateReport(message, **options)
            try:
                async for event in call:
                    if event is None:  # no message, as gRPC gives it
                        break
                    if event.HasField("draft"):
                        draft: Draft = event.draft
                        return draft
                    hear(event.sentence)
            finally:
                call.cancel()
            raise MedmeshError(f"{language.name} answered without the draft")

        # Not to be repeated: its first sentences have been heard.
        name = f"{language_pb2.DESCRIPTOR.services_by_name['LanguageService'].full_name}/GenerateReport"
        answer: Draft = await language.call(read, request, timeout_s=timeout_s, safe=False, name=name)
        return answer

    return Services(
        analyze_image=with_uploads(
            image_analyzer(imaging),
            image_analyzer(imaging_for_uploads),
            Forwarder(uploads, imaging_for_uploads),
        ),
        analyze_note=caller(language, notes.AnalyzeNote, "analysis"),
        read_record=caller(recommendation, records.ReadRecord, "reading"),
        rank_treatments=caller(recommendation, records.RankTreatments, "ranking"),
        generate_report=generate_report,
    )


def _deidentify(language: Upstream) -> Deidentify:
    stub = LanguageServiceStub(language.channel)

    async def call(request: DeidentifyRequest, timeout_s: float) -> Deidentification:
        response = await language.call(stub.Deidentify, request, timeout_s=timeout_s)
        done: Deidentification = _part(response, "deidentification", language)
        return done

    return call


def _part(answer: Any, name: str, upstream: Upstream) -> Any:
    """What an answer consists of. Raises MedmeshError where it is not there: nothing found and nothing
    answered are not the same.
    """
    if not answer.HasField(name):
        raise MedmeshError(f"{upstream.name} answered without the {name}")
    return getattr(answer, name)


def _catalog(upstream: Upstream, timeout_s: float, *, for_caller: bool = True) -> CatalogCalls:
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(upstream.channel)
    ask = partial(upstream.call, for_caller=for_caller)
    return CatalogCalls(
        list_models=lambda request: ask(stub.ListModels, request, timeout_s=timeout_s),
        get_card=lambda request: ask(stub.GetModelCard, request, timeout_s=timeout_s),
        # Models are loaded meanwhile: as long as the caller gives it.
        reload=lambda request: ask(stub.ReloadModels, request, safe=False),
    )


def _card_calls(upstream: Upstream, timeout_s: float) -> CardCalls:
    """What the orchestrator asks for itself: cards are known to it whoever may see them."""
    catalog = _catalog(upstream, timeout_s, for_caller=False)

    async def get_card(name: str) -> ModelCard:
        answer = await catalog.get_card(catalog_pb2.GetModelCardRequest(name=name))
        card: ModelCard = _part(answer, "card", upstream)
        return card

    return CardCalls(lambda: catalog.list_models(catalog_pb2.ListModelsRequest()), get_card, upstream.problem)


SERVICE = Service(
    name="orchestrator",
    settings=OrchestratorSettings,
    descriptors=(orchestrator_pb2.DESCRIPTOR.services_by_name["DiagnosticService"], UPLOADS),
    register=register,
)

if __name__ == "__main__":
    run(SERVICE)
