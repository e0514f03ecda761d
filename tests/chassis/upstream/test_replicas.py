"""Replicas behind one name: calls take turns over those that are there; where an upload lies, they stay."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from medmesh.aio.calls import AsyncCalls
from medmesh.common.v1 import upload_pb2
from medmesh.connection import Connection
from medmesh.imaging.v1 import imaging_pb2
from medmesh.recommendation.v1 import recommendation_pb2
from medmesh.rpcs import ANALYZE_IMAGE, READ_RECORD, upload_rpc
from services.chassis.rpc import transport
from services.chassis.settings import ServiceSettings
from services.chassis.upstream.call import Upstream

CALLS = 40
ANY = "/medmesh.recommendation.v1.RecommendationService/ReadRecord"


class Replica:
    """A server that answers every unary call with an empty message."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.count = 0
        self.peers: set[str] = set()
        self.server = grpc.aio.server(options=transport.server_options(settings))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.peers.add(context.peer())
        await asyncio.sleep(0.002)
        self.count += 1
        return b""


@asynccontextmanager
async def replicas(count: int = 2, **settings: float):
    async with AsyncExitStack() as stack:
        made = [Replica(ServiceSettings(**settings)) for _ in range(count)]
        for replica in made:
            await replica.server.start()
            stack.push_async_callback(replica.server.stop, 0)
        yield made


def target(made: list[Replica]) -> str:
    """What a name with several addresses is to gRPC."""
    return "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in made)


def counts(made: list[Replica]) -> list[int]:
    return [replica.count for replica in made]


async def test_the_upstreams_calls_take_turns_and_go_on_where_one_replica_dies_in_the_midst_of_them():
    async with replicas() as made, Upstream("recommendation", target(made), ServiceSettings()) as upstream:
        method = upstream.channel.unary_unary(ANY)
        await settle(lambda: upstream.call(method, b""), made)
        before = counts(made)
        for _ in range(CALLS):
            await upstream.call(method, b"")
        assert [after - b for after, b in zip(counts(made), before, strict=True)] == [CALLS // 2, CALLS // 2]

        first, second = made

        async def calls() -> None:
            for _ in range(CALLS):
                await upstream.call(method, b"")

        at_work = [asyncio.create_task(calls()) for _ in range(4)]
        await asyncio.sleep(0.02)
        await first.server.stop(0)  # what it works on breaks off
        await asyncio.gather(*at_work)  # and no caller hears of it

        before_second = second.count
        await upstream.call(method, b"")
        assert second.count == before_second + 1
        assert not upstream.breaker.is_open


async def settle(call, made: list[Replica]) -> None:
    """Calls until every replica is connected: a channel connects to all of them, one after the other."""
    async with asyncio.timeout(10):
        while not all(counts(made)):
            await call()


async def test_an_upstream_that_is_handed_uploads_stays_with_one_replica_until_that_is_gone():
    async with (
        replicas() as made,
        Upstream("imaging", target(made), ServiceSettings(), balanced=False) as upstream,
    ):
        method = upstream.channel.unary_unary(ANY)
        for _ in range(CALLS):
            await upstream.call(method, b"")
        assert sorted(counts(made)) == [0, CALLS]
        await max(made, key=lambda replica: replica.count).server.stop(0)
        await upstream.call(method, b"")
        assert sorted(counts(made)) == [1, CALLS]


async def test_the_clients_calls_take_turns_and_stay_after_an_upload():
    async with replicas() as made:
        names = dict.fromkeys(("imaging", "recommendation"), target(made))
        calls = AsyncCalls(Connection(names), attempts=2)
        try:
            await settle(lambda: read(calls), made)
            before = counts(made)
            for _ in range(CALLS):
                await read(calls)
            shares = [after - b for after, b in zip(counts(made), before, strict=True)]
            assert shares == [CALLS // 2, CALLS // 2]

            before = counts(made)
            await calls.unary(upload_rpc("imaging", "StartUpload"), upload_pb2.StartUploadRequest(), 5)
            for _ in range(CALLS):
                await calls.unary(ANALYZE_IMAGE, imaging_pb2.AnalyzeImageRequest(), 5)
            shares = [after - b for after, b in zip(counts(made), before, strict=True)]
            assert sorted(shares) == [0, CALLS + 1]  # the upload, and what may name it

            await made[0].server.stop(0)
            for _ in range(CALLS):
                await read(calls)
        finally:
            await calls.close()


async def read(calls: AsyncCalls) -> None:
    await calls.unary(READ_RECORD, recommendation_pb2.ReadRecordRequest(), 5)


@pytest.mark.parametrize(("age_s", "renewed"), [(0.0, False), (0.3, True)])
async def test_a_connection_of_its_age_is_made_anew_without_a_call_that_fails(age_s, renewed):
    async with (
        replicas(1, maximum_connection_age_s=age_s) as (replica,),
        Upstream("recommendation", f"127.0.0.1:{replica.port}", ServiceSettings()) as upstream,
    ):
        method = upstream.channel.unary_unary(ANY)
        loop = asyncio.get_running_loop()
        ends = loop.time() + 1
        while loop.time() < ends:
            await upstream.call(method, b"", safe=False)
        assert (len(replica.peers) > 1) is renewed


async def test_no_call_meets_the_end_of_a_connection_though_none_is_repeated():
    async with (
        replicas(1, maximum_connection_age_s=0.03) as (replica,),
        Upstream("recommendation", f"127.0.0.1:{replica.port}", ServiceSettings()) as upstream,
    ):
        method = upstream.channel.unary_unary(ANY)
        loop = asyncio.get_running_loop()
        ends = loop.time() + 5

        async def calls() -> None:
            while loop.time() < ends:
                await upstream.call(method, b"", safe=False)

        await asyncio.gather(*(calls() for _ in range(3)))
        assert len(replica.peers) > 50
