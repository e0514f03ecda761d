"""Another service of the mesh, as its caller sees it: deadlines, typed errors, retry, hedge, breaker."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.errors import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    Unauthenticated,
    UpstreamUnavailable,
)
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Attributes, Name
from services.chassis.observability.client_call import ClientCall
from services.chassis.observability.instruments import Instruments
from services.chassis.rpc import assertions, status, transport
from services.chassis.rpc import request as requests
from services.chassis.rpc.assertions import Caller, Signer
from services.chassis.settings import ServiceSettings
from services.chassis.upstream.breaker import Breaker
from services.chassis.upstream.hedging import HedgeBudget, Pace
from services.chassis.upstream.replicas import Replica, Replicas

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


_SILENT, _NO_CONNECTION = "SILENT", "NO_CONNECTION"
_Attempt = Callable[..., Coroutine[Any, Any, Any]]


class _NotConnected(UpstreamUnavailable):
    """No connection in time: another try would wait as long again."""


def _is_silent(error: grpc.aio.AioRpcError) -> bool:
    """Whether the time ran out without a word of the upstream: one that works answers a little earlier, with
    details of its own.
    """
    told = any(key == status.DETAILS_KEY for key, _ in error.trailing_metadata() or ())
    return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not told


def _may_hedge() -> bool:
    """Whether the current request is worth a second call: bulk can wait."""
    return requests.priority() is not requests.Priority.BULK


async def _first_answer(calls: Collection[asyncio.Task[Any]]) -> asyncio.Task[Any]:
    """The first call that is answered, or refused for what it asks; where all fail, the last."""
    waiting = set(calls)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        good = [one for one in done if one.exception() is None or isinstance(one.exception(), InvalidInput)]
        if good or not waiting:
            return (good or list(done))[0]


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
        hedge_share: float = 0.0,
    ) -> None:
        """`signer`: asserts whom this service calls for, so that the upstream applies that one's rights;
        `hedge_share`: of the calls that may be made a second time at another replica, while they are late.
        """
        self.name = name
        self.balanced = balanced
        """Whether calls take turns over replicas; else they stay with one, where an upload lies."""
        self._address = address
        self.channel: grpc.aio.Channel = transport.channel(address, settings, balanced=balanced)
        """For the stubs."""
        self.breaker = Breaker()
        self._settings = settings
        self._signer = signer
        self._retry_tokens = float(_RETRY_TOKENS)
        self._replicas = Replicas(address, lambda one: transport.channel(one, settings, named=address))
        self._hedges = HedgeBudget(hedge_share)
        self._paces: dict[str, Pace] = {}
        self._serves = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._replicas.close()
        await self.channel.close()

    def trouble(self) -> str:
        """State of the breaker and why, e.g. `open: UNAVAILABLE`; empty: it is closed (`Health.tell`)."""
        return f"{self.breaker.state}: {self.breaker.reason}" if self.breaker.is_open else ""

    def observe(self, instruments: Instruments) -> None:
        """Lets the breaker's state be read, and whether it serves: nobody calls it on a quiet day."""
        instruments.observe(
            "medmesh.upstream.breaker.open",
            "1",
            "1: a service that failed repeatedly is not called.",
            lambda: [(int(self.breaker.is_open), {Name.UPSTREAM: self.name})],
        )
        instruments.observe(
            "medmesh.upstream.serving",
            "1",
            "1: a service said that it serves when its health was last asked.",
            lambda: [(int(self._serves), {Name.UPSTREAM: self.name})],
        )

    async def call(
        self,
        method: Callable[..., Any],
        message: Any,
        *,
        timeout_s: float | None = None,
        safe: bool = True,
        hedged: bool = False,
        name: str = "",
        for_caller: bool = True,
    ) -> Any:
        """Calls a unary rpc of a stub on this channel: `await upstream.call(stub.AnalyzeNote, request)`.

        The time is the smaller of `timeout_s` and what is left of the current request; the request id, the
        trace and this service's token travel along. A `safe` call (one that changes nothing, as all of the
        mesh) is repeated once when the upstream was reached and did not answer, while the retry budget lasts.
        A `hedged` one chooses its replica, where there are several, and is made a second time at another one
        when it is late against the last of its kind, unless it is bulk; whichever answers first counts, the
        other is cancelled. `name`: the rpc's full name, where `method` is no method of a stub. `for_caller`:
        False for what this service asks for itself, whoever's request it is about.
        Raises the upstream's own typed error, or UpstreamUnavailable, DeadlineExceeded, Overloaded, and
        Unauthenticated where this service's own token cannot be read; MedmeshError where the answer cannot.
        """
        left_s = requests.remaining_s(timeout_s)
        deadline = time.monotonic() + (self._settings.default_deadline_s if left_s is None else left_s)
        rpc = name or _name_of(method)
        attempt = partial(self._attempt, method, message, deadline, rpc, for_caller)
        pace = self._paces.setdefault(rpc, Pace())
        replica = self._replicas.pick(pace.late_s() or 0.0) if hedged else None
        try:
            if replica is not None:
                return await self._hedged(attempt, replica, pace, rpc)
            return await attempt(None)
        except _NotConnected:
            raise
        except UpstreamUnavailable:
            pause_s = random.uniform(0.0, _RETRY_PAUSE_S)  # noqa: S311 - spreads retries, guards nothing
            if not safe or time.monotonic() + pause_s >= deadline or not self._may_retry():
                raise
        await asyncio.sleep(pause_s)
        return await attempt(self._replicas.pick(but=replica) if hedged else None)

    async def problem(self) -> str:
        """What keeps the upstream from serving, in one sentence; empty when it serves: a `health.Check`."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            self._serves = False
            return f"{self.name} does not answer ({error.code().name})"
        if answer is None:  # no message, as gRPC gives it
            self._serves = False
            return f"{self.name} is no service of the mesh"
        self._serves = answer.status == health_pb2.HealthCheckResponse.SERVING
        return "" if self._serves else f"{self.name} is not serving"

    async def _hedged(self, attempt: _Attempt, replica: Replica, pace: Pace, rpc: str) -> Any:
        """The answer of the call at `replica`, or of another one that is made while it is late."""
        self._hedges.called()
        began = time.monotonic()
        first = asyncio.create_task(attempt(replica))
        calls = {first: replica}
        try:
            late_s = pace.late_s(spare=self._hedges.has_spare) if _may_hedge() else None
            await asyncio.wait(calls, timeout=late_s)
            other = self._hedge(replica) if not first.done() else None
            if other is not None:
                calls[asyncio.create_task(attempt(other, {Name.HEDGED: True}))] = other
            answered = await _first_answer(calls)
            if other is not None:
                self._count_hedge(rpc, won=answered is not first)
                if answered is not first and not first.done():
                    # It heard nothing where another replica has answered already.
                    replica.breaker.record(alive=False, reason=_SILENT)
            answer = answered.result()
            pace.record(time.monotonic() - began)
            return answer
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            for call, asked in calls.items():
                if call.cancelled():  # perhaps before it began
                    asked.breaker.release()

    def _hedge(self, replica: Replica) -> Replica | None:
        """Where the call is made a second time; None: it is not."""
        other = self._replicas.pick(but=replica)
        if other is not None and not self._hedges.take():
            other.breaker.release()
            return None
        return other

    def _count_hedge(self, rpc: str, *, won: bool) -> None:
        labels: Attributes = {Name.UPSTREAM: self.name, Name.RPC_METHOD: rpc, Name.HEDGE_WON: won}
        telemetry.instruments().hedges.add(1, labels)

    async def _attempt(
        self,
        method: Callable[..., Any],
        message: Any,
        deadline: float,
        rpc: str,
        for_caller: bool,
        replica: Replica | None,
        attributes: Attributes = MappingProxyType({}),
    ) -> Any:
        breakers = (self.breaker,) if replica is None else (self.breaker, replica.breaker)
        left_s = deadline - time.monotonic()
        admitted = left_s > 0 and self.breaker.admit()
        if not admitted:
            if replica is not None:
                replica.breaker.release()
            if left_s <= 0:
                raise DeadlineExceeded(metadata={"upstream": self.name})
            raise UpstreamUnavailable(
                f"{self.name}: not called, since it failed repeatedly", metadata={"upstream": self.name}
            )
        channel, address = (
            (self.channel, self._address) if replica is None else (replica.channel, replica.address)
        )
        if replica is not None:
            method = replica.method(rpc, method)
        try:
            with ClientCall(rpc, address, {Name.UPSTREAM: self.name, **attributes}):
                await self._connected(channel, min(left_s, _CONNECT_TIMEOUT_S))
                left_s = max(deadline - time.monotonic(), 0.0)
                metadata = self._metadata(rpc if for_caller else "")
                with replica.asked() if replica is not None else nullcontext():
                    answer = await method(message, timeout=left_s, metadata=metadata)
        except UpstreamUnavailable:
            for breaker in breakers:
                breaker.record(alive=False, reason=_NO_CONNECTION)
            raise
        except grpc.aio.AioRpcError as error:
            typed: MedmeshError = status.from_rpc_error(error, self.name)
            hung = left_s >= _HANG_S and _is_silent(error)
            for breaker in breakers:
                breaker.record(
                    alive=not isinstance(typed, UpstreamUnavailable) and not hung,
                    reason=_SILENT if hung else error.code().name,
                )
            raise typed from error
        except BaseException:
            # Cancelled by its caller, or a fault on this side: it shows nothing of the upstream.
            for breaker in breakers:
                breaker.release()
            raise
        for breaker in breakers:
            breaker.record(alive=True)
        self._retry_tokens = min(self._retry_tokens + 1, _RETRY_TOKENS)
        if answer is None:  # as gRPC gives it
            raise MedmeshError(f"{self.name}: answered with what is no message of the contract")
        return answer

    async def _connected(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        """Waits while the channel connects. A channel that has failed is left to the call, which then fails
        at once.
        """
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(timeout_s):
                while state in {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING}:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
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
                caller = Caller(
                    current.identity, current.identity_kind, current.roles, current.tenant, current.deferred
                )
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
