"""The same request under the same id: one computation, one answer, one receipt."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.orchestrator.repeats import Repeats, Request
from tests.orchestrator.answers import entity, full_case, image, note
from tests.orchestrator.cases import PNEUMONIA
from tests.orchestrator.conftest import branch_name, running_mesh

ID = str(uuid.UUID(int=7))


def receipt_count(mesh) -> int:
    return len(mesh.receipts.read_text().splitlines())


async def test_the_same_request_again_gets_the_same_answer_and_receipt(mesh):
    first = await mesh.diagnose(full_case(), request_id=ID)
    second = await mesh.diagnose(full_case(), request_id=ID.upper())
    assert second == first
    assert receipt_count(mesh) == 1
    assert len(mesh.fakes.requests("AnalyzeImage")) == 1


async def test_without_an_id_every_request_is_computed(mesh):
    first, second = await mesh.diagnose(full_case()), await mesh.diagnose(full_case())
    assert first.receipt != second.receipt
    assert receipt_count(mesh) == 2


async def test_those_who_ask_at_the_same_time_share_one_computation(mesh):
    mesh.fakes.hold("AnalyzeImage")
    asked = [asyncio.create_task(mesh.diagnose(full_case(), request_id=ID)) for _ in range(5)]
    await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
    mesh.fakes.release("AnalyzeImage")
    answers = await asyncio.gather(*asked)
    assert all(answer == answers[0] for answer in answers)
    assert len(mesh.fakes.requests("AnalyzeImage")) == receipt_count(mesh) == 1


def other_note() -> pb.DiagnosticCase:
    case = full_case()
    case.note = "Something else."
    return case


def other_image() -> pb.DiagnosticCase:
    case = full_case()
    case.images[0].CopyFrom(image(b"another"))
    return case


def other_options() -> pb.DiagnosticCase:
    case = full_case()
    case.images[0].options.models.append("chest_xray")
    return case


def with_picture() -> pb.DiagnosticCase:
    case = full_case()
    case.images[0].options.include_overlay = True
    return case


@pytest.mark.parametrize("another", [other_note, other_image, other_options, with_picture])
async def test_another_request_under_the_id_is_refused_and_the_first_answer_stays(mesh, another):
    first = await mesh.diagnose(full_case(), request_id=ID)
    refusal = await mesh.refused(another(), request_id=ID)
    assert (refusal.code, refusal.reason, refusal.field) == (
        "INVALID_ARGUMENT",
        "INPUT_INCONSISTENT",
        "request_id",
    )
    assert await mesh.diagnose(full_case(), request_id=ID) == first


async def test_another_request_is_refused_while_the_first_one_is_computed(mesh):
    mesh.fakes.hold("AnalyzeImage")
    first = asyncio.create_task(mesh.diagnose(full_case(), request_id=ID))
    await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
    assert (await mesh.refused(other_note(), request_id=ID)).field == "request_id"
    mesh.fakes.release("AnalyzeImage")
    assert (await first).completeness == pb.COMPLETENESS_COMPLETE


async def test_a_failure_is_not_remembered(mesh):
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    assert (await mesh.refused(full_case(), request_id=ID)).field == "case.note"
    mesh.fakes.answers["AnalyzeNote"] = note(entity(PNEUMONIA))
    assert (await mesh.diagnose(full_case(), request_id=ID)).completeness == pb.COMPLETENESS_COMPLETE


async def no_digests(salt: str) -> list:
    return []


async def test_the_work_goes_on_while_one_caller_still_waits():
    """And it is the first one who leaves, in whose name the work was begun."""
    repeats, gate = Repeats(600, 1 << 20), asyncio.Event()
    request = Request(("", "", ID), "00" * 32, (), no_digests)

    async def compute(inputs):
        await gate.wait()
        return pb.Diagnosis(correlation_id="done")

    first, second = (asyncio.create_task(repeats.answer(request, compute)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert (await second).correlation_id == "done"


async def test_the_oldest_answers_are_forgotten_first():
    repeats, computed = Repeats(600, 150), []

    def request(number: int) -> Request:
        return Request(("", "", str(number)), "00" * 32, (), no_digests)

    def compute(number: int):
        async def work(inputs):
            computed.append(number)
            return pb.Diagnosis(correlation_id="x" * 60)

        return work

    for number in (1, 2, 3, 3, 2, 1):
        await repeats.answer(request(number), compute(number))
    assert computed == [1, 2, 3, 1]


async def test_when_nobody_waits_the_work_is_given_up(mesh):
    mesh.fakes.hold("AnalyzeImage")
    call = mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case(), request_id=ID), timeout=30)
    await asyncio.wait_for(mesh.fakes.entered["AnalyzeImage"].wait(), 5)
    call.cancel()
    await asyncio.wait_for(mesh.fakes.left.wait(), 5)
    mesh.fakes.release("AnalyzeImage")
    assert (await mesh.diagnose(full_case(), request_id=ID)).completeness == pb.COMPLETENESS_COMPLETE


@pytest.mark.parametrize("settings", [{"repeat_window_s": 0.0}, {"repeat_maximum_bytes": 0}])
async def test_what_is_remembered_is_bounded_in_time_and_size(tmp_path, settings):
    async with running_mesh(tmp_path, **settings) as mesh:
        await mesh.diagnose(full_case(), request_id=ID)
        await mesh.diagnose(full_case(), request_id=ID)
        assert receipt_count(mesh) == 2


async def test_a_stream_is_repeated_with_its_branches(mesh):
    request = pb.DiagnoseStreamRequest(case=full_case(), request_id=ID)
    first = [event async for event in mesh.stub.DiagnoseStream(request, timeout=10)]
    second = [event async for event in mesh.stub.DiagnoseStream(request, timeout=10)]
    assert second[-1].diagnosis == first[-1].diagnosis
    assert {branch_name(e.branch) for e in second[:-1]} == {branch_name(e.branch) for e in first[:-1]}
    unary = await mesh.diagnose(full_case(), request_id=ID)
    assert unary == first[-1].diagnosis
    assert receipt_count(mesh) == 1


async def test_a_stream_of_another_request_is_refused(mesh):
    await mesh.diagnose(full_case(), request_id=ID)
    request = pb.DiagnoseStreamRequest(case=other_note(), request_id=ID)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in mesh.stub.DiagnoseStream(request, timeout=10):
            pass
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
