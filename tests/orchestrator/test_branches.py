"""Every branch in every trouble: the answer is partial and names it, or the call fails where the case
requires the branch; what is slow and in time is answered.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import ModelUnknown, Overloaded
from tests.orchestrator.answers import full_case, image
from tests.orchestrator.conftest import METHODS, NOTHING, branch, running_mesh, states

BRANCHES = METHODS | {"report": "GenerateReport"}
SERVICES = {
    "image": "imaging",
    "note": "language",
    "record": "recommendation",
    "treatments": "recommendation",
    "report": "language",
}
REASONS = {
    "dead": "UPSTREAM_UNAVAILABLE",
    "refuses": "OVERLOADED",
    "hangs": "DEADLINE_EXCEEDED",
    "says nothing": "INTERNAL",
    "talks nonsense": "INTERNAL",
    "dies half way": "UPSTREAM_UNAVAILABLE",
}
DEADLINE_S = 3.0


def case(*required):
    asked = full_case()
    asked.draft_report.SetInParent()
    asked.required_branches.extend(pb.Branch.Kind.Value(f"KIND_{name.upper()}") for name in required)
    return asked


class Nonsense(grpc.GenericRpcHandler):
    """A service that answers every method with what is no message."""

    def service(self, handler_call_details):
        async def answer(request, context):
            return b"\xff\xff"

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def in_trouble(folder, name, trouble):
    """A mesh with one branch in trouble, and the branches that its trouble concerns."""
    service, method = SERVICES[name], BRANCHES[name]
    settings = {}
    async with AsyncExitStack() as stack:
        if trouble == "talks nonsense":
            server = grpc.aio.server(handlers=[Nonsense()])
            settings[f"{service}_url"] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            stack.push_async_callback(server.stop, None)
        dead = (service,) if trouble == "dead" else ()
        mesh = await stack.enter_async_context(running_mesh(folder, dead=dead, **settings))
        if trouble == "refuses":
            mesh.fakes.answers[method] = Overloaded()
        elif trouble == "says nothing":
            mesh.fakes.answers[method] = NOTHING
        elif trouble not in {"dead", "talks nonsense"}:
            mesh.fakes.hold(method)
        if trouble in {"slow", "dies half way"}:

            async def soon():
                await mesh.fakes.entered[method].wait()
                await asyncio.sleep(0.2)
                if trouble == "slow":
                    mesh.fakes.release(method)
                else:
                    await mesh.servers[service].server.stop(None)

            soon_task = asyncio.create_task(soon())
            stack.callback(soon_task.cancel)
        is_service = trouble in {"dead", "talks nonsense"}
        yield mesh, {one for one, its in SERVICES.items() if its == service} if is_service else {name}


def failed(diagnosis):
    return {name for name, state in states(diagnosis).items() if state == "failed"}


@pytest.mark.parametrize("trouble", REASONS)
@pytest.mark.parametrize("name", BRANCHES)
async def test_a_branch_in_trouble_is_missing_and_named(tmp_path, name, trouble):
    async with in_trouble(tmp_path, name, trouble) as (mesh, concerned):
        began = time.monotonic()
        diagnosis = await mesh.diagnose(case(), timeout_s=DEADLINE_S)
        assert time.monotonic() - began < DEADLINE_S
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert diagnosis.review_required
    missing = failed(diagnosis)
    # What came after a service that died half way finds it gone.
    assert concerned <= missing <= {one for one, its in SERVICES.items() if its == SERVICES[name]}
    told = branch(diagnosis, name)
    assert told.reason == REASONS[trouble]
    assert told.message
    assert told.effect


@pytest.mark.parametrize("trouble", REASONS)
@pytest.mark.parametrize("name", BRANCHES)
async def test_a_required_branch_in_trouble_fails_the_call_and_stops_the_rest(tmp_path, name, trouble):
    async with in_trouble(tmp_path, name, trouble) as (mesh, concerned):
        held = next(one for one, its in SERVICES.items() if its != SERVICES[name])
        if name not in {"treatments", "report"}:  # those come after the others
            mesh.fakes.hold(BRANCHES[held])
        began = time.monotonic()
        refusal = await mesh.refused(case(name), timeout_s=DEADLINE_S)
        assert time.monotonic() - began < DEADLINE_S
        written = mesh.receipts.read_text(encoding="utf-8")
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    told = "image_0" if name == "image" else name
    assert refusal.metadata[told] == REASONS[trouble]
    assert set(refusal.metadata) <= {told, *concerned}
    assert not written


@pytest.mark.parametrize("name", BRANCHES)
async def test_a_slow_branch_is_waited_for(tmp_path, name):
    async with in_trouble(tmp_path, name, "slow") as (mesh, _):
        diagnosis = await mesh.diagnose(case(*BRANCHES), timeout_s=DEADLINE_S * 3)
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert not failed(diagnosis)


async def test_what_is_not_required_may_fail(mesh):
    mesh.fakes.answers["AnalyzeNote"] = Overloaded()
    diagnosis = await mesh.diagnose(case("image", "record", "treatments"))
    assert failed(diagnosis) == {"note"}


async def test_the_stream_ends_with_the_same_error_after_the_branches(mesh):
    mesh.fakes.answers["AnalyzeNote"] = Overloaded()
    call = mesh.stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=case("note")), timeout=DEADLINE_S)
    events = []

    async def read():
        async for event in call:
            events.append(event)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert pb.Branch.KIND_NOTE in {event.branch.kind for event in events}


async def test_a_required_branch_without_a_model_of_the_name_is_no_outage(mesh):
    mesh.fakes.answers["AnalyzeImage"] = ModelUnknown()
    refusal = await mesh.refused(case("image"))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "MODEL_UNKNOWN")


@pytest.mark.parametrize("kind", [pb.Branch.KIND_NOTE, pb.Branch.KIND_REPORT, pb.Branch.KIND_UNSPECIFIED])
async def test_what_is_required_must_be_asked_for(mesh, kind):
    asked = pb.DiagnosticCase(images=[image(b"image")], required_branches=[pb.Branch.KIND_IMAGE, kind])
    refusal = await mesh.refused(asked)
    assert (refusal.reason, refusal.field) == ("INPUT_INCONSISTENT", "case.required_branches[1]")
    assert not mesh.fakes.seen
