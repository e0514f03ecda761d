"""Another service of the mesh, as its caller sees it: deadlines, typed errors, one retry, a breaker."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.errors import DeadlineExceeded, MedmeshError, Unauthenticated, UpstreamUnavailable
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.observability.client_call import ClientCall
from services.chassis.observability.instruments import Instruments
from services.chassis.rpc import assertions, status, transport
from services.chassis.rpc import request as requests
from services.chassis.rpc.assertions import Caller, Signer
from services.chassis.settings import ServiceSettings
from services.chassis.upstream.breaker import Breaker

_RETRY_COST = 10
_RETRY_TOKENS = 100
_RETRY_PAUSE_S = 0.1
_HANG_S = 1.0
"""A call that had so much time and heard nothing shows that the upstream hangs; a shorter one may have
been too short.
"""
_HEALTH_TIMEOUT_S = 2.0
_CONNECT_TIMEOUT_S = 2.0
"""A host that is gone, or a name that resolves no more, would otherwise keep a call for ten seconds and
more.
"""


class _NotConnected(UpstreamUnavailable):
    """No connection in time: another try would wait as long again."""


def _is_silent(error: grpc.aio.AioRpcError) -> bool:
    """Whether the time ran out without a word of the upstream: one that works answers a little earlier, with
    details of its own.
    """
    told = any(key == status.DETAILS_KEY for key, _ in error.trailing_metadata() or ())
    return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not told


def _name_of(method: Any) -> str:
    """Full name of a stub's method, which gRPC keeps to itself."""
    name = method._method  # noqa: SLF001
    return (name.decode() if isinstance(name, bytes) else str(name)).removeprefix("/")


class Upstream:
    """One service that this service calls."""

    def __init__(
        self,
        name: str,
        address: str,
        settings: ServiceSettings,
        *,
        balanced: bool = True,
        signer: Signer | None = None,
    ) -> None:
        """`signer`: asserts whom this service calls for, so that the upstream applies that one's rights."""
        self.name = name
        self._address = address
        self.channel: grpc.aio.Channel = transport.channel(address, settings, balanced=balanced)
        """For the stubs."""
        self.breaker = Breaker()
        self._settings = settings
        self._signer = signer
        self._retry_tokens = float(_RETRY_TOKENS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def observe(self, instruments: Instruments) -> None:
        """Lets the breaker's state be read."""
        instruments.observe(
            "medmesh.upstream.breaker.open",
            "1",
            "1: a service that failed repeatedly is not called.",
            lambda: [(int(self.breaker.is_open), {Name.UPSTREAM: self.name})],
        )

    async def call(
        self,
        method: Callable[..., Any],
        message: Any,
        *,
        timeout_s: float | None = None,
        safe: bool = True,
        name: str = "",
        for_caller: bool = True,
    ) -> Any:
        """Calls a unary rpc of a stub on this channel: `await upstream.call(stub.AnalyzeNote, request)`.

        The time is the smaller of `timeout_s` and what is left of the current request; the request id, the
        trace and this service's token travel along. A `safe` call (one that changes nothing, as all of the
        mesh) is repeated once when the upstream was reached and did not answer, while the retry budget lasts.
        `name`: the rpc's full name, where `method` is no method of a stub. `for_caller`: False for what this
        service asks for itself, whoever's request it is about.
        Raises the upstream's own typed error, or UpstreamUnavailable, DeadlineExceeded, Overloaded, and
        Unauthenticated where this service's own token cannot be read.
        """
        left_s = requests.remaining_s(timeout_s)
        deadline = time.monotonic() + (self._settings.default_deadline_s if left_s is None else left_s)
        try:
            return await self._attempt(method, message, deadline, name, for_caller=for_caller)
        except _NotConnected:
            raise
        except UpstreamUnavailable:
            pause_s = random.uniform(0.0, _RETRY_PAUSE_S)  # noqa: S311 - spreads retries, guards nothing
            if not safe or time.monotonic() + pause_s >= deadline or not self._may_retry():
                raise
        await asyncio.sleep(pause_s)
        return await self._attempt(method, message, deadline, name, for_caller=for_caller)

    async def problem(self) -> str:
        """What keeps the upstream from serving, in one sentence; empty when it serves: a `health.Check`."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return f"{self.name} does not answer ({error.code().name})"
        return (
            "" if answer.status == health_pb2.HealthCheckResponse.SERVING else f"{self.name} is not serving"
        )

    async def _attempt(
        self, method: Callable[..., Any], message: Any, deadline: float, name: str, *, for_caller: bool
    ) -> Any:
        rpc = name or _name_of(method)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded(metadata={"upstream": self.name})
        if not self.breaker.admit():
            raise UpstreamUnavailable(
                f"{self.name}: not called, since it failed repeatedly", metadata={"upstream": self.name}
            )
        try:
            with ClientCall(rpc, self._address, {Name.UPSTREAM: self.name}):
                await self._connected(min(left_s, _CONNECT_TIMEOUT_S))
                left_s = max(deadline - time.monotonic(), 0.0)
                metadata = self._metadata(rpc if for_caller else "")
                answer = await method(message, timeout=left_s, metadata=metadata)
        except UpstreamUnavailable:
            self.breaker.record(alive=False)
            raise
        except grpc.aio.AioRpcError as error:
            typed: MedmeshError = status.from_rpc_error(error, self.name)
            hung = left_s >= _HANG_S and _is_silent(error)
            self.breaker.record(alive=not isinstance(typed, UpstreamUnavailable) and not hung)
            raise typed from error
        except BaseException:
            # Cancelled by its caller, or a fault on this side: it shows nothing of the upstream.
            self.breaker.release()
            raise
        self.breaker.record(alive=True)
        self._retry_tokens = min(self._retry_tokens + 1, _RETRY_TOKENS)
        return answer

    async def _connected(self, timeout_s: float) -> None:
        """Waits while the channel connects. A channel that has failed is left to the call, which then fails
        at once.
        """
        state = self.channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(timeout_s):
                while state in {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING}:
                    await self.channel.wait_for_state_change(state)
                    state = self.channel.get_state(try_to_connect=True)
        except TimeoutError as error:
            raise _NotConnected(
                f"{self.name}: no connection within {timeout_s:.1f} s", metadata={"upstream": self.name}
            ) from error

    def _may_retry(self) -> bool:
        """Takes a retry out of the budget, one for ten answers: retries must not double an outage's load."""
        if self._retry_tokens < _RETRY_COST:
            return False
        self._retry_tokens -= _RETRY_COST
        return True

    def _metadata(self, rpc: str) -> tuple[tuple[str, str], ...]:
        """`rpc`: what is called for the caller; empty: nothing is."""
        metadata = telemetry.outgoing_metadata()
        current = requests.current.get()
        if current is not None:
            metadata[requests.REQUEST_ID_KEY] = current.request_id
            metadata[requests.PRIORITY_KEY] = current.priority.name.lower()
            if self._signer is not None and rpc:
                caller = Caller(current.identity, current.identity_kind, current.roles, current.tenant)
                metadata[assertions.KEY] = self._signer.sign(caller, self.name, f"/{rpc}")
            elif current.identity_kind != "none":
                metadata[requests.PRINCIPAL_KEY] = current.identity
        token = self._token()
        if token:
            metadata["authorization"] = f"Bearer {token}"
        return tuple(metadata.items())

    def _token(self) -> str:
        if self._settings.token_file is not None:
            try:
                return self._settings.token_file.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise Unauthenticated("this service's token cannot be read") from error
        return self._settings.token.reveal() if self._settings.token else ""
