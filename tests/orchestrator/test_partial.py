"""A branch that is dead, slow or failing makes the answer partial, and never takes another with it."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clients.cli.doctor import Verdict, _breakers
from medmesh.connection import Connection
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import (
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    ModelUnknown,
    Overloaded,
    PermissionDenied,
    Reason,
)
from services.local import ports
from tests.orchestrator.answers import analysis, full_case, image
from tests.orchestrator.cases import PNEUMONIA
from tests.orchestrator.conftest import METHODS, branch, probability, running_mesh, states


@pytest.mark.parametrize(
    ("service", "lost"),
    [("imaging", {"image"}), ("language", {"note"}), ("recommendation", {"record", "treatments"})],
)
async def test_a_dead_service_makes_the_answer_partial(tmp_path, service, lost):
    async with running_mesh(tmp_path, dead=(service,)) as mesh:
        started = time.monotonic()
        diagnosis = await mesh.diagnose(full_case(), timeout_s=5)
        assert time.monotonic() - started < 5
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert diagnosis.review_required
    assert {name for name, state in states(diagnosis).items() if state == "failed"} == lost
    for name in lost:
        failed = branch(diagnosis, name)
        assert failed.reason == "UPSTREAM_UNAVAILABLE"
        assert service in failed.message
        assert failed.effect


@pytest.mark.parametrize("name", list(METHODS))
async def test_a_slow_branch_makes_the_answer_partial_within_the_deadline(mesh, name):
    mesh.fakes.hold(METHODS[name])
    diagnosis = await mesh.diagnose(full_case(), timeout_s=3.0)
    assert {n for n, state in states(diagnosis).items() if state == "failed"} == {name}
    assert branch(diagnosis, name).reason == "DEADLINE_EXCEEDED"
    assert branch(diagnosis, name).elapsed.ToTimedelta() < timedelta(seconds=3.0)
    # What the first stage may use at most is what is left when the treatments' share is kept back.
    assert all(
        branch(diagnosis, n).budget.ToTimedelta() <= timedelta(seconds=0.7 * 3.0)
        for n in ("image", "note", "record")
    )
    assert branch(diagnosis, "treatments").budget.ToTimedelta() >= timedelta(seconds=0.2 * 3.0)


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelUnavailable(), "MODEL_UNAVAILABLE"),
        (ModelFailed(), "MODEL_FAILED"),
        (Overloaded(), "OVERLOADED"),
        (PermissionDenied(), "PERMISSION_DENIED"),
        (RuntimeError("canary of Jane Roe"), "INTERNAL"),
    ],
)
async def test_a_failing_branch_makes_the_answer_partial(mesh, name, error, reason):
    mesh.fakes.answers[METHODS[name]] = error
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.completeness == pb.COMPLETENESS_PARTIAL
    assert {n for n, state in states(diagnosis).items() if state == "failed"} == {name}
    assert branch(diagnosis, name).reason == reason
    assert branch(diagnosis, name).message
    assert "canary" not in str(diagnosis) + mesh.log.getvalue()


async def test_a_missing_branch_widens_the_interval_and_leaves_its_source_out(mesh):
    complete = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    mesh.fakes.answers["AnalyzeImage"] = ModelUnavailable()
    partial = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    assert pb.SOURCE_IMAGE not in {c.source for c in partial.contributions}
    assert partial.probability_low <= complete.probability <= partial.probability_high
    assert (
        partial.probability_high - partial.probability_low
        > complete.probability_high - complete.probability_low
    )


async def test_without_the_treatments_the_assessments_stay_as_they_are(mesh):
    complete = await mesh.diagnose(full_case())
    mesh.fakes.answers["RankTreatments"] = ModelUnavailable()
    partial = await mesh.diagnose(full_case())
    assert partial.completeness == pb.COMPLETENESS_PARTIAL
    assert list(partial.assessments) == list(complete.assessments)


async def test_the_treatments_do_not_need_the_branch_that_reads_the_record(mesh):
    mesh.fakes.answers["ReadRecord"] = ModelFailed()
    diagnosis = await mesh.diagnose(full_case())
    assert states(diagnosis)["treatments"] == "answered"
    assert mesh.fakes.requests("RankTreatments")[0].patient == full_case().patient


async def test_one_image_of_several_may_fail(mesh):
    mesh.fakes.answers["AnalyzeImage"] = lambda request: (
        analysis() if request.sources[0].content == b"image 1" else ModelFailed()
    )
    diagnosis = await mesh.diagnose(full_case(image_count=3))
    assert [image.index for image in diagnosis.images] == [1]
    assert states(diagnosis) == {
        "image": "failed",
        "image 1": "answered",
        "image 2": "failed",
        "note": "answered",
        "record": "answered",
        "treatments": "answered",
    }


async def test_when_every_branch_fails_the_call_fails(tmp_path):
    async with running_mesh(tmp_path, dead=("imaging", "language", "recommendation")) as mesh:
        refusal = await mesh.refused(full_case(), timeout_s=5)
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert {"image_0", "note", "record", "treatments"} <= refusal.metadata.keys()
    assert not mesh.receipts.read_text()


async def test_a_case_whose_only_branch_names_an_unknown_model_is_no_outage(mesh):
    mesh.fakes.answers["AnalyzeImage"] = ModelUnknown()
    refusal = await mesh.refused(pb.DiagnosticCase(images=[image(b"image")]))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "MODEL_UNKNOWN")


async def test_what_the_orchestrator_itself_asks_wrongly_is_not_the_callers_fault(mesh):
    mesh.fakes.answers["RankTreatments"] = InvalidInput(
        Reason.INPUT_TOO_LARGE, "further_conditions", "are too many"
    )
    diagnosis = await mesh.diagnose(full_case())
    assert branch(diagnosis, "treatments").reason == "INTERNAL"


async def test_a_caller_without_a_deadline_gets_the_configured_one(tmp_path):
    async with running_mesh(tmp_path, default_deadline_s=1.0) as mesh:
        mesh.fakes.hold("AnalyzeNote")
        answer = await mesh.stub.Diagnose(pb.DiagnoseRequest(case=full_case()))
    assert branch(answer.diagnosis, "note").reason == "DEADLINE_EXCEEDED"


async def test_metrics_say_which_upstream_does_not_serve_though_nobody_calls_it(tmp_path):
    metrics = f"127.0.0.1:{ports.claim('127.0.0.1', {'metrics': 0}, '{}')['metrics']}"
    async with running_mesh(tmp_path, dead=("language",), metrics_listen=metrics) as mesh:
        await mesh.running.parts.health.refresh()

        def scraped() -> bytes:
            with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
                return answer.read()

        text = await asyncio.to_thread(scraped)
        for name, value in (("imaging", 1.0), ("language", 0.0), ("recommendation", 1.0)):
            assert f'medmesh_upstream_serving{{medmesh_upstream_name="{name}"}} {value}\n'.encode() in text
            assert f'medmesh_upstream_breaker_open{{medmesh_upstream_name="{name}"}} 0.0\n'.encode() in text


async def test_health_and_doctor_name_each_upstream_with_its_breaker(tmp_path):
    async with running_mesh(tmp_path, dead=("language",)) as mesh:
        stub = health_pb2_grpc.HealthStub(mesh.channel)

        async def state(name: str) -> tuple[str, str]:
            call = stub.Check(health_pb2.HealthCheckRequest(service=name))
            word = health_pb2.HealthCheckResponse.ServingStatus.Name((await call).status)
            return word, dict(await call.trailing_metadata()).get("x-medmesh-problem", "")

        assert await state("upstream.language") == ("SERVING", "")
        for _ in range(4):  # with their retries more failures than the breaker takes
            await mesh.diagnose(full_case())
        assert await state("upstream.imaging") == ("SERVING", "")
        assert await state("upstream.language") == ("NOT_SERVING", "open: UNAVAILABLE")
        with pytest.raises(grpc.aio.AioRpcError, match="no such service"):
            await state("upstream.nobody")
        await mesh.running.parts.health.refresh()
        assert mesh.running.parts.health.states()["upstream.language"] == 2  # as `List` and `Watch` tell

        connection = Connection({"orchestrator": mesh.running.address})
        found = await asyncio.to_thread(lambda: list(_breakers(connection, ("imaging", "language"))))
        assert [(one.verdict, one.subject) for one in found] == [
            (Verdict.GOOD, "orchestrator → imaging"),
            (Verdict.BAD, "orchestrator → language"),
        ]
        assert "breaker open: UNAVAILABLE" in found[1].found
