"""Branches as they end, and calls that end with their caller."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import (
    InvalidInput,
    Reason,
)
from tests.orchestrator.answers import full_case
from tests.orchestrator.conftest import METHODS, branch_name


async def test_a_cancelled_caller_cancels_every_call_under_way(mesh):
    mesh.fakes.hold("AnalyzeImage", "AnalyzeNote", "ReadRecord")
    call = mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case()), timeout=30)
    for entered in mesh.fakes.entered.values():
        await asyncio.wait_for(entered.wait(), 5)
    call.cancel()
    while len(mesh.fakes.cancelled) < 3:
        mesh.fakes.left.clear()
        if len(mesh.fakes.cancelled) < 3:
            await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    assert sorted(mesh.fakes.cancelled) == ["AnalyzeImage", "AnalyzeNote", "ReadRecord"]


async def test_a_stream_that_is_left_cancels_the_calls_under_way(mesh):
    mesh.fakes.hold("AnalyzeImage")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=30)
    await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
    call.cancel()
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    assert mesh.fakes.cancelled == ["AnalyzeImage"]


async def test_the_stream_sends_each_branch_as_it_ends_and_the_answer_last(mesh):
    mesh.fakes.hold("AnalyzeImage", "AnalyzeNote", "ReadRecord", "RankTreatments")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=30)
    for name in ("note", "record", "image", "treatments"):
        mesh.fakes.release(METHODS[name])
        event = await call.read()
        assert (branch_name(event.branch), event.branch.state) == (name, pb.Branch.STATE_ANSWERED)
    last = await call.read()
    assert last.diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert await call.read() == grpc.aio.EOF


async def test_the_stream_fails_as_the_single_answer_does(mesh):
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=full_case()), timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
