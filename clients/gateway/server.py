"""Serves the door by uvicorn until it is told to stop, and lets what runs finish."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from clients.gateway.app import application
from clients.gateway.mesh import Mesh, connection
from clients.gateway.patience import protocol
from clients.gateway.settings import GatewaySettings
from medmesh.connection import Connection
from services.chassis.certificates import Certificates
from services.chassis.observability.audit import AuditLog
from services.chassis.rpc import transport
from services.chassis.rpc.transport import BindError
from services.chassis.settings import SettingsError

logger = logging.getLogger("medmesh.gateway")

_LOOK_S = 1.0
_CONNECTIONS_PER_PLACE = 8
"""Connections that may be open for each place: most callers keep theirs between two requests."""


Around = Callable[[ASGIApp], ASGIApp]
"""Puts an application in front of another one."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # whoever runs the server handles signals


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings, to: Connection | None = None, around: Around = lambda door: door
) -> AsyncIterator[str]:
    """The address of the door, open within the block; at its end what runs finishes within `drain_s`.

    `to` is where the mesh is; by default what the environment says. `around` puts an application in front of
    the door's own. Raises SettingsError, BindError.
    """
    to = to or connection()
    certificates = Certificates.of(settings, to.tls)
    certificates.check()
    with _audit_log(settings) as audit:
        async with Mesh(to, settings, audit) as mesh:
            server = _Server(_config(settings, around(application(mesh, settings))))
            listener = _listener(settings.listen)
            host, port = listener.getsockname()[:2]
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            following = asyncio.gather(certificates.follow(), _renew(server.config, settings))
            try:
                await server.listening.wait()
                yield f"{host}:{port}"
            finally:
                server.should_exit = True
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
                await serving
                listener.close()


@contextmanager
def _audit_log(settings: GatewaySettings) -> Iterator[AuditLog | None]:
    """Raises SettingsError where it cannot be written."""
    if settings.audit_folder is None:
        yield None
        return
    try:
        audit = AuditLog(settings.audit_folder, settings.NAME)
    except OSError as error:
        key = settings.key("audit_folder")
        raise SettingsError(key, f"cannot be written ({error.strerror})") from error
    with contextlib.closing(audit):
        yield audit


def _config(settings: GatewaySettings, app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=protocol(settings.maximum_stall_s, settings.minimum_bytes_per_second),
        interface="asgi3",
        lifespan="off",
        ws="none",
        loop="none",
        log_config=None,  # the log is the mesh's own
        access_log=False,  # it would hold addresses as they came
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.maximum_in_flight_count * _CONNECTIONS_PER_PLACE,
        timeout_graceful_shutdown=round(settings.drain_s),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=settings.tls_client_ca,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca else ssl.CERT_NONE,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            settings.key("tls_certificate"),
            "a file of TLS cannot be read, or is not a PEM certificate with its key",
        ) from error
    return config


async def _renew(config: uvicorn.Config, settings: GatewaySettings) -> None:
    """Shows each new connection the certificate that is in the files by then, until cancelled. An
    authority of clients that is taken out counts until the next start.
    """
    context, certificate, key = config.ssl, settings.tls_certificate, settings.tls_key
    if context is None or certificate is None or key is None:
        return
    files = [path for path in (certificate, key, settings.tls_client_ca) if path is not None]
    seen = transport.state_of(files)
    while True:
        await asyncio.sleep(_LOOK_S)
        state = transport.state_of(files)
        if state == seen:
            continue
        seen = state
        try:
            transport.check_pair(certificate, key)  # first: of a pair that does not fit half would be taken
            context.load_cert_chain(certificate, key)
            if settings.tls_client_ca is not None:
                context.load_verify_locations(settings.tls_client_ca)
        except (SettingsError, OSError) as error:
            told = str(error) if isinstance(error, SettingsError) else type(error).__name__
            logger.error("certificates not taken", extra={"facts": {"problem": told}})  # noqa: TRY400
        else:
            logger.info("certificates taken")


def _listener(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    bare = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        listener = socket.create_server((bare, int(port)), family=family)
    except OSError as error:
        raise BindError(f"{address} cannot be listened on: is the port taken?") from error
    # Its connections inherit it. asyncio sets it only where it made the listener itself, and without it the
    # body of each answer on a connection that is kept waits 40 ms for the caller to acknowledge the headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
