"""The one way to serve: builds a service's server around its servicers, runs it, and drains it.

SERVICE = Service(
    name="imaging",
    settings=ImagingSettings,
    descriptors=(imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"],),
    tasks=(CLASSIFICATION, GATE),
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
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc

from medmesh.common.v1 import catalog_pb2, trace_pb2
from services.chassis import environment, memory
from services.chassis.apart.calls import COMMAND
from services.chassis.certificates import Certificates
from services.chassis.observability import log, setup
from services.chassis.observability.attributes import Name
from services.chassis.observability.audit import AuditLog
from services.chassis.observability.instruments import Instruments, Reading
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc import accepting, transport
from services.chassis.rpc import service as made
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.auth import Policy, PolicyFile
from services.chassis.rpc.health import Health, add_health
from services.chassis.rpc.incoming import Pace
from services.chassis.rpc.interceptors import RequestInterceptor
from services.chassis.rpc.quotas import Quotas
from services.chassis.rpc.reflection import add_reflection
from services.chassis.rpc.service import Parts, Service
from services.chassis.rpc.traces import add_traces
from services.chassis.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:  # of no use to a service without models
    from services.chassis.models.inference import Inference

logger = logging.getLogger("medmesh.server")

S = TypeVar("S", bound=ServiceSettings)
_CLEAN_UP_S = 5.0
_CHECK = "check"
"""The argument by which a service looks at models without serving them."""


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
    terminology_sha256 = made.take_terminology(service, settings)
    certificates = Certificates.of(settings)
    certificates.check()
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(_telemetry(service.name, settings))
        health = Health(
            [d.full_name for d in service.descriptors],
            [_CATALOG.full_name],
            interval_s=settings.health_interval_s,
        )
        catalog = None
        if service.tasks:
            from services.chassis.rpc import models

            catalog = models.catalog(
                service, settings, inference or models.triton(settings, stack), telemetry, terminology_sha256
            )
            models.follow(health, catalog)
        resources = await stack.enter_async_context(AsyncExitStack())
        admission = Admission(
            settings.maximum_in_flight_count,
            settings.maximum_queue_count,
            settings.maximum_held_bytes,
            settings.bytes_per_place,
            settings.bytes_per_second_beside_others,
        )
        audit = _audit_log(service.name, settings, stack)
        if audit is not None:
            health.require("audit", audit.problem)
        health.require("certificates", _off_the_loop(certificates.problem))
        quotas = Quotas()
        # Another process cannot be given the inference of a test.
        apart = made.apart(service, settings, catalog, telemetry, stack) if inference is None else None
        interceptor = RequestInterceptor(
            service=service.name,
            policy=PolicyFile(
                settings.auth_policy,
                lambda policy: quotas.set(policy.quotas),
                beyond_loopback=settings.is_open_to_others,
            )
            if settings.auth_policy
            else Policy.open(),
            quotas=quotas,
            admission=admission,
            telemetry=telemetry,
            audit=audit,
            apart=apart,
            default_deadline_s=settings.default_deadline_s,
            maximum_deadline_s=settings.maximum_deadline_s,
            pace=Pace(settings.maximum_stall_s, settings.minimum_bytes_per_second),
        )
        server = accepting.server([interceptor], transport.server_options(settings))
        parts = Parts(
            settings, telemetry, health, resources, catalog, add_traces(telemetry.kept, server), apart
        )
        await service.register(parts, server)
        _observe(telemetry.instruments, admission, health, certificates)
        reloader = None
        if catalog is not None:
            models.observe(telemetry.instruments, catalog)
            reloader = models.serve(catalog, settings, server, stack)
        add_health(health, server)
        add_reflection([*service.descriptors, _CATALOG, _TRACES], server)
        address = transport.bind(server, settings)
        await health.refresh()
        await server.start()
        watchers = [asyncio.create_task(health.follow()), asyncio.create_task(certificates.follow())]
        if reloader is not None and settings.weights_check_s:
            watchers.append(asyncio.create_task(reloader.follow(settings.weights_check_s)))
        logger.info("serving", extra={"facts": {"address": address, "problems": health.problems}})
        running = Running(address, parts, interceptor, server)
        try:
            yield running
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            await running.drain()
            if catalog is not None:
                await catalog.close()
            logger.info("stopped")


def run(service: Service[S]) -> None:
    """Reads the settings, serves until SIGTERM or SIGINT, drains, and ends the process.

    With `check` and folders as arguments it says what it would refuse of the models there instead.
    """
    if sys.argv[1:2] == [_CHECK]:
        from services.chassis.models import check

        check.report(service.name, sys.argv[2:], service.tasks)
        return
    memory.reuse_large_blocks()
    is_second = sys.argv[1:2] == [COMMAND]
    try:
        settings = service.settings.from_environment()
        handler = log.configure(service.name, settings.log_level)
        if is_second:
            from services.chassis.apart.serving import serve_apart  # of no use to the first

            asyncio.run(serve_apart(service, settings, handler, int(sys.argv[2])))
            return
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
        giving_back = asyncio.create_task(memory.give_back_regularly())
        await stop.wait()
        giving_back.cancel()


def _audit_log(service: str, settings: ServiceSettings, stack: AsyncExitStack) -> AuditLog | None:
    if settings.audit_folder is None:
        return None
    try:
        audit = AuditLog(settings.audit_folder, service)
    except OSError as error:
        raise SettingsError("MEDMESH_AUDIT_FOLDER", f"cannot be written ({error.strerror})") from error
    stack.callback(audit.close)
    return audit


def _off_the_loop(look: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        return await asyncio.to_thread(look)

    return check


@asynccontextmanager
async def _telemetry(service: str, settings: ServiceSettings) -> AsyncIterator[Telemetry]:
    """See `observability.setup.running`; what is left at the end is sent in a thread, since it takes time."""
    with ExitStack() as stack:
        telemetry, door = stack.enter_context(setup.running(service, settings))
        if door:
            logger.info("metrics can be scraped", extra={"facts": {"address": door}})
        try:
            yield telemetry
        finally:
            await asyncio.to_thread(stack.close)


def _observe(
    instruments: Instruments,
    admission: Admission,
    health: Health,
    certificates: Certificates,
) -> None:
    """Lets the service's state be read whenever somebody scrapes it or an export is due."""
    for name, unit, description, read in (
        ("medmesh.server.active_requests", "{call}", "Calls at work.", lambda: admission.in_flight_count),
        (
            "medmesh.server.queue.length",
            "{call}",
            "Calls that wait for their turn.",
            lambda: admission.queued_count,
        ),
        ("medmesh.server.held", "By", "Bytes of calls, arriving or at work.", lambda: admission.held_bytes),
        ("medmesh.server.serving", "1", "1: its health is SERVING.", lambda: int(not health.problems)),
    ):
        instruments.observe(name, unit, description, _without_attributes(read))
    instruments.observe(
        "medmesh.tls.certificate.remaining",
        "s",
        "Time until the first certificate of a file ends.",
        lambda: [(left_s, {Name.CERTIFICATE: purpose}) for purpose, left_s in certificates.remaining_s()],
    )


def _without_attributes(read: Callable[[], float]) -> Reading:
    return lambda: [(read(), {})]


_CATALOG = catalog_pb2.DESCRIPTOR.services_by_name["ModelCatalogService"]
_TRACES = trace_pb2.DESCRIPTOR.services_by_name["TraceService"]
