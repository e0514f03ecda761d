"""Sends the load of one process: open loop (arrivals, not waiting for answers), closed loop (users who wait).

Requests go as bytes over channels of their own, so that little time is spent here; what the mesh does with
them is what is measured.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from clients.loadtest import arrivals
from clients.loadtest.calls import CALLS
from clients.loadtest.payloads import Payloads
from clients.loadtest.profile import Profile, Stage
from clients.loadtest.statistics import Sample
from medmesh.connection import BALANCED, CHANNEL_OPTIONS, Connection
from medmesh.errors import from_rpc_error
from medmesh.orchestrator.v1 import orchestrator_pb2

MAX_OUTSTANDING = 10_000
"""Requests under way at which the open loop sends no more: they would measure this machine's memory."""
NOT_SENT = "NOT_SENT_TOO_MANY_OUTSTANDING"
_USER_STEP_S = 0.05
"""How often a closed loop whose users change looks how many there should be."""


@dataclass(frozen=True)
class Share:
    """Which part of the load one process sends."""

    index: int = 0
    of: int = 1

    def count(self, whole: int) -> int:
        """Its part of a number of requests or users."""
        return whole // self.of + (self.index < whole % self.of)


class Generator:
    """The load of one process as it goes on."""

    def __init__(
        self,
        profile: Profile,
        connection: Connection,
        *,
        connections: int = 1,
        share: Share | None = None,
        count: int | None = None,
        seed: int = 1,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Reads all inputs. ValueError, OSError: one cannot be read, or a token is missing.

        `connections` to each service take turns; `count` ends the run after so many measured requests of this
        process.
        """
        self.profile = profile
        self.outstanding = 0
        self.samples: list[Sample] = []
        """What has ended since they were last taken."""
        self._share = share or Share()
        self._count = count
        self._counted = 0
        self._started = 0.0
        self._random = random.Random(f"{seed} {self._share.index}")
        self._weights = list(itertools.accumulate(one.weight for one in profile.traffic))
        self._payloads = [Payloads(one) for one in profile.traffic]
        self.as_given = [sentence for one in self._payloads for sentence in one.as_given]
        """What does not vary although it should."""
        tokens = {name: tenant.token(environment) for name, tenant in profile.tenants.items()}
        # Replaced and not only read: a Connection refuses to send a token in clear to another machine.
        self._connections = [
            dataclasses.replace(
                connection,
                token=tokens.get(one.tenant, connection.token),
                priority=one.priority or connection.priority,
            )
            for one in profile.traffic
        ]
        self._channels = {
            server: [open_channel(connection, server) for _ in range(connections)]
            for server in profile.servers()
        }
        self._methods = [
            itertools.cycle(
                [_method(channel, one.call) for channel in self._channels[CALLS[one.call].server]]
            )
            for one in profile.traffic
        ]

    async def close(self) -> None:
        """Closes the channels."""
        for channels in self._channels.values():
            for channel in channels:
                await channel.close()

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    async def run(self, started: float | None = None) -> None:
        """Sends all stages, the first from `started` on (by the monotonic clock; None: now); returns when all
        that was sent has ended.
        """
        self._started = time.monotonic() if started is None else started
        begin = 0.0
        async with asyncio.TaskGroup() as requests:
            for index, stage in enumerate(self.profile.stages):
                if stage.users:
                    await self._closed(index, stage, begin, requests)
                else:
                    await self._open(index, self._due(index, stage), begin, requests)
                begin += stage.duration_s
                if self._done:
                    break
                await asyncio.sleep(begin - self.now)

    @property
    def _done(self) -> bool:
        return self._count is not None and self._counted >= self._count

    def _due(self, index: int, stage: Stage) -> Iterator[tuple[float, int]]:
        """When this process's requests of an open stage are due, from its beginning, and of which traffic."""
        times: Iterable[tuple[float, int | None]]
        if stage.rate:
            first, last = (rate / self._share.of for rate in stage.rate)
            times = ((at, None) for at in arrivals.poisson((first, last), stage.duration_s, self._random))
        else:
            recorded = arrivals.recorded(stage.arrivals, self.profile.traffic) if stage.arrivals else None
            mine = recorded.due[self._share.index :: self._share.of] if recorded else ()
            times = ((at / stage.speed, which) for at, which in mine if at / stage.speed <= stage.duration_s)
        for at, which in times:
            if not self.profile.stages[index].warm_up:
                if self._done:
                    return
                self._counted += 1
            yield at, self._draw() if which is None else which

    def _draw(self) -> int:
        return self._random.choices(range(len(self._weights)), cum_weights=self._weights)[0]

    async def _open(
        self, index: int, due: Iterator[tuple[float, int]], begin: float, requests: asyncio.TaskGroup
    ) -> None:
        for at, traffic in due:
            request = self._request(traffic)  # before it is due, so that making it does not make it late
            await asyncio.sleep(begin + at - self.now)
            if self.outstanding >= MAX_OUTSTANDING:
                now = self.now
                self.samples.append(Sample(traffic, index, begin + at, now, None, now, NOT_SENT))
            else:
                requests.create_task(self._ask(traffic, index, begin + at, request))

    async def _closed(self, index: int, stage: Stage, begin: float, requests: asyncio.TaskGroup) -> None:
        """Users who ask again as soon as the answer is there and they have thought; their number follows the
        stage.
        """
        assert stage.users is not None  # noqa: S101 - the caller looked
        first, last = (self._share.count(users) for users in stage.users)
        end = begin + stage.duration_s
        running = 0
        wanted = first

        async def user(number: int) -> None:
            nonlocal running
            while self.now < end and number < wanted and not self._done:
                traffic = self._draw()
                request = self._request(traffic)
                if not stage.warm_up:
                    self._counted += 1
                await self._ask(traffic, index, self.now, request)
                think_s = self._random.uniform(*self.profile.traffic[traffic].think_s)
                await asyncio.sleep(min(think_s, max(0.0, end - self.now)))
            running -= 1

        await asyncio.sleep(begin - self.now)
        while (now := self.now) < end and not self._done:
            wanted = round(first + (last - first) * (now - begin) / stage.duration_s)
            while running < wanted:
                requests.create_task(user(running))
                running += 1
            await asyncio.sleep(min(_USER_STEP_S, end - now))

    def _request(self, traffic: int) -> bytes:
        call = CALLS[self.profile.traffic[traffic].call]
        return call.request(self._payloads[traffic].next(self._random)).SerializeToString()

    async def _ask(self, traffic: int, stage: int, due: float, request: bytes) -> None:
        one = self.profile.traffic[traffic]
        call = CALLS[one.call]
        beside = self._connections[traffic].call(call.server, one.timeout_s, None)
        metadata = (*beside.metadata, *one.headers.items())
        first: float | None = None
        answer: Any = None
        reason = ""
        sent = self.now
        self.outstanding += 1
        try:
            answers = next(self._methods[traffic])(request, timeout=one.timeout_s, metadata=metadata)
            if call.streams:
                async for event in answers:
                    first, answer = self.now if first is None else first, event
            else:
                answer = await answers
        except grpc.RpcError as error:
            typed = from_rpc_error(error, beside)
            reason = typed.reason or type(typed).__name__
        finally:
            self.outstanding -= 1
        ended = self.now
        self.samples.append(Sample(traffic, stage, due, sent, first, ended, reason or _partial(answer)))


def _partial(answer: object) -> str:
    """A PARTIAL diagnosis is an answer, yet not the one that was asked for: it counts as an error."""
    diagnosis = getattr(answer, "diagnosis", None)
    return "PARTIAL" if diagnosis and diagnosis.completeness == orchestrator_pb2.COMPLETENESS_PARTIAL else ""


def open_channel(connection: Connection, server: str) -> grpc.aio.Channel:
    """A channel with a connection of its own; the library's share one."""
    options = (*CHANNEL_OPTIONS, BALANCED, ("grpc.use_local_subchannel_pool", 1))
    if connection.tls is None:
        return grpc.aio.insecure_channel(connection.targets[server], options=options)
    return grpc.aio.secure_channel(connection.targets[server], connection.tls.credentials(), options=options)


def _method(channel: grpc.aio.Channel, name: str) -> Any:
    """The method for requests as bytes. Only a diagnosis is decoded, since it may be PARTIAL."""
    call = CALLS[name]
    answers = {
        "diagnose": orchestrator_pb2.DiagnoseResponse.FromString,
        "diagnose_stream": orchestrator_pb2.DiagnoseStreamResponse.FromString,
    }
    kind = channel.unary_stream if call.streams else channel.unary_unary
    return kind(f"/{call.rpc.name}", response_deserializer=answers.get(name))
