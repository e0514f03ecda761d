"""Health probe for containers: `python -m services.chassis.rpc.probe HOST:PORT [SERVICE]`.

Exit codes: 0 serving, 1 not serving, 2 no answer or no such service. `MEDMESH_TLS_UPSTREAM_CA` makes it use
TLS, with `MEDMESH_TLS_CERTIFICATE` and `MEDMESH_TLS_KEY` as its own certificate; `MEDMESH_IDENTITY_FOLDER` is
all three.
"""

from __future__ import annotations

import asyncio
import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.rpc import health, transport
from services.chassis.settings import ServiceSettings, SettingsError

SERVING, NOT_SERVING, NO_ANSWER = 0, 1, 2
_TIMEOUT_S = 3.0


async def probe(address: str, service: str, settings: ServiceSettings) -> tuple[int, str]:
    """Asks once; returns the exit code and one word for people."""
    async with transport.channel(address, settings) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return NO_ANSWER, error.code().name
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return (SERVING if serving else NOT_SERVING), health_pb2.HealthCheckResponse.ServingStatus.Name(
        answer.status
    )


async def told(channel: grpc.aio.Channel, timeout_s: float) -> tuple[bool, dict[str, str]]:
    """Whether a service says SERVING, and what it tells beside that (`Health.tell`): the names that are not
    well, each with what is wrong. Raises grpc.aio.AioRpcError where it does not answer.
    """
    stub = health_pb2_grpc.HealthStub(channel)
    states = await health.list_states(channel, timeout_s)
    silent = [name for name, state in states.items() if state != health_pb2.HealthCheckResponse.SERVING]
    troubles = {}
    for name in silent:
        call = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=timeout_s)
        await call
        if trouble := dict(await call.trailing_metadata() or ()).get(health.PROBLEM_KEY):
            troubles[name] = trouble
    return "" not in silent, troubles


def main(arguments: list[str]) -> int:
    """The command line."""
    if len(arguments) not in {1, 2}:
        sys.stderr.write("usage: python -m services.chassis.rpc.probe HOST:PORT [SERVICE]\n")
        return NO_ANSWER
    service = arguments[1] if len(arguments) == 2 else ""
    try:
        settings = ServiceSettings.from_environment({**_environment(), "MEDMESH_LISTEN": "127.0.0.1:0"})
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return NO_ANSWER
    code, word = asyncio.run(probe(arguments[0], service, settings))
    sys.stdout.write(f"{word}\n")
    return code


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k.startswith(("MEDMESH_TLS_", "MEDMESH_IDENTITY_"))}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
