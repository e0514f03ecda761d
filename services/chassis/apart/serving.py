"""The second process of a service: the same models and servicers, and nothing else of a server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TypeVar

from services.chassis.apart import child
from services.chassis.observability import log
from services.chassis.observability.observed import Collector
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc import models
from services.chassis.rpc import service as made
from services.chassis.rpc.health import Health
from services.chassis.rpc.service import Parts, Service
from services.chassis.rpc.traces import TraceServicer
from services.chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


async def serve_apart(service: Service[S], settings: S, handler: logging.Handler, descriptor: int) -> None:
    """The second process of `_serve`: with the same models and servicers, and nothing else of a server."""
    child.take_rank()
    log.withhold_foreign_text(handler, asyncio.get_running_loop())
    terminology_sha256 = made.take_terminology(service, settings)
    collector, handlers = Collector(), child.Handlers()
    telemetry = Telemetry(
        service.name, span_processors=(collector,), meter=collector.meter, begins_traces=False
    )
    async with AsyncExitStack() as stack:
        catalog = models.catalog(
            service, settings, models.triton(settings, stack), telemetry, terminology_sha256
        )
        parts = Parts(
            settings,
            telemetry,
            Health([], [], interval_s=settings.health_interval_s),
            await stack.enter_async_context(AsyncExitStack()),
            catalog,
            TraceServicer(telemetry.kept),
        )
        await service.register(parts, handlers)
        await child.serve(descriptor, handlers, telemetry, collector, catalog.edition)
