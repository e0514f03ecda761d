"""What a service has that serves models: its catalog, where they are computed, their part of its health, and
what is observed of them.

Only such a service loads this module: numpy and Triton's client come with it, 13 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TypeVar

import grpc

from medmesh.common.v1 import catalog_pb2_grpc
from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import Inference
from services.chassis.models.reload import Reloader
from services.chassis.models.routing import RoutedInference
from services.chassis.models.servicer import UNANSWERED, CatalogServicer
from services.chassis.models.signatures import TrustedKeys
from services.chassis.models.triton import TritonInference
from services.chassis.models.triton_key import TritonKey
from services.chassis.observability.attributes import Attributes, Name
from services.chassis.observability.instruments import Instruments
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc.health import Health
from services.chassis.rpc.service import Service
from services.chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def triton(settings: ServiceSettings, stack: AsyncExitStack) -> Inference:
    """The connections to Triton, which `stack` closes."""
    key = TritonKey(settings.triton_key_file) if settings.triton_key_file else None
    servers = [
        TritonInference(url, default_timeout_s=settings.default_deadline_s, key=key)
        for url in dict.fromkeys(filter(None, (settings.triton_url, settings.writer_triton_url)))
    ]
    for server in servers:
        stack.push_async_callback(server.close)
    return RoutedInference(*servers) if len(servers) > 1 else servers[0]


def catalog(
    service: Service[S], settings: S, inference: Inference, telemetry: Telemetry, terminology_sha256: str
) -> Catalog:
    """The models of the service as they lie in the repository."""
    return Catalog(
        service.name,
        settings.model_repository,
        service.tasks,
        inference,
        telemetry,
        intended_use=settings.intended_use,
        terminology_sha256=terminology_sha256,
        trusted=TrustedKeys.read(settings.model_keys),
    )


def serve(
    catalog: Catalog, settings: ServiceSettings, server: grpc.aio.Server, stack: AsyncExitStack
) -> Reloader:
    """Lists and reloads the models; `stack` closes what reloads them."""
    reloader = Reloader(catalog, retire_after_s=settings.maximum_deadline_s)
    stack.push_async_callback(reloader.close)
    catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(CatalogServicer(catalog, reloader), server)
    return reloader


def follow(health: Health, catalog: Catalog) -> None:
    """Makes the service's health that of the models that it needs."""
    health.require("models", _required_models(catalog))
    health.tell("models", _refused_models(catalog))


def _required_models(catalog: Catalog) -> Callable[[], Awaitable[str]]:
    """The check that every model whose card says that the service needs it answers."""

    async def check() -> str:
        required = [entry for entry in catalog.entries() if entry.card.serving.required]
        ready = await asyncio.gather(*(e.served.is_ready() for e in required if e.served is not None))
        silent = [
            e.name for e, answers in zip([e for e in required if e.served], ready, strict=True) if not answers
        ]
        refused = [entry.refusal for entry in required if entry.served is None]
        return " ".join([*refused, *(f"{name}: {UNANSWERED}" for name in silent)])

    return check


def _refused_models(catalog: Catalog) -> Callable[[], str]:
    """Names the models that are not served, whether or not the service needs them."""

    def trouble() -> str:
        refused = [entry.name for entry in catalog.entries() if entry.served is None]
        return f"refused: {', '.join(refused)}" if refused else ""

    return trouble


def observe(instruments: Instruments, catalog: Catalog) -> None:
    """Lets the models be read whenever somebody scrapes the service or an export is due."""
    instruments.observe(
        "medmesh.model.info", "1", "1 for each model that is served.", lambda: _served(catalog)
    )
    instruments.observe(
        "medmesh.model.problems",
        "{problem}",
        "What is wrong with a model's folder now.",
        lambda: [(len(entry.problems), {Name.MODEL: entry.name}) for entry in catalog.entries()],
    )


def _served(catalog: Catalog) -> Iterator[tuple[float, Attributes]]:
    for entry in catalog.entries():
        if entry.served is not None:
            yield (
                1,
                {
                    Name.MODEL: entry.name,
                    Name.MODEL_VERSION: str(entry.served.version.runs.number),
                    Name.CARD_VERSION: entry.card.version,
                    Name.TASK: entry.checked.task,
                },
            )
