"""The replicas behind one address: a channel and a breaker to each, for calls that choose theirs.

gRPC takes turns over the addresses of a name too, but tells nobody which one a call went to, and goes on
asking one that hangs until its keepalive ends the connection (40 s).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from medmesh.targets import parts
from services.chassis.rpc import targets
from services.chassis.upstream.breaker import Breaker

_LOOK_UP_EVERY_S = 10.0
_FAILURES = 3
_LATE_S, _SILENT_TIMES = 0.1, 2


class Replica:
    """One of them."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.breaker = Breaker(_FAILURES)
        self._methods: dict[str, Any] = {}
        self._pending_count = 0
        self._heard_at = 0.0

    @property
    def silent_s(self) -> float:
        """For how long it has said nothing to anybody, though calls wait; 0.0: none does."""
        return time.monotonic() - self._heard_at if self._pending_count else 0.0

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Counts a call that waits for it within the block, which ends with a word of it, or by an error."""
        if not self._pending_count:
            self._heard_at = time.monotonic()
        self._pending_count += 1
        try:
            yield
            self._heard_at = time.monotonic()
        finally:
            self._pending_count -= 1

    def method(self, rpc: str, method: Any) -> Any:
        """The stub's unary method, on the channel to this replica."""
        found = self._methods.get(rpc)
        if found is None:
            found = self._methods[rpc] = self.channel.unary_unary(
                f"/{rpc}",
                request_serializer=method._request_serializer,  # noqa: SLF001 - gRPC keeps them to itself
                response_deserializer=method._response_deserializer,  # noqa: SLF001
            )
        return found


class Replicas:
    """Those behind one address, as it is known now."""

    def __init__(self, target: str, channel_to: Callable[[str], grpc.aio.Channel]) -> None:
        """`channel_to`: makes a channel to one HOST:PORT."""
        self._target = target
        self._channel_to = channel_to
        self._known: dict[str, Replica] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._turn = 0
        spelled = parts(target)
        self._is_one = len(spelled) == 1 and not targets.is_name(spelled[0][0])

    async def close(self) -> None:
        """Closes the channels."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for replica in self._known.values():
            await replica.channel.close()

    def pick(self, late_s: float = _LATE_S, but: Replica | None = None) -> Replica | None:
        """The next in turn that is connected and answers, its breaker's leave taken; where a call is late
        after `late_s`, one that has been silent for much longer comes last.

        None where there is no choice: one replica, or none beside `but`.
        """
        self._look()
        if len(self._known) < 2:
            return None
        self._turn += but is None  # a second call does not bring the first ones out of turn
        turned = sorted(self._known)
        start = self._turn % len(turned)
        others = [self._known[one] for one in turned[start:] + turned[:start] if self._known[one] is not but]
        silent_s = max(_SILENT_TIMES * late_s, _LATE_S)
        for replica in sorted(others, key=lambda one: (_distance(one), one.silent_s > silent_s)):
            if replica.breaker.admit():
                return replica
        return None

    def _look(self) -> None:
        """Looks in the background, now and then, which there are."""
        if self._is_one or (self._looking is not None and not self._looking.done()):
            return
        if time.monotonic() - self._looked_at >= _LOOK_UP_EVERY_S:
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(self._look_up())

    async def _look_up(self) -> None:
        found = await targets.addresses(self._target)
        if not found:
            return  # what was known may be there still
        gone = [self._known.pop(address) for address in self._known.keys() - set(found)]
        if len(found) > 1:
            for address in found:
                if address not in self._known:
                    self._known[address] = Replica(address, self._channel_to(address))
        for replica in gone:
            await replica.channel.close(grace=_LOOK_UP_EVERY_S)


def _distance(replica: Replica) -> int:
    """Of a call from its answer: a connection stands, may come, or has failed."""
    state = replica.channel.get_state(try_to_connect=True)
    return {grpc.ChannelConnectivity.READY: 0, grpc.ChannelConnectivity.TRANSIENT_FAILURE: 2}.get(state, 1)
