"""What a service is made of."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from services.chassis.apart.calls import COMMAND
from services.chassis.apart.parent import LARGE_PLACES, Apart
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc.health import Health
from services.chassis.rpc.traces import TraceServicer
from services.chassis.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:  # a service without models does without what these load
    from services.chassis.models.catalog import Catalog
    from services.chassis.models.served import Task

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Parts(Generic[S]):
    """What a service's servicers are wired from."""

    settings: S
    telemetry: Telemetry
    health: Health
    """`require(dependency, check)` makes the service's health follow something else than its models."""
    resources: AsyncExitStack
    """What is entered here is closed after the drain."""
    models: Catalog | None
    """None: the service serves no task."""
    traces: TraceServicer
    """`ask_too(upstreams)` makes it answer for the services that this one calls."""
    apart: Apart | None = None
    """Where servicers have large files computed that did not come in a request's own message; None: here."""

    @property
    def catalog(self) -> Catalog:
        """The service's models; only of a service that serves tasks."""
        if self.models is None:
            raise LookupError("the service serves no task, so it has no models")
        return self.models


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """What makes a service."""

    name: str
    """Short name, e.g. `imaging`."""
    settings: type[S]
    """Class of its settings."""
    descriptors: tuple[ServiceDescriptor, ...]
    """Its own gRPC services, for health and reflection; the first one is what it is there for."""
    register: Callable[[Parts[S], grpc.aio.Server], Awaitable[None]]
    """Adds its servicers to the server."""
    take_terminology: Callable[[S], str] | None = None
    """Takes what the setting `terminology` names into use, before anything is made of it, and gives its
    digest; ValueError where it cannot be used."""
    apart: str = ""
    """Module that serves it, as `python -m` takes it, where large requests are to be computed in a second
    process while others send small ones; empty: they never are."""
    tasks: tuple[Task[Any], ...] = ()
    """The kinds of model that it serves. None: it has neither models nor a connection to Triton, and
    `register` may add a ModelCatalogService of its own."""


def take_terminology(service: Service[S], settings: S) -> str:
    """Takes the tables that the settings name into use; their digest. Raises SettingsError."""
    if service.take_terminology is None:
        return ""
    try:
        return service.take_terminology(settings)
    except ValueError as error:
        raise SettingsError(settings.key("terminology"), str(error)) from None


def apart(
    service: Service[S], settings: S, catalog: Catalog | None, telemetry: Telemetry, stack: AsyncExitStack
) -> Apart | None:
    """Where large requests are computed, which `stack` closes; None: here."""
    if not service.apart or not settings.large_apart or catalog is None:
        return None
    made = Apart(
        [sys.executable, "-m", service.apart, COMMAND],
        lambda: catalog.edition,
        telemetry,
        methods=f"/{service.descriptors[0].full_name}/",
        large_bytes=LARGE_PLACES * settings.bytes_per_place,
    )
    stack.push_async_callback(made.close)
    telemetry.instruments.observe(
        "medmesh.server.apart.active_requests",
        "{call}",
        "Large calls at work in the second process.",
        lambda: [(made.active_count, {})],
    )
    return made
