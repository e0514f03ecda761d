"""Calls of the mesh on behalf of an HTTP caller: with his token, his deadline and his request id.

The door has no rights to lend. It presents no token of its own; where it needs a certificate to reach the
services (mTLS), it takes no call without a token, since the services would know that by the certificate.
Where it can be reached from other machines, it judges the caller by a policy of its own before it calls
(`clients.gateway.gate`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clients.gateway.failures import Failure
from clients.gateway.gate import Gate
from clients.gateway.settings import GatewaySettings
from medmesh.connection import CHANNEL_OPTIONS, STAYING, Connection, is_loopback, resolve
from medmesh.rpcs import Rpc
from services.chassis.errors import InvalidInput, Reason
from services.chassis.observability.audit import AuditLog
from services.chassis.rpc import transport
from services.chassis.rpc.request import PRINCIPAL_KEY, PRIORITY_KEY, REQUEST_ID_KEY, accept_request_id
from services.chassis.rpc.status import DETAILS_KEY, from_rpc_error
from services.chassis.settings import SettingsError

AUTHORIZATION = "authorization"
_PASSED_ON = (AUTHORIZATION, PRINCIPAL_KEY, PRIORITY_KEY, "traceparent", "tracestate")
"""Headers of the caller that the services get as they came."""
_PREFERENCE = re.compile(r"(?:^|[,;])\s*wait\s*=\s*(\d{1,6})\s*(?:$|[,;])")
_HEALTH_TIMEOUT_S = 3.0
_OWN_SENTENCES = {
    "UNIMPLEMENTED": "This server does not have this call.",
    "CANCELLED": "The call was cancelled.",
}
_TOO_LARGE = "is larger than a message may be, or its answer would be; upload large images (UploadService)"


@dataclass(frozen=True)
class Caller:
    """What the services are told of an HTTP caller."""

    request_id: str
    metadata: tuple[tuple[str, str], ...]
    timeout_s: float
    """Time for the whole call, in seconds."""

    @property
    def authorization(self) -> str | None:
        """What he says who he is."""
        return dict(self.metadata).get(AUTHORIZATION)

    @classmethod
    def of(cls, headers: Mapping[str, str], settings: GatewaySettings) -> Caller:
        """Reads the headers, whose names are in lower case.

        The deadline is that of `Connect-Timeout-Ms`, else of `Prefer: wait=SECONDS` (RFC 7240), else the
        default.
        """
        request_id = accept_request_id(headers.get(REQUEST_ID_KEY))
        passed_on = [(key, headers[key]) for key in _PASSED_ON if key in headers]
        timeout_s = settings.default_deadline_s
        milliseconds = headers.get("connect-timeout-ms", "")
        preferred = _PREFERENCE.search(headers.get("prefer", ""))
        if milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= 10:
            timeout_s = int(milliseconds) / 1e3
        elif preferred is not None:
            timeout_s = float(preferred[1])
        return cls(
            request_id,
            ((REQUEST_ID_KEY, request_id), *passed_on),
            min(timeout_s, settings.maximum_deadline_s),
        )

    def with_token(self, token: str | None) -> Caller:
        """The same under another token, or under none."""
        others = tuple((key, value) for key, value in self.metadata if key != AUTHORIZATION)
        own = ((AUTHORIZATION, f"Bearer {token}"),) if token else ()
        return dataclasses.replace(self, metadata=others + own)

    def within(self, timeout_s: float | None) -> Caller:
        """The same with another deadline, where there is one."""
        return self if timeout_s is None else dataclasses.replace(self, timeout_s=max(timeout_s, 0.0))


def connection() -> Connection:
    """Where the mesh is, as every client is told, but without a token. Raises SettingsError."""
    try:
        found = resolve(
            None,
            imaging=None,
            language=None,
            recommendation=None,
            token=None,
            tls=None,
            timeout_s=None,
        )
    except ValueError as error:
        raise SettingsError("MEDMESH_URL", str(error)) from None
    found = dataclasses.replace(found, token=None)
    for service, target in found.targets.items():
        if found.tls is None and not is_loopback(target):
            raise SettingsError(
                "MEDMESH_CLIENT_CA",
                f"callers' tokens would go to {service} in clear: name the authority of its certificate",
            )
    return found


class Mesh:
    """The services, over one channel each."""

    def __init__(self, to: Connection, settings: GatewaySettings, audit: AuditLog | None = None) -> None:
        self.servers = tuple(to.targets)
        presents_certificate = to.tls is not None and to.tls.certificate is not None
        self.gate = Gate(settings, presents_certificate=presents_certificate, audit=audit)
        # The uploads of all its callers pass through it.
        options = dict((*CHANNEL_OPTIONS, STAYING)) | {
            "grpc.max_send_message_length": settings.maximum_request_bytes,
            "grpc.max_receive_message_length": settings.maximum_response_bytes,
        }
        self._channels = {
            server: grpc.aio.insecure_channel(target, options=[*options.items()])
            if to.tls is None
            else to.tls.async_channel(target, [*options.items()], transport.tell)
            for server, target in to.targets.items()
        }
        self._methods: dict[tuple[str, str], Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.close()
        for channel in self._channels.values():
            await channel.close()

    async def answer(self, rpc: Rpc, request: Message | AsyncIterator[Message], caller: Caller) -> Any:
        """The one answer to a request, or to a stream of them. Raises Failure."""
        self.admit(rpc, caller)
        try:
            return await self._method(rpc)(request, timeout=caller.timeout_s, metadata=caller.metadata)
        except grpc.aio.AioRpcError as error:
            raise _failure(error, rpc, caller) from error

    async def answers(
        self, rpc: Rpc, request: Message | AsyncIterator[Message], caller: Caller
    ) -> AsyncGenerator[Any, None]:
        """The stream of answers to a request, or to a stream of them. Raises Failure."""
        self.admit(rpc, caller)
        call = self._method(rpc)(request, timeout=caller.timeout_s, metadata=caller.metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise _failure(error, rpc, caller) from error
        finally:
            call.cancel()  # when the caller stops listening early; nothing for a call that has ended

    async def problem(self) -> str:
        """Why the orchestrator is not healthy, as one word; empty: it is."""
        stub = health_pb2_grpc.HealthStub(self._channels["orchestrator"])
        try:
            health = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        serving = health.status == health_pb2.HealthCheckResponse.SERVING
        return "" if serving else health_pb2.HealthCheckResponse.ServingStatus.Name(health.status)

    def _method(self, rpc: Rpc) -> Any:
        key = (rpc.server, rpc.name)
        if key not in self._methods:
            self._methods[key] = rpc.multicallable(self._channels[rpc.server])
        return self._methods[key]

    def admit(self, rpc: Rpc, caller: Caller) -> None:
        """Raises Failure where the door itself refuses the call."""
        self.gate.admit(rpc.name, caller.authorization, caller.request_id)


def _failure(error: grpc.aio.AioRpcError, rpc: Rpc, caller: Caller) -> Failure:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return Failure(Status.FromString(value), caller.request_id)
            except DecodeError:
                break
    # gRPC itself failed: its own text names sockets.
    code = error.code().name
    if code in _OWN_SENTENCES:
        return Failure(Status(code=Code.Value(code), message=_OWN_SENTENCES[code]), caller.request_id)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:  # a service that is overloaded says so in details
        return Failure.of(InvalidInput(Reason.INPUT_TOO_LARGE, "request", _TOO_LARGE), caller.request_id)
    return Failure.of(from_rpc_error(error, rpc.server), caller.request_id)
