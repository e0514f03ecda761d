# Long because: all that the door promises of a job is tried on one fake mesh.
"""Jobs: on disk when they are accepted, diagnosed once, seen by their own tenant alone."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medmesh import AsyncClient, Client, InvalidInput, MedmeshError, NotFound, Overloaded, PermissionDenied
from medmesh.imaging.v1.imaging_pb2 import ImageSource
from medmesh.jobs.v1.jobs_pb2 import Job
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.observability import log
from services.chassis.rpc import assertions
from tests.clients.fake_mesh import error_info, stored_diagnosis
from tests.contracts.source import ROOT

ANSWER = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
ENDED = {Job.STATE_SUCCEEDED, Job.STATE_FAILED, Job.STATE_CANCELLED}


async def ended(client: AsyncClient, job_id: str) -> Job:
    found = []

    async def is_over():
        found.append(await client.jobs.get(job_id))
        return found[-1].state in ENDED

    await until(is_over)
    return found[-1]


async def until(condition):
    """Waits for what the door does meanwhile; fails when it does not."""
    async with asyncio.timeout(20):
        for pause_s in itertools.repeat(0.02):
            if await condition():
                return
            await asyncio.sleep(pause_s)


def heard(mesh, count):
    async def is_so():
        return len(asked(mesh)) >= count

    return is_so


def asked(mesh):
    return [one.request for one in mesh.seen if one.method == "Diagnose"]


async def test_a_case_is_diagnosed_and_its_result_is_what_the_mesh_said(mesh, door):
    mesh.answers["Diagnose"] = ANSWER
    async with door.open() as client:
        job = await client.jobs.submit(note="a note", patient=b"{}")
        assert (await ended(client, job.job_id)).state == Job.STATE_SUCCEEDED
        result = await client.jobs.result(job.job_id)
    assert result.diagnosis == ANSWER.diagnosis
    assert result.job.expire_time.seconds - result.job.end_time.seconds == 7 * 86_400
    assert [request.case.note for request in asked(mesh)] == ["a note"]


async def test_the_same_id_is_the_same_job_and_another_case_under_it_is_refused(mesh, door):
    mesh.answers["Diagnose"] = ANSWER
    job_id = str(uuid.uuid4())
    async with door.open() as client:
        for _ in range(3):
            assert (await client.jobs.submit(note="a", job_id=job_id)).job_id == job_id
        await ended(client, job_id)
        assert (await client.jobs.submit(note="a", job_id=job_id.upper())).state == Job.STATE_SUCCEEDED
        with pytest.raises(InvalidInput) as refused:
            await client.jobs.submit(note="b", job_id=job_id)
    assert (refused.value.reason, refused.value.field) == ("INPUT_INCONSISTENT", "request_id")
    assert len(asked(mesh)) == 1


@pytest.mark.slow
async def test_a_door_that_was_killed_goes_on_and_ends_each_job_once(mesh, tmp_path):
    hearing = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def counted(request):
        loop.call_soon_threadsafe(hearing.release)
        return ANSWER

    mesh.answers["Diagnose"] = counted
    environment = os.environ | {
        "MEDMESH_URL": mesh.target,
        "MEDMESH_LISTEN": "127.0.0.1:0",
        "MEDMESH_JOBS_FOLDER": str(tmp_path / "jobs"),
        "MEDMESH_JOBS_AT_ONCE": "2",
    }
    ids = []
    for _ in range(2):
        process = _started(environment)
        address = await asyncio.to_thread(_address, process)
        async with AsyncClient(jobs=address) as client:
            if not ids:
                ids = [(await client.jobs.submit(note=f"{n}")).job_id for n in range(30)]
                for _ in range(8):
                    await hearing.acquire()
                process.send_signal(signal.SIGKILL)
            else:
                jobs = [await ended(client, job_id) for job_id in ids]
                listed = (await client.jobs.list(page_size=1000)).jobs
                process.terminate()
        await asyncio.to_thread(process.communicate)
    assert {job.state for job in jobs} == {Job.STATE_SUCCEEDED}
    assert Counter(job.job_id for job in listed) == dict.fromkeys(ids, 1)
    notes = Counter(request.case.note for request in asked(mesh))
    assert set(notes) == {f"{n}" for n in range(30)}
    assert sum(notes.values()) <= 30 + 2  # what was under way when it was killed was asked again


def _started(environment):
    return subprocess.Popen(
        [sys.executable, "-m", "clients.jobs"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def _address(process):
    for line in process.stderr:
        said = json.loads(line)
        if said["message"] == "serving":
            return said["address"]
    raise AssertionError("it did not start")


async def test_refusals_of_the_mesh_are_no_attempts_and_other_failures_are(mesh, door):
    mesh.fail("Diagnose", "RESOURCE_EXHAUSTED", "Later.", error_info("OVERLOADED"))
    async with door.open(jobs_maximum_attempts=1) as client:
        job = await client.jobs.submit(note="a")
        await until(heard(mesh, 2))
        assert (await client.jobs.get(job.job_id)).state not in ENDED
        mesh.fail("Diagnose", "INTERNAL", "Broken.", error_info("MODEL_FAILED"))
        failed = await ended(client, job.job_id)
        assert (failed.state, failed.reason, failed.attempt_count) == (Job.STATE_FAILED, "MODEL_FAILED", 1)
        assert not (await client.jobs.result(job.job_id)).HasField("diagnosis")


async def test_a_diagnosis_that_lacks_a_branch_for_an_outage_is_asked_for_again(mesh, door):
    partial = stored_diagnosis()
    partial.branches.add(state=pb.Branch.STATE_FAILED, reason="UPSTREAM_UNAVAILABLE")
    answers = [pb.DiagnoseResponse(diagnosis=partial), ANSWER]
    mesh.answers["Diagnose"] = lambda request: answers.pop(0)
    async with door.open() as client:
        job = await ended(client, (await client.jobs.submit(note="a")).job_id)
        assert (job.state, job.attempt_count) == (Job.STATE_SUCCEEDED, 2)
        assert (await client.jobs.result(job.job_id)).diagnosis == ANSWER.diagnosis
    assert len({request.request_id for request in asked(mesh)}) == 2


async def test_a_cancelled_job_is_not_diagnosed_and_its_case_is_gone(mesh, door):
    mesh.hold("Diagnose")
    mesh.answers["Diagnose"] = ANSWER
    async with door.open(jobs_at_once=1) as client:
        first = await client.jobs.submit(note="a")
        await until(heard(mesh, 1))
        second = await client.jobs.submit(note="MRS CANARY")
        assert (await client.jobs.cancel(second.job_id)).state == Job.STATE_CANCELLED
        assert (await client.jobs.cancel(second.job_id)).state == Job.STATE_CANCELLED
        mesh.release("Diagnose")
        await ended(client, first.job_id)
    assert [request.case.note for request in asked(mesh)] == ["a"]
    assert b"CANARY" not in everything(door.folder)


async def test_a_case_is_deleted_as_its_job_ends_and_the_job_after_its_time(mesh, door):
    mesh.answers["Diagnose"] = ANSWER
    async with door.open(jobs_retention_s=1.0) as client:
        job = await client.jobs.submit(note="MRS CANARY")
        await ended(client, job.job_id)

        async def is_gone():
            try:
                await client.jobs.get(job.job_id)
            except NotFound as error:
                return error.reason == "JOB_UNKNOWN"
            return False

        await until(is_gone)
    held = everything(door.folder)
    assert b"CANARY" not in held
    assert ANSWER.diagnosis.assessments[0].condition.display.encode() not in held
    assert {
        path.stat().st_mode & 0o077 for path in door.folder.glob("*.sqlite*") if path.suffix != ".lock"
    } == {0}


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_jobs_are_listed_page_by_page_the_newest_first(mesh, door):
    mesh.answers["Diagnose"] = ANSWER
    async with door.open() as client:
        ids = [(await client.jobs.submit(note=f"{n}")).job_id for n in range(5)]
        for job_id in ids:
            await ended(client, job_id)
        first = await client.jobs.list(page_size=3)
        second = await client.jobs.list(page_size=3, page_token=first.next_page_token)
        assert [job.job_id for job in [*first.jobs, *second.jobs]] == ids[::-1]
        assert not second.next_page_token
        assert not (await client.jobs.list(state=Job.STATE_FAILED)).jobs


async def test_what_could_not_be_kept_is_refused(mesh, door):
    async with door.open(jobs_maximum_waiting_count=1, jobs_at_once=1) as client:
        mesh.hold("Diagnose")
        with pytest.raises(InvalidInput, match="needs an image, a note or a patient"):
            await client.jobs.submit(pb.DiagnosticCase(max_treatment_count=3))
        with pytest.raises(InvalidInput, match="does not live as long as a job may wait"):
            await client.jobs.submit(image=ImageSource(upload_id="u"))
        with pytest.raises(InvalidInput, match="webhook"):
            await client.jobs.submit(note="a", webhook="elsewhere")
        await client.jobs.submit(note="a")
        await until(heard(mesh, 1))
        await client.jobs.submit(note="b")
        with pytest.raises(Overloaded) as full:
            await client.jobs.submit(note="c")
        assert (full.value.reason, full.value.retry_after_s) == ("QUOTA_EXCEEDED", 60)
        mesh.release("Diagnose")


@pytest.fixture
def written():
    """What the door logs."""
    stream = io.StringIO()
    handler = log.configure("jobs", "debug", stream)
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    logging.getLogger(log.ROOT).removeHandler(handler)


BAD: dict[str, tuple[str, Callable[[AsyncClient], Awaitable[object]]]] = {
    "a job that is not there": ("JOB_UNKNOWN", lambda client: client.jobs.get("CANARY")),
    "the result of none": ("JOB_UNKNOWN", lambda client: client.jobs.result("CANARY")),
    "none to cancel": ("JOB_UNKNOWN", lambda client: client.jobs.cancel("CANARY")),
    "a page that was not handed out": (
        "INPUT_MALFORMED",
        lambda client: client.jobs.list(page_token="CANARY"),
    ),
    "a state of another version": ("INPUT_OUT_OF_RANGE", lambda client: client.jobs.list(state=99)),
    "an endpoint that nobody knows": (
        "INPUT_UNSUPPORTED",
        lambda client: client.jobs.submit(note="CANARY", webhook="CANARY"),
    ),
}


@pytest.mark.parametrize(("reason", "call"), BAD.values(), ids=BAD)
async def test_bad_input_is_refused_by_its_reason_and_the_door_stays(mesh, door, written, reason, call):
    mesh.answers["Diagnose"] = ANSWER
    async with door.open() as client:
        with pytest.raises(MedmeshError) as refused:
            await call(client)
        assert refused.value.reason == reason
        assert "CANARY" not in str(refused.value)
        assert (await ended(client, (await client.jobs.submit(note="a")).job_id)).state == Job.STATE_SUCCEEDED
    assert written.getvalue()
    assert "CANARY" not in written.getvalue()


async def test_nothing_of_the_patient_is_logged_or_told_of_a_job_that_fails(mesh, door, written):
    """Names in every place that a caller can write to; the mesh fails with a text that quotes them."""
    mesh.fail("Diagnose", "UNKNOWN", "CANARY of the mesh")
    case = {"image": b"CANARY", "note": "CANARY", "patient": b'"CANARY"', "models": ["CANARY"]}
    async with door.open(jobs_maximum_attempts=1) as client:
        job = await ended(client, (await client.jobs.submit(**case)).job_id)
        assert job.state == Job.STATE_FAILED
        assert "CANARY" not in str(job)
    assert written.getvalue()
    assert "CANARY" not in written.getvalue()


def policy(folder, tokens):
    """Each token with its tenant and what it may call."""
    tables = [
        f'[identities.{name}]\ntoken_sha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
        f'tenant = "{tenant}"\nallow = {json.dumps(allow)}\n'
        for name, (tenant, allow) in tokens.items()
    ]
    path = folder / "policy.toml"
    path.write_text("\n".join(tables))
    return path


JOBS = "/medmesh.jobs.v1.JobService/*"
DIAGNOSE = "/medmesh.orchestrator.v1.DiagnosticService/*"


async def test_a_tenant_sees_its_own_jobs_and_nobody_submits_what_he_may_not_ask(mesh, door, tmp_path):
    mesh.answers["Diagnose"] = ANSWER
    known_tenants = {"ward": "surgery", "clinic": "medicine"}
    known = policy(
        tmp_path,
        {
            "ward": ("surgery", [JOBS, DIAGNOSE]),
            "theatre": ("surgery", [JOBS]),
            "clinic": ("medicine", [JOBS, DIAGNOSE]),
        },
    )
    key = Ed25519PrivateKey.generate()
    private = tmp_path / "assertion.key"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with door.open(token="ward", auth_policy=known, assertion_key=private) as ward:
        job = await ward.jobs.submit(note="a")
        await ended(ward, job.job_id)
        async with AsyncClient(jobs=door.address, token="theatre") as theatre:
            assert (await theatre.jobs.result(job.job_id)).HasField("diagnosis")
            with pytest.raises(PermissionDenied):
                await theatre.jobs.submit(note="a")
        async with AsyncClient(jobs=door.address, token="clinic") as clinic:
            assert not (await clinic.jobs.list()).jobs
            for call in (clinic.jobs.get, clinic.jobs.result, clinic.jobs.cancel):
                with pytest.raises(NotFound):
                    await call(job.job_id)
            again = await clinic.jobs.submit(note="another", job_id=job.job_id)
            await ended(clinic, again.job_id)
    for whom, one in zip(("ward", "clinic"), [s for s in mesh.seen if s.method == "Diagnose"], strict=True):
        signed = one.metadata[assertions.KEY]
        said = jwt.decode(signed, key.public_key(), algorithms=["EdDSA"], audience="orchestrator")
        assert (said["sub"], said["tenant"], said["deferred"]) == (whom, known_tenants[whom], True)


async def test_an_endpoint_is_told_once_it_answers_and_of_nothing_but_the_job(mesh, door, endpoint, webhooks):
    mesh.answers["Diagnose"] = ANSWER
    endpoint.statuses = [500, 302]
    async with door.open(webhooks=webhooks) as client:
        job = await client.jobs.submit(note="MRS CANARY", webhook="ris")
        await ended(client, job.job_id)

        async def has_heard():
            return len(endpoint.bodies) >= 3

        await until(has_heard)
        await asyncio.sleep(0.1)
    assert len(set(endpoint.ids)) == len(set(endpoint.bodies)) == 1
    assert len(endpoint.bodies) == 3
    said = json.loads(endpoint.bodies[0])
    assert said["type"] == "job.succeeded"
    assert said["data"] == {"job_id": job.job_id, "state": "succeeded"}


async def test_an_endpoint_of_another_tenant_cannot_be_named(door, webhooks):
    async with door.open(webhooks=webhooks) as client:
        with pytest.raises(InvalidInput, match="none that this door knows for this tenant"):
            await client.jobs.submit(note="a", webhook="theirs")


async def test_a_mesh_that_is_away_costs_a_job_one_attempt(mesh, door):
    mesh.not_serving = True
    mesh.fail("Diagnose", "UNAVAILABLE", "Gone.", error_info("UPSTREAM_UNAVAILABLE"))
    async with door.open(jobs_maximum_attempts=2) as client:
        job = await client.jobs.submit(note="a")
        await until(heard(mesh, 1))
        await asyncio.sleep(1.5)
        assert (await client.jobs.get(job.job_id)).attempt_count == 1
        mesh.failures.clear()
        mesh.answers["Diagnose"] = ANSWER
        mesh.not_serving = False
        assert (await ended(client, job.job_id)).state == Job.STATE_SUCCEEDED


async def test_the_blocking_client_asks_the_same(mesh, door):
    mesh.answers["Diagnose"] = ANSWER
    async with door.open():

        def ask():
            with Client(jobs=door.address) as client:
                return client.jobs.submit(note="a").job_id, len(client.jobs.list().jobs)

        job_id, count = await asyncio.to_thread(ask)
        assert count == 1
        assert uuid.UUID(job_id)


async def test_the_door_is_healthy_and_says_what_it_is(door):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with door.open(), grpc.aio.insecure_channel(door.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="medmesh.jobs.v1.JobService"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
