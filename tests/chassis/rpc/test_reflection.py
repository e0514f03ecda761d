"""A client that knows only reflection lists, describes and calls a server: `buf curl`, which is not ours."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.chassis.conftest import Handlers

BUF = Path(sys.executable).with_name("buf")
SERVICE = "medmesh.language.v1.LanguageService"
CATALOG = "medmesh.common.v1.ModelCatalogService"
VERSIONS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]


async def echo(parts, message, context):
    return message


async def ask(sample, version, **question):
    """The answer to one question, as the protocol words it."""
    call = sample.channel.stream_stream(
        f"/{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = [
        a async for a in call(iter([reflection_pb2.ServerReflectionRequest(**question)]), timeout=10)
    ]
    return answer


def described(answer):
    files = answer.file_descriptor_response.file_descriptor_proto
    return {file.name: file for file in map(FileDescriptorProto.FromString, files)}


async def curl(sample, version, *arguments):
    protocol = version.removeprefix("grpc.reflection.")
    address = f"http://{sample.running.address}"
    process = await asyncio.create_subprocess_exec(
        *(BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("--reflect-protocol", f"grpc-{protocol}", *arguments[:-1], address + arguments[-1]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, complaint.decode()
    return said.decode()


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_method_is_listed(serve, version):
    async with serve(Handlers(unary=echo)) as sample:
        methods = (await curl(sample, version, "--list-methods", "")).splitlines()
    services = {method.rpartition("/")[0] for method in methods}
    assert services == {
        SERVICE,
        CATALOG,
        "medmesh.common.v1.TraceService",
        "grpc.health.v1.Health",
        *(f"{v}.ServerReflection" for v in VERSIONS),
    }
    assert f"{SERVICE}/AnalyzeNote" in methods
    assert {f"grpc.health.v1.Health/{name}" for name in ("Check", "List", "Watch")} <= set(methods)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_state_of_each_service_is_listed(serve, version):
    async with serve(Handlers(unary=echo)) as sample:
        sample.inference.stop("doubler")
        await sample.parts.health.refresh()
        answer = json.loads(await curl(sample, version, "-d", "{}", "/grpc.health.v1.Health/List"))
    states = {name: status["status"] for name, status in answer["statuses"].items()}
    assert states == {
        "": "NOT_SERVING",
        SERVICE: "NOT_SERVING",
        CATALOG: "SERVING",
        "models": "SERVING",
    }


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_details_of_an_error_are_described_too(serve, version):
    """grpcurl shows them in words where the server knows their types."""
    async with serve(Handlers(unary=echo)) as sample:
        files = described(await ask(sample, version, file_containing_symbol="google.rpc.BadRequest"))
    assert "google/rpc/error_details.proto" in files


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_file_comes_with_what_it_imports_and_with_the_marks_of_patient_data(serve, version):
    async with serve(Handlers(unary=echo)) as sample:
        files = described(await ask(sample, version, file_containing_symbol=SERVICE))
        mark = {"containing_type": "google.protobuf.FieldOptions", "extension_number": 52017}
        marks = described(await ask(sample, version, file_containing_extension=mark))
    assert "medmesh/language/v1/language.proto" in files
    assert all(dependency in files for file in files.values() for dependency in file.dependency)
    assert "medmesh/common/v1/options.proto" in marks


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_not_served_is_not_found(serve, version):
    async with serve(Handlers(unary=echo)) as sample:
        answer = await ask(sample, version, file_containing_symbol="medmesh.imaging.v1.ImagingService")
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_an_open_stream_does_not_hold_the_drain(serve):
    async def still_asking():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        await asyncio.sleep(60)

    async with serve(Handlers(unary=None), drain_s=30.0) as sample:
        stub = reflection_pb2_grpc.ServerReflectionStub(sample.channel)
        stream = stub.ServerReflectionInfo(still_asking())
        await stream.read()
        await asyncio.wait_for(sample.running.drain(), 15)
