"""A whole mesh of fake servicers in one process, on a free port, that records what it was asked.

`FakeMesh.answers` gives the message that a method returns, by its name, or a function of the request that
gives it: None for an empty one, a `google.rpc.Status` to fail the call as a broken connection does, without
details. `FakeMesh.fail(method, status, …)` makes it fail as the services do. `FakeMesh.hold(method)` makes
its calls wait until `release(method)`.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import Parse
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from medmesh import receipt
from medmesh.common.v1 import catalog_pb2, upload_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2, report_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, ReceiptStatement
from medmesh.recommendation.v1 import recommendation_pb2

SERVICES = [
    catalog_pb2.DESCRIPTOR.services_by_name["ModelCatalogService"],
    imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"],
    language_pb2.DESCRIPTOR.services_by_name["LanguageService"],
    orchestrator_pb2.DESCRIPTOR.services_by_name["DiagnosticService"],
    recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],
    upload_pb2.DESCRIPTOR.services_by_name["UploadService"],
]
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
ANSWERS = Path(__file__).parent / "answers"


def stored(name: str, kind: type[Message]) -> Any:
    """The message in `answers/<name>.txtpb`."""
    return Parse((ANSWERS / f"{name}.txtpb").read_text(encoding="utf-8"), kind())


def stored_diagnosis() -> orchestrator_pb2.Diagnosis:
    """The diagnosis in `answers/`, with a receipt of the statement there, unsigned."""
    diagnosis: orchestrator_pb2.Diagnosis = stored("diagnosis", orchestrator_pb2.Diagnosis)
    diagnosis.receipt.CopyFrom(receipt_of(stored("statement", ReceiptStatement)))
    return diagnosis


def receipt_of(statement: ReceiptStatement) -> EvidenceReceipt:
    return EvidenceReceipt(payload_type=receipt.PAYLOAD_TYPE, payload=receipt.payload_of(statement))


@dataclass(frozen=True)
class Seen:
    """One call, as the servicer saw it."""

    method: str
    request: Any
    metadata: dict[str, str]
    remaining_s: float | None


@dataclass
class FakeMesh:
    """All services behind one port."""

    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    failures: dict[str, status_pb2.Status] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    target: str = ""
    not_serving: bool = False
    """What the health protocol answers."""

    def fail(self, method: str, code: str, message: str = "", *details: Message) -> None:
        status = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
        for detail in details:
            status.details.add().Pack(detail)
        self.failures[method] = status

    def hold(self, method: str) -> None:
        self.gates[method] = threading.Event()

    def release(self, method: str) -> None:
        self.gates.pop(method).set()

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def serve(self, request: Any, context: grpc.ServicerContext, method: str, default: Message) -> Any:
        metadata = dict(context.invocation_metadata())
        self.seen.append(Seen(method, request, metadata, context.time_remaining()))
        context.set_trailing_metadata([("x-request-id", metadata.get("x-request-id", ""))])
        gate = self.gates.get(method)
        if gate is not None:
            gate.wait(20)
        if method in self.failures:
            context.abort_with_status(rpc_status.to_status(self.failures[method]))
        answer = self.answers.get(method, default)
        if callable(answer):
            answer = answer(request) or default
        if isinstance(answer, status_pb2.Status) and answer.details:
            context.abort_with_status(rpc_status.to_status(answer))
        if isinstance(answer, status_pb2.Status):  # what gRPC itself says when a connection fails: no details
            context.abort(_STATUS_CODES[answer.code], answer.message)
        return answer


def error_info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="medmesh", metadata=metadata)


def _handler(mesh: FakeMesh, method: MethodDescriptor) -> grpc.RpcMethodHandler:
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)

    def unary(message: Any, context: grpc.ServicerContext) -> Any:
        return mesh.serve(message, context, method.name, response())

    def from_stream(messages: Any, context: grpc.ServicerContext) -> Any:
        return mesh.serve(list(messages), context, method.name, response())

    def to_stream(message: Any, context: grpc.ServicerContext) -> Any:
        if "draft" in response.DESCRIPTOR.fields_by_name:
            draft = mesh.serve(message, context, method.name, report_pb2.Draft())
            for sentence in draft.sentences:
                yield response(sentence=sentence)
            yield response(draft=draft)
            return
        answer = mesh.serve(message, context, method.name, orchestrator_pb2.DiagnoseResponse())
        for sentence in answer.diagnosis.report.draft.sentences:
            yield response(draft_sentence=sentence)
        for branch in answer.diagnosis.branches:
            yield response(branch=branch)
        yield response(diagnosis=answer.diagnosis)

    def exchange(messages: Any, context: grpc.ServicerContext) -> Any:
        yield from mesh.serve(list(messages), context, method.name, response())

    codec = {"request_deserializer": request.FromString, "response_serializer": response.SerializeToString}
    if method.client_streaming and method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(exchange, **codec)
    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(from_stream, **codec)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(to_stream, **codec)
    return grpc.unary_unary_rpc_method_handler(unary, **codec)


class _Health(health_pb2_grpc.HealthServicer):
    def __init__(self, mesh: FakeMesh):
        self.mesh = mesh

    def Check(self, request, context):  # noqa: N802  # the name is the proto's
        status = "NOT_SERVING" if self.mesh.not_serving else "SERVING"
        return health_pb2.HealthCheckResponse(status=status)


def start(mesh: FakeMesh, port: int = 0) -> grpc.Server:
    """Serves `mesh` on a port of this machine (0: a free one) and writes it to `mesh.target`."""
    server = grpc.server(
        ThreadPoolExecutor(16),
        options=[("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.so_reuseport", 0)],
    )
    for service in SERVICES:
        handlers = {method.name: _handler(mesh, method) for method in service.methods}
        generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))
    health_pb2_grpc.add_HealthServicer_to_server(_Health(mesh), server)
    mesh.target = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    return server
