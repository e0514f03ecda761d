"""How streams are read and given up, held against a server that shows what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import time

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException

from services.chassis.models.inference import Tensor
from services.chassis.models.triton_calls import KeyedStub
from services.chassis.models.triton_streams import CANCELS, Streams
from tests.fakes import model_version

MODEL = model_version("scribe", [Tensor("x", np.int64, ())], [Tensor("y", np.int64, ())], streams=True)
INPUTS = {"x": np.array([5])}
HOW = pytest.mark.parametrize("how", ["cancelled_by_grpc", "cancelled_by_request"])


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Counts from 0 without an end; a request that cancels another one ends that."""

    def __init__(self):
        self.ended: dict[str, asyncio.Event] = {}
        self.cancelled_by_grpc = asyncio.Event()
        self.began = asyncio.Event()
        self.ids: list[str] = []
        self.fails = ""
        self.breaks = False
        self.most = 10_000

    async def ModelStreamInfer(self, requests, context):  # noqa: N802 - gRPC's name
        request = await anext(aiter(requests))
        cancels = request.parameters[CANCELS].string_param
        if cancels:
            self.ended[cancels].set()
            return
        self.ids.append(request.id)
        self.began.set()
        ended = self.ended.setdefault(request.id, asyncio.Event())
        try:
            for number in range(self.most):
                if ended.is_set():
                    yield pb.ModelStreamInferResponse(error_message="the caller has gone")
                    return
                yield pb.ModelStreamInferResponse(infer_response=answer(number))
                await asyncio.sleep(0.001)
                if self.fails:
                    yield pb.ModelStreamInferResponse(error_message=self.fails)
                    return
                if self.breaks:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        except asyncio.CancelledError:
            self.cancelled_by_grpc.set()
            raise


def answer(number):
    made = pb.ModelInferResponse(model_name="scribe", model_version="1")
    made.outputs.add(name="y", datatype="INT64", shape=[1])
    made.raw_output_contents.append(np.array([number], np.int64).tobytes())
    return made


@pytest.fixture
async def server():
    made, running = Server(), grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(made, running)
    made.port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield made
    await running.stop(None)


@pytest.fixture
async def streams(server):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        made = Streams(KeyedStub(service_pb2_grpc.GRPCInferenceServiceStub(channel)))
        yield made
        await made.close()


async def numbers(pieces):
    return [int(piece.outputs["y"][0]) async for piece in pieces]


def opened(streams, how, seconds=30.0):
    return getattr(streams, how)(MODEL, INPUTS, time.monotonic() + seconds)


@HOW
async def test_an_answer_is_read_to_its_end(server, streams, how):
    server.most = 5
    assert await numbers(opened(streams, how)) == [0, 1, 2, 3, 4]


@HOW
async def test_an_error_among_the_pieces_is_raised(server, streams, how):
    server.fails = "it failed"
    with pytest.raises(InferenceServerException, match="it failed"):
        await numbers(opened(streams, how))


@HOW
async def test_a_server_that_goes_away_is_told_by_its_status(server, streams, how):
    server.breaks = True
    with pytest.raises(InferenceServerException) as caught:
        await numbers(opened(streams, how))
    assert caught.value.status() == "StatusCode.UNAVAILABLE"


@HOW
async def test_an_answer_that_takes_too_long_is_given_up(server, streams, how):
    with pytest.raises(InferenceServerException) as caught:
        await numbers(opened(streams, how, seconds=0.1))
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"


async def test_what_is_given_up_is_cancelled_by_grpc(server, streams):
    async with contextlib.aclosing(opened(streams, "cancelled_by_grpc")) as pieces:
        await anext(pieces)
    await asyncio.wait_for(server.cancelled_by_grpc.wait(), 5)


@pytest.mark.parametrize("leaves", ["by closing", "by being cancelled", "by its deadline"])
async def test_what_is_given_up_is_cancelled_by_a_request_and_by_nothing_else(server, streams, leaves):
    if leaves == "by closing":
        async with contextlib.aclosing(opened(streams, "cancelled_by_request")) as pieces:
            await anext(pieces)
    elif leaves == "by being cancelled":
        task = asyncio.create_task(numbers(opened(streams, "cancelled_by_request")))
        await server.began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(InferenceServerException):
            await numbers(opened(streams, "cancelled_by_request", seconds=0.1))
    await asyncio.wait_for(server.ended[server.ids[0]].wait(), 5)
    await streams.close()  # waits for what was given up
    assert not server.cancelled_by_grpc.is_set()


async def test_each_stream_has_a_name_of_its_own(server, streams):
    server.most = 1
    for _ in range(3):
        await numbers(opened(streams, "cancelled_by_request"))
    assert len(set(server.ids)) == 3
