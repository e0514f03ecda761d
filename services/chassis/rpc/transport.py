"""How bytes travel: gRPC options, TLS and addresses, for servers and for channels to other services."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc

from medmesh.renewing import AsyncRenewingChannel
from medmesh.targets import parts
from services.chassis.rpc import targets
from services.chassis.settings import ServiceSettings, SettingsError, is_loopback

logger = logging.getLogger("medmesh.tls")


class BindError(Exception):
    """The address cannot be listened on."""


_FOR_EVER_MS = 2**31 - 1


def server_options(settings: ServiceSettings) -> list[tuple[str, int]]:
    """GRPC options of a server."""
    return [
        ("grpc.max_connection_age_ms", int(settings.maximum_connection_age_s * 1000) or _FOR_EVER_MS),
        ("grpc.max_receive_message_length", settings.maximum_request_bytes),
        ("grpc.max_send_message_length", settings.maximum_response_bytes),
        ("grpc.max_concurrent_streams", settings.maximum_stream_count),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Callers ping every 30 s, also between requests. gRPC's default ends the connection of who pings more
        # often, and while it cannot write that it notes it of each further ping, all before it included.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, and says so
        # gRPC inflates a message before it checks its size: 1 MB can become 1 GB. Images are small already.
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]


DIRECT = ("grpc.enable_http_proxy", 0)
"""The mesh's own hosts are never reached through `http_proxy` and its kin, which gRPC would follow even to
loopback."""


BALANCED = ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')
"""Calls take turns over all addresses that the name has and that can be reached."""
STAYING = (
    "grpc.service_config",
    '{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}',
)
"""All calls go to one of the addresses, whichever, for as long as it can be reached: it holds an upload."""


def channel_options(settings: ServiceSettings, *, balanced: bool = True) -> list[tuple[str, Any]]:
    """GRPC options of a channel to another service."""
    return [
        DIRECT,
        BALANCED if balanced else STAYING,
        ("grpc.max_receive_message_length", settings.maximum_request_bytes),
        ("grpc.max_send_message_length", settings.maximum_response_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Without a policy of retries, since `upstream` retries within a budget: gRPC only moves to the next
        # connection what it has not sent yet when one ends by its age, also calls that may not be repeated.
        ("grpc.enable_retries", 1),
    ]


def bind(server: grpc.aio.Server, settings: ServiceSettings) -> str:
    """Binds the server, with TLS when there is a certificate; returns the address with the real port.

    Raises BindError; SettingsError where a file cannot be read or is not a certificate or key.
    """
    credentials = _server_credentials(settings)
    try:
        if credentials is None:
            port = server.add_insecure_port(settings.listen)
        else:
            port = server.add_secure_port(settings.listen, credentials)
    except RuntimeError as error:
        raise BindError(f"{settings.listen} cannot be listened on: is the port taken?") from error
    return f"{settings.listen.rpartition(':')[0]}:{port}"


def _server_credentials(settings: ServiceSettings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = _ServerFiles(settings, settings.tls_certificate, settings.tls_key)
    return grpc.dynamic_ssl_server_credentials(
        files.configuration(), files.changed, require_client_authentication=settings.tls_client_ca is not None
    )


class _ServerFiles:
    """The files of a server's TLS: who connects gets what they hold then."""

    def __init__(self, settings: ServiceSettings, certificate: Path, key: Path) -> None:
        self._settings = settings
        self._certificate, self._key = certificate, key
        self._seen = self._state()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Raises SettingsError where a file cannot be used."""
        check_pair(self._certificate, self._key)
        return grpc.ssl_server_certificate_configuration(
            [(_read(self._key, "tls_key"), _read(self._certificate, "tls_certificate"))],
            root_certificates=_read(self._settings.tls_client_ca, "tls_client_ca"),
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files hold now; None: what they held. gRPC asks with each connection, in any thread."""
        state = self._state()
        if state == self._seen:
            return None
        self._seen = state
        try:
            found = self.configuration()
        except SettingsError as error:
            logger.error("certificates not taken", extra={"facts": {"problem": str(error)}})  # noqa: TRY400
            return None
        logger.info("certificates taken")
        return found

    def _state(self) -> tuple[tuple[int, int], ...]:
        return state_of(filter(None, (self._certificate, self._key, self._settings.tls_client_ca)))


def state_of(files: Iterable[Path]) -> tuple[tuple[int, int], ...]:
    """What differs once one of the files has changed; empty where one is not there."""
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            return ()
        found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)


def check_pair(certificate: Path, key: Path) -> None:
    """Raises SettingsError where gRPC would only say that it cannot listen."""
    for path, field in ((certificate, "tls_certificate"), (key, "tls_key")):
        _read(path, field)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise SettingsError(
            ServiceSettings.key("tls_certificate"),
            "the file is not a PEM certificate, or MEDMESH_TLS_KEY is not its private key",
        ) from error


def channel(
    address: str, settings: ServiceSettings, *, balanced: bool = True, named: str = ""
) -> grpc.aio.Channel:
    """A channel to another service, with TLS when `tls_upstream_ca` is set, of which renewed files count
    within a second; BALANCED, or STAYING.

    `named`: the address whose host a certificate has to name, where `address` is one that it has.
    """
    options = channel_options(settings, balanced=balanced)
    host = parts(named or address)[0][0]
    if named and targets.is_name(host):
        options += [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
    if settings.tls_upstream_ca is None:
        is_near = all(is_loopback(host) for host, _ in parts(address))
        if (settings.token or settings.token_file) and not is_near:
            raise SettingsError(
                ServiceSettings.key("tls_upstream_ca"),
                f"the token would go to {address} in clear: name the authority of its certificate",
            )
        return grpc.aio.insecure_channel(address, options=options)
    ca, certificate, key = settings.tls_upstream_ca, settings.tls_certificate, settings.tls_key

    def make() -> grpc.aio.Channel:
        if certificate is not None and key is not None:
            check_pair(certificate, key)  # gRPC would say nothing, and never connect
        credentials = grpc.ssl_channel_credentials(
            _read(ca, "tls_upstream_ca"), _read(key, "tls_key"), _read(certificate, "tls_certificate")
        )
        return grpc.aio.secure_channel(address, credentials, options=options)

    return AsyncRenewingChannel(make, [path for path in (ca, certificate, key) if path is not None], tell)


def tell(error: Exception | None) -> None:
    """Logs that a channel has taken renewed files, or why it has not."""
    if error is None:
        logger.info("certificates taken as a caller")
    else:
        told = str(error) if isinstance(error, SettingsError) else type(error).__name__
        logger.error("certificates not taken as a caller", extra={"facts": {"problem": told}})


def _read(path: Path | None, field: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(ServiceSettings.key(field), "the file cannot be read") from error
