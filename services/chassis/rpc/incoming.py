"""A call's messages on their way in: admitted when they are all there, decoded, held to their limits.

A caller that stalls holds neither a place nor, for long, any memory: a place is taken when the request has
arrived whole, each message must follow the one before it within a bounded time, all of them must come at a
least rate, and all that is held counts.
A single message is decoded once it has its place: to decode one of 16 MB holds the event loop for tens of
milliseconds, and those that wait must not do so in a row.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.message import DecodeError, Message

from services.chassis.errors import DeadlineExceeded, InvalidInput, Overloaded, Reason
from services.chassis.observability import redaction, telemetry
from services.chassis.observability.attributes import Name
from services.chassis.rpc import validation
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.quotas import Quotas
from services.chassis.rpc.request import Request

logger = logging.getLogger("medmesh.request")

_INFRASTRUCTURE = ("/grpc.health.v1.", "/grpc.reflection.")
_UNHURRIED = ("/medmesh.common.v1.ModelCatalogService/",)
"""Calls that the services make by themselves, every minute: nobody is read more slowly for their sake."""

LONG_BYTES = 256 * 1024
"""From here on a message is held to its limits in a thread: ten thousands of measurements take a second."""


def is_infrastructure(method: str) -> bool:
    """Whether it has no deadline, admission and log line: probes ask all the time, and watches never end."""
    return method.startswith(_INFRASTRUCTURE)


async def let_go(raw: AsyncIterator[bytes]) -> None:
    """Ends the reading of a call: gRPC keeps its last message in a reader that is never collected."""
    reader = aiter(raw)
    if isinstance(reader, AsyncGenerator):
        with suppress(RuntimeError):  # it is being read at this moment, by a probe at the drain
            await reader.aclose()


@dataclass(frozen=True)
class Pace:
    """How fast a caller has to be."""

    stall_s: float
    """The longest time to the next message."""
    bytes_per_s: int
    """The least rate of the messages together; 0: any."""

    def patience_s(self, size_bytes: int, waited_s: float) -> float:
        """How long the next message may take, when so many bytes took so long: all together by one stall more
        than at the least rate.
        """
        if not self.bytes_per_s:
            return self.stall_s
        return min(self.stall_s, max(self.stall_s + size_bytes / self.bytes_per_s - waited_s, 0.0))


class Incoming:
    """The messages of one call; what they hold is given back at the end of the block."""

    def __init__(
        self,
        raw: AsyncIterator[bytes],
        decode: Callable[[bytes], Any] | None,
        request: Request,
        admission: Admission,
        quotas: Quotas,
        *,
        pace: Pace,
        draining: asyncio.Event,
    ) -> None:
        self._raw = raw
        self._decode = decode
        self._request = request
        self._admission = admission
        self._quotas = quotas
        self._pace = pace
        self._waited_s = 0.0
        self._draining = draining
        self._held = AsyncExitStack()
        self._size_bytes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A caller that is refused is read out first.
        if kind is None or issubclass(kind, asyncio.CancelledError):
            await let_go(self._raw)
        await self._held.aclose()

    async def only(self) -> bytes:
        """The one message of a method that takes no stream, not decoded yet, once it has its place.

        Raises InvalidInput (no message), Overloaded, QuotaExceeded, DeadlineExceeded.
        """
        with self._reading():
            part = await self._next()
        if part is None:
            raise InvalidInput(Reason.INPUT_MISSING, "request", "is missing: the call holds no message")
        await let_go(self._raw)
        await self._admit()
        return part

    async def request(self) -> Any:
        """The same, decoded. Raises what both do."""
        return await self.decoded(await self.only())

    async def decoded(self, part: bytes) -> Any:
        """The request that a message is. Raises InvalidInput."""
        return part if self._decode is None else await decoded(self._decode, part, self._request)

    async def messages(self) -> AsyncIterator[Any]:
        """The requests of a method that takes a stream; a place is taken when the stream has ended.

        Raises what `request` does.
        """
        with self._reading():
            while (part := await self._next()) is not None:
                yield await self.decoded(part)
        await self._admit()

    def _reading(self) -> AbstractContextManager[None]:
        """While messages are on their way; refuses before any work on what is refused anyway."""
        if is_infrastructure(self._request.method):
            return nullcontext()
        return self._admission.reading(self._request)

    async def _next(self) -> bytes | None:
        if is_infrastructure(self._request.method):
            return await self._next_until_drain()
        inflow = None if self._request.method.startswith(_UNHURRIED) else self._admission.inflow
        sharer, part = self._request.sharer, None
        assumed = 0 if inflow is None else await inflow.turn(sharer)
        began = time.monotonic()
        limit = asyncio.timeout(self._pace.patience_s(self._size_bytes, self._waited_s))
        try:
            async with limit:
                part = await anext(self._raw, None)
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineExceeded("the caller stalled") from error
            raise
        finally:
            if inflow is not None:
                inflow.took(sharer, len(part or b""), assumed)
        self._waited_s += time.monotonic() - began
        if part is not None:
            self._quotas.take_bytes(self._request.metered, len(part))
            try:
                self._held.enter_context(self._admission.holding(len(part), self._request.sharer))
            except Overloaded:
                self._admission.read_in_vain(self._request.sharer, self._size_bytes + len(part))
                raise
            self._size_bytes += len(part)
            self._request.add("request_bytes", len(part))
        return part

    async def _next_until_drain(self) -> bytes | None:
        reading = asyncio.ensure_future(anext(self._raw, None))
        ending = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()
            ending.cancel()

    async def _admit(self) -> None:
        if is_infrastructure(self._request.method):
            return
        arrived = time.monotonic()
        try:
            await self._held.enter_async_context(self._admission.place(self._request, self._size_bytes))
        except Overloaded:
            self._admission.read_in_vain(self._request.sharer, self._size_bytes)
            raise
        waited_s = time.monotonic() - arrived
        self._request.facts["queue_ms"] = round(waited_s * 1e3, 1)
        telemetry.instruments().queue_duration.record(waited_s, {Name.RPC_METHOD: self._request.method[1:]})


async def decoded(decode: Callable[[bytes], Any], part: bytes, request: Request) -> Any:
    """The message that `part` is, held to its limits. Raises InvalidInput."""
    try:
        message = decode(part)
    except DecodeError as error:
        raise InvalidInput(
            Reason.INPUT_MALFORMED, "request", "is not the protobuf message that the method takes"
        ) from error
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("received", extra={"facts": {"content": redaction.redacted(message)}})
    if isinstance(message, Message) and not is_infrastructure(request.method):
        if len(part) < LONG_BYTES:
            validation.check(message, len(part))
        else:
            await asyncio.to_thread(validation.check, message, len(part))
    return message
