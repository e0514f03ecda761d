"""Answers of decoupled models, piece by piece, and how one is given up before its end.

Triton 24.10 can end with a segmentation fault when a gRPC stream is cancelled while it is being written to
(its issue 7368; tried here: once in some hundred cancelled streams on a busy machine). A backend that takes a
request to cancel another one is told by such a request; then the stream is read to its end, which is one
token away, and gRPC cancels nothing. Other backends run on a newer Triton, where gRPC's way is safe.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any

import grpc
from tritonclient.grpc.service_pb2 import ModelInferRequest
from tritonclient.utils import InferenceServerException

from services.chassis.errors import MedmeshError
from services.chassis.models.inference import Arrays, ModelVersion
from services.chassis.models.triton_calls import KeyedStub, Part, asked, failure, part_of

CANCELS = "medmesh_cancels"
"""Parameter of a request that cancels the one with the id that it holds."""
_LAST_S = 2.0
"""How long those that were given up get to end when the client is closed."""


class Streams:
    """The streams to one server. Each has a gRPC stream of its own, which Triton ends with the answer."""

    def __init__(self, stub: KeyedStub) -> None:
        self._stub = stub
        self._under_way: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits a moment for those that were given up, and lets go of the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def cancelled_by_grpc(
        self, model: ModelVersion, inputs: Arrays, until: float
    ) -> AsyncGenerator[Part]:
        """The answer to a request; closing the generator cancels it. `until`: on `time.monotonic`'s clock."""
        left_s = _left_s(until)
        answers = self._stub.rpcs.ModelStreamInfer(
            _one(asked(model, [inputs], left_s)), timeout=left_s, metadata=self._stub.metadata()
        )
        try:
            async for piece in _pieces(model, answers):
                yield piece
        finally:
            answers.cancel()

    async def cancelled_by_request(
        self, model: ModelVersion, inputs: Arrays, until: float
    ) -> AsyncGenerator[Part]:
        """The same of a backend that takes requests to cancel."""
        request = asked(model, [inputs], _left_s(until))
        request.id = f"{request.id}.{secrets.token_hex(8)}"
        # No deadline of gRPC's: when it passes, that is a cancellation too.
        answers = self._stub.rpcs.ModelStreamInfer(_one(request), metadata=self._stub.metadata())
        pieces: asyncio.Queue[Part | Exception | None] = asyncio.Queue()
        reading = self._begin(_read(model, answers, pieces))
        try:
            while (piece := await _next(pieces, until)) is not None:
                yield piece
        finally:
            if not reading.done():
                self._begin(self._cancel(request))

    def _begin(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(what)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _cancel(self, request: ModelInferRequest) -> None:
        other = ModelInferRequest()
        other.CopyFrom(request)
        other.id = ""
        other.parameters[CANCELS].string_param = request.id
        try:
            async for _ in self._stub.rpcs.ModelStreamInfer(_one(other), metadata=self._stub.metadata()):
                pass
        except grpc.RpcError:
            return  # then the server is gone, and the text with it


async def _one(request: ModelInferRequest) -> AsyncIterator[ModelInferRequest]:
    yield request


async def _pieces(model: ModelVersion, answers: Any) -> AsyncIterator[Part]:
    try:
        async for answer in answers:
            if answer.error_message:
                raise InferenceServerException(answer.error_message)
            if answer.infer_response.outputs:  # the last one may be empty
                yield part_of(model, answer.infer_response)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # gRPC's word for a stream that ended under a caller who still waits.
        raise InferenceServerException("", status=str(grpc.StatusCode.CANCELLED)) from None
    except grpc.RpcError as error:
        raise failure(error) from error


async def _read(model: ModelVersion, answers: Any, pieces: asyncio.Queue[Part | Exception | None]) -> None:
    """Reads a stream to its end, whether or not anybody takes the pieces."""
    try:
        async for piece in _pieces(model, answers):
            pieces.put_nowait(piece)
    except (InferenceServerException, MedmeshError) as error:
        pieces.put_nowait(error)
    finally:
        pieces.put_nowait(None)


async def _next(pieces: asyncio.Queue[Part | Exception | None], until: float) -> Part | None:
    try:
        async with asyncio.timeout(_left_s(until)):
            piece = await pieces.get()
    except TimeoutError:
        raise InferenceServerException("", status=str(grpc.StatusCode.DEADLINE_EXCEEDED)) from None
    if isinstance(piece, Exception):
        raise piece
    return piece


def _left_s(until: float) -> float:
    return max(until - time.monotonic(), 0.001)
