"""The one way to serve: builds a service's server around its servicers, runs it, and drains it.

SERVICE = Service(
    name="imaging",
    settings=ImagingSettings,
    descriptors=(imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"],),
    models=MODELS,
    register=register,      # async def register(parts: Parts[ImagingSettings], server: grpc.aio.Server)
)
if __name__ == "__main__":
    run(SERVICE)
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis import environment
from services.chassis.models.catalog import Catalog, CataloguedInference
from services.chassis.models.inference import Inference, ModelSpec
from services.chassis.models.servicer import CatalogServicer
from services.chassis.models.triton import TritonInference
from services.chassis.observability import log
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc import transport
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.auth import Policy
from services.chassis.rpc.health import Check, Health, HealthServicer
from services.chassis.rpc.interceptors import RequestInterceptor
from services.chassis.settings import ServiceSettings, SettingsError, is_loopback

logger = logging.getLogger("medmesh.server")

S = TypeVar("S", bound=ServiceSettings)
_CLEAN_UP_S = 5.0


@dataclass(frozen=True)
class Parts(Generic[S]):
    """What a service's servicers are wired from."""

    settings: S
    inference: Inference
    """Runs the service's models; those that the catalog refuses raise ModelUnavailable."""
    catalog: Catalog
    telemetry: Telemetry
    health: Health
    """`require(dependency, check)` makes the service's health follow something else than its models."""
    resources: AsyncExitStack
    """What is entered here is closed after the drain."""

    async def provenance(self, model: str) -> Provenance:
        """Where an answer of `model` comes from. Raises ModelUnavailable and ModelUnknown."""
        return self.catalog.provenance(model, await self.inference.runtime())


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """What makes a service."""

    name: str
    """Short name, e.g. `imaging`."""
    settings: type[S]
    """Class of its settings."""
    descriptors: tuple[ServiceDescriptor, ...]
    """Its own gRPC services, for health and reflection."""
    register: Callable[[Parts[S], grpc.aio.Server], Awaitable[None]]
    """Adds its servicers to the server."""
    models: tuple[ModelSpec, ...] = ()
    """The models it uses."""
    own_catalog: bool = False
    """Whether `register` adds a ModelCatalogService of its own."""


@dataclass(frozen=True)
class Running(Generic[S]):
    """A server that serves."""

    address: str
    """Host and port that it listens on."""
    parts: Parts[S]
    interceptor: RequestInterceptor
    server: grpc.aio.Server

    async def drain(self) -> None:
        """Tells the watchers, takes no more requests, and lets the running ones finish within `drain_s`."""
        self.parts.health.drain()
        self.interceptor.drain()
        await self.server.stop(grace=self.parts.settings.drain_s)
        await self.interceptor.drained(_CLEAN_UP_S)


@asynccontextmanager
async def running_server(
    service: Service[S], settings: S | None = None, *, inference: Inference | None = None
) -> AsyncIterator[Running[S]]:
    """Serves within the block, and drains at its end.

    Without `settings` they are the defaults on a free port of loopback; without `inference` it is Triton.
    """
    settings = settings if settings is not None else service.settings(listen="127.0.0.1:0")
    async with AsyncExitStack() as stack:
        telemetry = Telemetry(service.name, settings.otlp_endpoint)
        stack.push_async_callback(asyncio.to_thread, telemetry.close)
        if inference is None:
            triton = TritonInference(
                settings.triton_url, service.models, default_timeout_s=settings.default_deadline_s
            )
            stack.push_async_callback(triton.close)
            inference = triton
        catalog = Catalog(
            service.name, settings.model_repository, service.models, intended_use=settings.intended_use
        )
        guarded = CataloguedInference(inference, catalog)
        names = [d.full_name for d in service.descriptors]
        health = Health(names, [_CATALOG], interval_s=settings.health_interval_s)
        for spec in service.models:
            if spec.required:
                health.require(f"model {spec.name}", _model_check(catalog, guarded, spec.name))
        resources = await stack.enter_async_context(AsyncExitStack())
        parts = Parts(settings, guarded, catalog, telemetry, health, resources)
        interceptor = RequestInterceptor(
            policy=Policy.read(settings.auth_policy) if settings.auth_policy else Policy.open(),
            admission=Admission(
                settings.maximum_in_flight_count, settings.maximum_queue_count, settings.maximum_held_bytes
            ),
            telemetry=telemetry,
            default_deadline_s=settings.default_deadline_s,
            maximum_deadline_s=settings.maximum_deadline_s,
            maximum_stall_s=settings.maximum_stall_s,
        )
        server = grpc.aio.server(interceptors=[interceptor], options=transport.server_options(settings))
        await service.register(parts, server)
        if not service.own_catalog:
            catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(
                CatalogServicer(catalog, guarded), server
            )
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)
        reflection.enable_server_reflection([*names, _CATALOG, _HEALTH, reflection.SERVICE_NAME], server)
        address = transport.bind(server, settings)
        await health.refresh()
        await server.start()
        watcher = asyncio.create_task(health.follow())
        if settings.auth_policy is None and not is_loopback(settings.listen.rpartition(":")[0]):
            logger.warning("open to everybody who reaches the address: MEDMESH_AUTH_POLICY is not set")
        logger.info("serving", extra={"facts": {"address": address, "problems": health.problems}})
        running = Running(address, parts, interceptor, server)
        try:
            yield running
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            await running.drain()
            logger.info("stopped")


def run(service: Service[S]) -> None:
    """Reads the settings, serves until SIGTERM or SIGINT, drains, and ends the process."""
    try:
        settings = service.settings.from_environment()
        handler = log.configure(service.name, settings.log_level)
        for sentence in environment.unknown(os.environ):
            logger.warning(sentence)
        asyncio.run(_serve(service, settings, handler))
    except (SettingsError, transport.BindError) as error:
        sys.exit(f"{service.name} does not start: {error}")


async def _serve(service: Service[S], settings: S, handler: logging.Handler) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    log.withhold_foreign_text(handler, loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_server(service, settings):
        await stop.wait()


def _model_check(catalog: Catalog, inference: Inference, name: str) -> Check:
    async def check() -> str:
        refusal = catalog.refusal(name)
        if refusal or await inference.is_ready(name):
            return refusal
        return f"Triton does not answer for {name}"

    return check


_CATALOG = catalog_pb2.DESCRIPTOR.services_by_name["ModelCatalogService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
