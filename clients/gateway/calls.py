"""Plain JSON over HTTP: a request in, one answer out, or a stream of them, as events where that is wanted.

A call that answers with a stream gives a JSON array, or, to `Accept: text/event-stream`, an event for each
answer as it comes, named after the part that is set in it; then the event `end`, or `error` with the problem.
A call that takes a stream is given a JSON array.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from clients.gateway import json_form
from clients.gateway.failures import Failure
from clients.gateway.mesh import Caller, Mesh
from medmesh.rpcs import Rpc

JSON = "application/json"
EVENTS = "text/event-stream"
LONG_BYTES = 256 * 1024
"""From here on JSON is read and written in a thread: the loop serves others meanwhile."""
_KEEP_ALIVE_S = 15.0
"""Silence after which a comment is sent: proxies close a connection that is silent for a minute."""
T = TypeVar("T")


def wants_events(request: Request) -> bool:
    """Whether the caller asks for a stream of events."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(part.partition(";")[0].strip() == EVENTS for part in accepted)


async def call(rpc: Rpc, request: Request, caller: Caller, mesh: Mesh) -> Response:
    """Answers a request whose body is JSON. Raises InvalidInput, Failure."""
    body = await request.body()
    kind = GetMessageClass(rpc.method.input_type)
    read: Callable[[bytes, type[Message]], Message | list[Message]] = (
        json_form.read_several if rpc.method.client_streaming else json_form.read
    )
    message = await asyncio.to_thread(read, body, kind) if len(body) > LONG_BYTES else read(body, kind)
    del body
    return await answered(rpc, message, request, caller, mesh)


async def answered(
    rpc: Rpc, message: Message | list[Message], request: Request, caller: Caller, mesh: Mesh
) -> Response:
    """Asks the mesh and answers in the form that is wanted. Raises Failure."""
    sent = _each(message) if isinstance(message, list) else message
    if not rpc.method.server_streaming:
        answer = await while_connected(request, caller, mesh.answer(rpc, sent, caller))
        return Response(await json_of(answer), media_type=JSON)
    answers = mesh.answers(rpc, sent, caller)
    if not wants_events(request):
        return Response(await while_connected(request, caller, _array(answers)), media_type=JSON)
    # A call that fails at once has a status to say so.
    first = await while_connected(request, caller, anext(answers, None))
    return StreamingResponse(_events(first, answers), media_type=EVENTS)


async def json_of(message: Message) -> str:
    """The JSON of a message."""
    if message.ByteSize() > LONG_BYTES:
        return await asyncio.to_thread(json_form.written, message)
    return json_form.written(message)


async def while_connected(request: Request, caller: Caller, work: Awaitable[T]) -> T:
    """What the work gives; it is cancelled when the caller goes away. The body has been read by then."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Failure(Status(code=Code.CANCELLED, message="The caller went away."), caller.request_id)
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _each(messages: Iterable[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


async def _array(answers: AsyncIterator[Message]) -> str:
    return f"[{','.join([await json_of(answer) async for answer in answers])}]"


async def _events(first: Message | None, answers: AsyncIterator[Message]) -> AsyncIterator[str]:
    answer = first
    try:
        while answer is not None:
            yield _event(_name(answer), await json_of(answer))
            coming = asyncio.ensure_future(anext(answers, None))
            try:
                while not (await asyncio.wait({coming}, timeout=_KEEP_ALIVE_S))[0]:
                    yield ": still at work\n\n"
            finally:
                coming.cancel()  # nothing for one that has come
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({coming})
            answer = coming.result()
        yield _event("end", "{}")
    except Failure as failure:
        yield _event("error", json.dumps(failure.problem(), ensure_ascii=False))


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"  # JSON in one line has no line break


def _name(answer: Message) -> str:
    """What the event is called: the part of the answer's oneof that is set."""
    oneofs = answer.DESCRIPTOR.oneofs
    return (answer.WhichOneof(oneofs[0].name) if oneofs else None) or "message"
