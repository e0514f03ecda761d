"""How bytes travel: gRPC options, TLS and addresses, for servers and for channels to other services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from services.chassis.settings import ServiceSettings, SettingsError


class BindError(Exception):
    """The address cannot be listened on."""


def server_options(settings: ServiceSettings) -> list[tuple[str, int]]:
    """GRPC options of a server."""
    return [
        ("grpc.max_receive_message_length", settings.maximum_request_bytes),
        ("grpc.max_send_message_length", settings.maximum_response_bytes),
        ("grpc.max_concurrent_streams", settings.maximum_stream_count),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Callers ping every 30 s, also between requests; gRPC's default answers that with GOAWAY.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, and says so
    ]


DIRECT = ("grpc.enable_http_proxy", 0)
"""The mesh's own hosts are never reached through `http_proxy` and its kin, which gRPC would follow even to
loopback."""


def channel_options(settings: ServiceSettings) -> list[tuple[str, Any]]:
    """GRPC options of a channel to another service."""
    return [
        DIRECT,
        ("grpc.max_receive_message_length", settings.maximum_request_bytes),
        ("grpc.max_send_message_length", settings.maximum_response_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_retries", 0),  # `upstream` retries, within a budget
    ]


def bind(server: grpc.aio.Server, settings: ServiceSettings) -> str:
    """Binds the server, with TLS when there is a certificate; returns the address with the real port."""
    try:
        if settings.tls_certificate is None or settings.tls_key is None:
            port = server.add_insecure_port(settings.listen)
        else:
            client_ca = _read(settings.tls_client_ca, "tls_client_ca")
            credentials = grpc.ssl_server_credentials(
                [(_read(settings.tls_key, "tls_key"), _read(settings.tls_certificate, "tls_certificate"))],
                root_certificates=client_ca,
                require_client_auth=client_ca is not None,
            )
            port = server.add_secure_port(settings.listen, credentials)
    except RuntimeError as error:
        raise BindError(f"{settings.listen} cannot be listened on: is the port taken?") from error
    return f"{settings.listen.rpartition(':')[0]}:{port}"


def channel(address: str, settings: ServiceSettings) -> grpc.aio.Channel:
    """A channel to another service, with TLS when `tls_upstream_ca` is set."""
    options = channel_options(settings)
    if settings.tls_upstream_ca is None:
        return grpc.aio.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(
        _read(settings.tls_upstream_ca, "tls_upstream_ca"),
        _read(settings.tls_key, "tls_key"),
        _read(settings.tls_certificate, "tls_certificate"),
    )
    return grpc.aio.secure_channel(address, credentials, options=options)


def _read(path: Path | None, field: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(ServiceSettings.key(field), "the file cannot be read") from error
