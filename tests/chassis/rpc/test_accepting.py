"""Calls that come while the event loop is busy are taken up together, and then share as all others do."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import pytest

from services.chassis.rpc import accepting
from tests.chassis.conftest import PREFIX, Handlers, Text
from tests.chassis.rpc.test_sharing import PLACES, entry

COUNT = 12
SEND_S = 0.3


class Begun(grpc.GenericRpcHandler):
    """Notes in which turn of the loop each call began, and echoes it after some more."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self._turn = 0

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, message, context):
        self.at.append(self._turn)
        for _ in range(20):
            await asyncio.sleep(0)
        return message

    async def count(self):
        while True:
            self._turn += 1
            time.sleep(0.001)  # noqa: ASYNC251 - a turn of a loop that works
            await asyncio.sleep(0)


@asynccontextmanager
async def busy(make):
    """A server whose loop has stood still while so many calls came, from a thread; with their answers."""
    begun, server = Begun(), make()
    server.add_generic_rpc_handlers((begun,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    counting = asyncio.create_task(begun.count())
    await asyncio.sleep(0.05)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, ThreadPoolExecutor(1) as thread:
        ready = grpc.channel_ready_future(channel)
        await asyncio.to_thread(ready.result, 10)
        method = channel.unary_unary("/any/method")
        sending = thread.submit(lambda: [method.future(b"a", timeout=20) for _ in range(COUNT)])
        time.sleep(SEND_S)  # noqa: ASYNC251 - the loop is busy
        yield server, begun, sending.result()
        counting.cancel()
        await server.stop(None)


def one_by_one():
    return grpc.aio.server()


def together():
    return accepting.server([], [])


@pytest.mark.parametrize(("make", "at_once"), [(one_by_one, False), (together, True)])
async def test_calls_that_wait_are_taken_up_in_one_turn_of_the_loop(make, at_once):
    async with busy(make) as (_, begun, calls):
        answers = await asyncio.gather(*(asyncio.to_thread(call.result) for call in calls))
        assert answers == [b"a"] * COUNT
    # gRPC's own server takes up one in two turns; where that ends, `accepting` may go.
    assert (max(begun.at) - min(begun.at) < COUNT) is at_once


async def test_what_has_come_when_the_server_ends_is_answered_and_the_end_is_not_held_up():
    async with busy(together) as (server, begun, calls):
        while not begun.at:  # noqa: ASYNC110 - the loop has to see that they have come
            await asyncio.sleep(0)
        began = time.monotonic()
        await server.stop(grace=10)
        assert time.monotonic() - began < 5
        assert [await asyncio.to_thread(call.result) for call in calls] == [b"a"] * COUNT


async def test_a_server_ends_that_nobody_has_called():
    server = together()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await asyncio.wait_for(server.stop(grace=10), 5)


async def test_where_the_loop_is_busy_a_caller_does_not_wait_behind_all_of_anothers_calls(serve, tmp_path):
    answered: list[str] = []

    async def unary(parts, message, context):
        for _ in range(4):
            time.sleep(0.004)  # noqa: ASYNC251 - what is computed on the loop
            await asyncio.sleep(0)
        answered.append(message.note)
        return message

    policy, count = tmp_path / "policy.toml", 60
    policy.write_text("".join(entry(name, f"tenant = '{name}'") for name in ("ward", "clinic")))
    settings = {"auth_policy": policy, "maximum_in_flight_count": PLACES, "maximum_queue_count": count}
    async with serve(Handlers(unary=unary), **settings) as sample:
        await asyncio.to_thread(_called, sample.running.address, count, answered)
        assert answered.index("clinic") < count / 3
        assert answered.count("ward") == count


def _called(address: str, count: int, answered: list[str]) -> None:
    """By the ward so many times at once, and, once it has had some answers, by the clinic."""
    codec = {"request_serializer": Text.SerializeToString, "response_deserializer": Text.FromString}
    options = [("grpc.use_local_subchannel_pool", 1)]
    with (
        grpc.insecure_channel(address, options) as ward,
        grpc.insecure_channel(address, options) as clinic,
    ):

        def call(channel: grpc.Channel, who: str) -> grpc.Future:
            return channel.unary_unary(PREFIX + "Unary", **codec).future(
                Text(note=who), metadata=[("authorization", f"Bearer {who}")], timeout=30
            )

        call(clinic, "clinic").result()
        answered.clear()
        calls = [call(ward, "ward") for _ in range(count)]
        while len(answered) < 2:
            time.sleep(0.001)
        calls.append(call(clinic, "clinic"))
        for one in calls:
            one.result()
