"""Asks a server of the mesh whether it serves: `python -m services.probe [HOST:PORT]`, for container health
checks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.settings import ServiceSettings


def problem(address: str, settings: ServiceSettings, timeout_s: float = 3.0) -> str:
    """Empty when the server at `address` says SERVING, else what it says instead, in a few words."""
    with _channel(address, settings) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=timeout_s
            )
        except grpc.RpcError as error:
            return f"no answer ({error.code().name})"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if status == "SERVING" else status


def _channel(address: str, settings: ServiceSettings) -> grpc.Channel:
    if settings.tls_certificate is None:
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(
        _read(settings.tls_upstream_ca), _read(settings.tls_key), _read(settings.tls_certificate)
    )
    return grpc.secure_channel(address, credentials)


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def main(arguments: list[str]) -> int:
    """0 when it serves; 1 after one line on stderr."""
    settings = ServiceSettings.from_environment()
    address = arguments[0] if arguments else settings.listen.replace("0.0.0.0:", "127.0.0.1:")
    found = problem(address, settings)
    if found:
        print(f"{address}: {found}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
