"""The frame around every rpc: request id, identity, admission, deadline, errors, span and the one log line.

Handlers receive and return messages as usual; the chassis decodes and encodes them inside this frame, so that
an unreadable message is a typed error and sizes are known. Handlers are coroutines, or asynchronous
generators when they stream; `context.read` and `context.write` are not for them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, NoReturn

import grpc
from opentelemetry.trace import Span, StatusCode

from services.chassis.apart.parent import Apart
from services.chassis.errors import PUBLIC, DeadlineExceeded, MedmeshError, Reason
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.observability.audit import AuditLog
from services.chassis.rpc import assertions, status
from services.chassis.rpc import request as requests
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.auth import Policy, PolicyFile, certificate_names
from services.chassis.rpc.failing import Outcome, answer_error
from services.chassis.rpc.incoming import Incoming, Pace, is_infrastructure
from services.chassis.rpc.quotas import Quotas
from services.chassis.rpc.refusals import Refusals
from services.chassis.rpc.request import Request

logger = logging.getLogger("medmesh.request")

_HUGE_S = 10 * 365 * 86400.0
_ANSWER_MARGIN_SHARE = 0.05
_ANSWER_MARGIN_S = 0.1
_ROUNDING_SHARE = 0.01
"""gRPC rounds a deadline up by as much on its way: 14.93 s arrive as 15 s, which is too late."""


class RequestInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpcio has no types
    """Wraps every handler of a server."""

    def __init__(
        self,
        *,
        service: str,
        policy: Policy | PolicyFile,
        quotas: Quotas,
        admission: Admission,
        telemetry: telemetry.Telemetry,
        audit: AuditLog | None = None,
        apart: Apart | None = None,
        default_deadline_s: float,
        maximum_deadline_s: float,
        pace: Pace,
    ) -> None:
        self._service = service
        self._policy = policy
        self._quotas = quotas
        self._admission = admission
        self._telemetry = telemetry
        self._audit = audit
        self._apart = apart
        self._refusals = Refusals(audit.write if audit is not None else None)
        self._default_deadline_s = default_deadline_s
        self._maximum_deadline_s = maximum_deadline_s
        self._pace = pace
        self._running: set[asyncio.Task[Any]] = set()
        self._draining = asyncio.Event()
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Returns the handler inside the frame; None for an unknown method, which gRPC answers itself."""
        method: str = handler_call_details.method
        framed = self._handlers.get(method)
        if framed is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None  # not remembered: a caller can invent as many names as it likes
            framed = self._handlers[method] = self._framed(handler, method)
        return framed

    def drain(self) -> None:
        """Ends the streams of probes and reflection: nobody's work, they would hold the drain to its end."""
        self._draining.set()

    async def drained(self, timeout_s: float) -> None:
        """Waits until the requests that run have ended, with their clean-up, or until `timeout_s` is over.

        `grpc.aio.Server.stop` does not wait for a cancelled handler's `finally` (grpc issue 37239).
        """
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=timeout_s)
            if left:
                logger.warning("requests did not end", extra={"facts": {"count": len(left)}})
        self._refusals.tell()

    def _framed(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        call = next(
            c
            for c in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
            if c is not None
        )
        decode, encode = handler.request_deserializer, handler.response_serializer
        if not (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)):
            call = _unimplemented_stream if handler.response_streaming else _unimplemented

        frame = partial(self._frame, method, streaming=handler.request_streaming)
        # A caller who streams is read out when it is refused, and probes are not refused.
        may_be_counted = not handler.request_streaming and not is_infrastructure(method)

        # Also a single message is taken as a stream of one: the frame, and with it the deadline, begins when
        # the call does, not when its message has arrived, which a half-open call never lets happen.
        def taken(raw: AsyncIterator[bytes], current: Request) -> Incoming:
            return Incoming(
                raw, decode, current, self._admission, self._quotas, pace=self._pace, draining=self._draining
            )

        async def one_answer(raw: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
            if may_be_counted and self._refusals.are_many:
                await self._count_refusal(method, context)
            async with frame(context, raw) as current, taken(raw, current) as incoming:
                if handler.request_streaming:
                    answer: bytes = encode(await call(incoming.messages(), context))
                else:
                    answer = await self._answered(current, incoming, partial(call, context=context), encode)
                current.add("response_bytes", len(answer))
                return answer
            raise AssertionError("unreachable: the frame raises what it does not return")

        async def many_answers(raw: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
            if may_be_counted and self._refusals.are_many:
                await self._count_refusal(method, context)
            async with frame(context, raw) as current, taken(raw, current) as incoming:
                request = incoming.messages() if handler.request_streaming else await incoming.request()
                await context.send_initial_metadata(((requests.REQUEST_ID_KEY, current.request_id),))
                # Closed here: left to the garbage collector, the handler's clean-up would miss the drain.
                async with aclosing(call(request, context)) as messages:
                    async for message in messages:
                        answer = encode(message)
                        current.add("response_bytes", len(answer))
                        await context.write(answer)

        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(many_answers)
        return grpc.stream_unary_rpc_method_handler(one_answer)

    @asynccontextmanager
    async def _frame(
        self,
        method: str,
        context: grpc.aio.ServicerContext,
        raw: AsyncIterator[bytes],
        *,
        streaming: bool,
    ) -> AsyncIterator[Request]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - grpc.aio runs each handler in a task of its own
        self._running.add(task)
        started = time.monotonic()
        metadata, current = self._request(method, context, started)
        # Neither is put back: grpc.aio runs each handler in a task of its own, and its context ends with it.
        # A call that its event loop abandons is closed by the garbage collector, in a context in which
        # nothing can be.
        requests.current.set(current)
        span = self._telemetry.begin(method[1:], metadata, traced=not method.startswith(_UNTRACED))
        context.set_trailing_metadata(((requests.REQUEST_ID_KEY, current.request_id),))
        outcome = Outcome()
        try:
            async with self._bounded(current, context, metadata):
                yield current
        except BaseException as error:  # noqa: BLE001 - nothing may pass unmapped
            inflow = self._admission.inflow if streaming else None
            await answer_error(error, current, context, raw, outcome, inflow)
        finally:
            self._report(current, outcome, time.monotonic() - started)
            if span.is_recording():
                _describe(span, current, outcome)
            span.end()
            self._running.discard(task)

    async def _answered(
        self,
        current: Request,
        incoming: Incoming,
        call: Callable[[Any], Awaitable[Any]],
        encode: Callable[[Any], bytes],
    ) -> bytes:
        part = await incoming.only()
        if self._apart is not None and self._apart.takes(current, len(part)):
            answer = await self._apart.answer(current, part)
            if answer is not None:
                return answer
        # No name is kept of the request: a handler that has taken a large file from it may let it go.
        decoding = incoming.decoded(part)
        del part
        return encode(await call(await decoding))

    async def _count_refusal(self, method: str, context: grpc.aio.ServicerContext) -> None:
        """Ends the call at once where it would be refused; else, and where it is no call to be counted,
        returns, and it goes on as every other.

        Of a refused call there is neither a frame nor a span, and no line of its own.
        """
        started = time.monotonic()
        metadata, current = self._request(method, context, started)
        try:
            self._identify(current, context, metadata)
            self._quotas.check(current.metered)
            self._admission.refuse_where_full(current)
        except MedmeshError as error:
            code = status.code_name(error)
            details = (
                (requests.REQUEST_ID_KEY, current.request_id),
                (status.DETAILS_KEY, status.to_bytes(error, current.request_id)),
            )
            elapsed_s = time.monotonic() - started
            self._record(current, code, error.reason, elapsed_s)
            facts = {"status": code, "reason": error.reason.value, **_who(current)}
            self._refusals.count(facts, elapsed_s)
            sentence = PUBLIC[error.reason].sentence
            del error  # holds this frame, which would hold it
            await context.abort(getattr(grpc.StatusCode, code), sentence, details)

    def _request(
        self, method: str, context: grpc.aio.ServicerContext, started: float
    ) -> tuple[dict[str, str], Request]:
        """The metadata of a call, and what is known of it before its caller is."""
        metadata = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        return metadata, Request(
            request_id=requests.accept_request_id(metadata.get(requests.REQUEST_ID_KEY)),
            method=method,
            deadline=started + self._granted_s(context.time_remaining()),
        )

    def _identify(
        self, current: Request, context: grpc.aio.ServicerContext, metadata: Mapping[str, str]
    ) -> None:
        """Notes who calls. Raises Unauthenticated, PermissionDenied."""
        identity = self._policy.authorize(
            current.method,
            metadata.get("authorization"),
            certificate_names(context.auth_context()),
            metadata.get(assertions.KEY),
            service=self._service,
        )
        current.identity, current.identity_kind = identity.name, identity.kind
        current.tenant, current.allow, current.roles = identity.tenant, identity.allow, identity.roles
        current.usable_models = self._quotas.models(identity.tenant)
        if identity.via:
            current.facts["via"] = identity.via
        principal = metadata.get(requests.PRINCIPAL_KEY, "")
        if identity.kind != "none" and requests.is_sane_name(principal):
            # What a known caller says, for the log. A share by that name would be one more with each name.
            current.facts["on_behalf_of"] = principal
        current.sharer = identity.tenant or context.peer()
        if not identity.via or identity.deferred:
            current.metered = identity.tenant
        current.priority = max(requests.Priority.of(metadata.get(requests.PRIORITY_KEY)), identity.priority)

    @asynccontextmanager
    async def _bounded(
        self, current: Request, context: grpc.aio.ServicerContext, metadata: Mapping[str, str]
    ) -> AsyncIterator[None]:
        self._identify(current, context, metadata)
        if is_infrastructure(current.method):
            yield
            return
        limit = asyncio.timeout(current.remaining_s)
        try:
            with self._quotas.taking(current.metered):
                async with limit:
                    yield
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineExceeded from error
            raise

    def _granted_s(self, asked_s: float | None) -> float:
        """Time for a request: its caller's deadline less a margin for the way back, or the default."""
        if asked_s is None or asked_s > _HUGE_S:
            return self._default_deadline_s
        margin_s = min(_ANSWER_MARGIN_SHARE * asked_s, _ANSWER_MARGIN_S) + _ROUNDING_SHARE * asked_s
        return min(asked_s - margin_s, self._maximum_deadline_s)

    def _report(self, current: Request, outcome: Outcome, elapsed_s: float) -> None:
        if is_infrastructure(current.method) and not outcome.reason:
            return
        self._record(current, outcome.code, outcome.reason, elapsed_s)
        if outcome.reason in _REFUSALS:
            self._refusals.told()
        facts = {
            "status": outcome.code,
            "reason": outcome.reason,
            "elapsed_ms": round(elapsed_s * 1e3, 1),
            **_who(current),
            **current.facts,
        }
        if self._audit is not None:
            self._audit.write(_audited(facts, current))
        level = logging.ERROR if outcome.code == "INTERNAL" else logging.INFO
        logger.log(level, "request", extra={"facts": facts}, exc_info=outcome.error)

    def _record(self, current: Request, code: str, reason: str, elapsed_s: float) -> None:
        attributes = {
            Name.RPC_SYSTEM: "grpc",
            Name.RPC_METHOD: current.method[1:],
            Name.RPC_STATUS: code,
        }
        if reason:
            attributes[Name.ERROR_TYPE] = reason
        self._telemetry.instruments.server_duration.record(elapsed_s, attributes)


_REFUSALS = frozenset(
    {Reason.OVERLOADED, Reason.QUOTA_EXCEEDED, Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED}
)
"""What is told of calls that nothing was done for."""

_UNTRACED = ("/grpc.", "/medmesh.common.v1.TraceService/")
"""Probes ask all the time; and to ask for a trace is no part of it."""

_FACTS = {
    "request_bytes": Name.REQUEST_SIZE,
    "response_bytes": Name.RESPONSE_SIZE,
    "completeness": Name.COMPLETENESS,
}


def _describe(span: Span, current: Request, outcome: Outcome) -> None:
    """Writes into the span of a call how it ended."""
    span.set_attribute(Name.REQUEST_ID, current.request_id)
    span.set_attribute(Name.RPC_STATUS, outcome.code)
    for fact, name in _FACTS.items():
        if fact in current.facts:
            span.set_attribute(name, current.facts[fact])
    if "queue_ms" in current.facts:
        span.set_attribute(Name.QUEUE_TIME, float(current.facts["queue_ms"]) / 1e3)
    if outcome.reason:
        span.set_attribute(Name.ERROR_TYPE, outcome.reason)
        if telemetry.is_fault_of_server(outcome.code):
            span.set_status(StatusCode.ERROR)


_AUDITED = (
    "method",
    "status",
    "reason",
    "elapsed_ms",
    "identity",
    "identity_kind",
    "tenant",
    "on_behalf_of",
    "via",
    "request_bytes",
    "response_bytes",
    "completeness",
    "receipt_id",
)


def _who(current: Request) -> dict[str, str]:
    return {
        "method": current.method,
        "identity": current.identity,
        "identity_kind": current.identity_kind,
        "tenant": current.tenant,
    }


def _audited(facts: Mapping[str, str | float], current: Request) -> dict[str, object]:
    record: dict[str, object] = {"request_id": current.request_id}
    return (
        record
        | {name: facts[name] for name in _AUDITED if name in facts}
        | {"models": sorted(current.models)}
    )


async def _unimplemented(_request: Any, context: grpc.aio.ServicerContext) -> NoReturn:
    # A generated base method: the service does not implement this rpc.
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "This method is not implemented.")
    raise AssertionError("unreachable: abort raises")


async def _unimplemented_stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
    yield await _unimplemented(request, context)
