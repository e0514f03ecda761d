"""Server reflection, in its version 1 and in the v1alpha of older tools: a server describes what it serves.

grpcio-reflection has v1alpha alone. The two differ in the name of their package, not in their messages.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from services.chassis.rpc.health import health_file

_V1ALPHA = reflection.SERVICE_NAME
_V1 = _V1ALPHA.replace("v1alpha", "v1")


def add_reflection(services: Iterable[ServiceDescriptor], server: grpc.aio.Server) -> None:
    """Lets a server describe `services`, its health service and reflection itself."""
    files: dict[str, FileDescriptorProto] = {}
    names = [_V1, _V1ALPHA]
    for service in (*services, health_pb2.DESCRIPTOR.services_by_name["Health"]):
        names.append(service.full_name)
        _collect(service.file, files)
    _collect(error_details_pb2.DESCRIPTOR, files)  # what an error carries, so that a tool can show it
    _collect(reflection_pb2.DESCRIPTOR, files)
    # A pool of their own: the default one cannot hold a second version of health.proto.
    pool = DescriptorPool()
    for file in (*files.values(), _v1_file()):
        pool.Add(health_file() if file.name == health_pb2.DESCRIPTOR.name else file)
    servicer = reflection.aio.ReflectionServicer(names, pool=pool)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_V1, {"ServerReflectionInfo": handler}),)
    )


@functools.cache
def _v1_file() -> FileDescriptorProto:
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    return text_format.Parse(str(file).replace("v1alpha", "v1"), FileDescriptorProto())


def _collect(file: FileDescriptor, into: dict[str, FileDescriptorProto]) -> None:
    """Adds a file after what it imports."""
    if file.name in into:
        return
    for dependency in file.dependencies:
        _collect(dependency, into)
    into[file.name] = FileDescriptorProto()
    file.CopyToProto(into[file.name])
