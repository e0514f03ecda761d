"""The Connect protocol and gRPC-Web, by `connectrpc`: the one module that knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.message_factory import GetMessageClass
from protobuf.wkt import Any as WireAny
from starlette.types import Message, Receive, Scope, Send

from clients.gateway import json_form
from clients.gateway.failures import Failure
from clients.gateway.mesh import Caller, Mesh
from clients.gateway.settings import GatewaySettings
from medmesh.rpcs import Rpc
from services.chassis.errors import InvalidInput, MedmeshError, Reason
from services.chassis.rpc.request import current

_STREAM_TYPES = {
    (False, False): StreamType.UNARY,
    (True, False): StreamType.CLIENT_STREAM,
    (False, True): StreamType.SERVER_STREAM,
    (True, True): StreamType.BIDI_STREAM,
}


class Connect(ConnectASGIApplication[Mapping[str, Rpc]]):
    """The ASGI application that speaks Connect and gRPC-Web."""

    def __init__(self, table: Mapping[str, Rpc], mesh: Mesh, settings: GatewaySettings) -> None:
        super().__init__(
            service=table,
            endpoints=lambda table: {path: _endpoint(rpc, mesh, settings) for path, rpc in table.items()},
            read_max_bytes=settings.maximum_request_bytes,
            compressions=(),  # images are small already, and what is inflated must be bounded first
            codecs=(_Binary(), _Json()),
        )

    @property
    def path(self) -> str:
        return "/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            try:
                return await receive()
            except MedmeshError as error:  # the body is too large, or its sender stalls
                raise _refused(error) from None

        await super().__call__(scope, received, send)

    async def refuse(self, failure: Failure, scope: Scope, send: Send) -> None:
        """Answers with the failure in the client's own protocol, and reads nothing of the body."""

        async def received() -> Message:
            raise wire_error(failure)

        await super().__call__(scope, received, send)


class _Binary:
    """Protobuf's binary form, of Google's messages."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: ProtoMessage) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, message_class: type[ProtoMessage]) -> ProtoMessage:
        try:
            return message_class.FromString(bytes(data))
        except DecodeError:
            described = "is not the protobuf message that the method takes"
            raise _refused(InvalidInput(Reason.INPUT_MALFORMED, "request", described)) from None


class _Json:
    """ProtoJSON, of Google's messages."""

    def name(self) -> str:
        return "json"

    def encode(self, message: ProtoMessage) -> bytes:
        return json_form.written(message).encode()

    def decode(self, data: bytes | bytearray, message_class: type[ProtoMessage]) -> ProtoMessage:
        try:
            return json_form.read(data, message_class)
        except InvalidInput as error:
            raise _refused(error) from None


def _endpoint(rpc: Rpc, mesh: Mesh, settings: GatewaySettings) -> Any:
    method = rpc.method
    kind = _STREAM_TYPES[method.client_streaming, method.server_streaming]
    info = MethodInfo(
        name=method.name,
        service_name=method.containing_service.full_name,
        input=GetMessageClass(method.input_type),
        output=GetMessageClass(method.output_type),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )

    async def answer(request: Any, context: RequestContext[Any, Any]) -> Any:
        try:
            return await mesh.answer(rpc, request, _caller(context, settings))
        except Failure as failure:
            raise wire_error(failure) from failure

    async def answers(request: Any, context: RequestContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for message in mesh.answers(rpc, request, _caller(context, settings)):
                yield message
        except Failure as failure:
            raise wire_error(failure) from failure

    if kind is StreamType.UNARY:
        return Endpoint.unary(info, answer)
    if kind is StreamType.CLIENT_STREAM:
        return Endpoint.client_stream(info, answer)
    return (
        Endpoint.server_stream(info, answers)
        if kind is StreamType.SERVER_STREAM
        else Endpoint.bidi_stream(info, answers)
    )


def _caller(context: RequestContext[Any, Any], settings: GatewaySettings) -> Caller:
    caller = Caller.of(dict(context.request_headers.items()), settings)
    left_ms = context.timeout_ms  # of gRPC-Web's header too
    return caller if left_ms is None else caller.within(min(left_ms / 1e3, settings.maximum_deadline_s))


def wire_error(failure: Failure) -> ConnectError:
    """The failure as Connect and gRPC-Web carry it, with its details."""
    code = "CANCELED" if failure.code == "CANCELLED" else failure.code
    details = [
        ErrorDetail(WireAny(type_url=detail.type_url, value=detail.value))
        for detail in failure.status.details
    ]
    return ConnectError(Code[code], failure.status.message, details)


def _refused(error: MedmeshError) -> ConnectError:
    request = current.get()
    return wire_error(Failure.of(error, request.request_id if request else ""))
