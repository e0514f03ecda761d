"""Runs the jobs door: `python -m clients.jobs`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc

from clients.jobs import webhooks
from clients.jobs.jobs import JOBS, MESSAGE_ATTEMPTS, MESSAGE_PAUSES_S, MESSAGES, Ask, Diagnose, Jobs
from clients.jobs.servicer import DIAGNOSE, JobServicer
from clients.jobs.settings import JobsSettings
from medmesh.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseRequest, DiagnoseResponse
from medmesh.orchestrator.v1.orchestrator_pb2_grpc import DiagnosticServiceStub
from services.chassis.rpc import assertions
from services.chassis.rpc import request as requests
from services.chassis.rpc.server import run
from services.chassis.rpc.service import Parts, Service
from services.chassis.settings import SettingsError
from services.chassis.upstream.call import Upstream
from services.queue.database import DatabaseError, open_database
from services.queue.pressure import Pressure
from services.queue.queue import Queue
from services.queue.worker import Worker

logger = logging.getLogger("medmesh.jobs")

_PASSING = frozenset({"UPSTREAM_UNAVAILABLE", "MODEL_UNAVAILABLE", "OVERLOADED", "DEADLINE_EXCEEDED"})
"""Reasons of a branch that failed for what says nothing of the case."""
_AGAIN_S = 2.0
_DATABASE_FILE = "jobs.sqlite"
_SWEEPS_PER_RETENTION = 100
_LONGEST_SWEEP_S = 600.0
_MESSAGES_AT_ONCE = 4


async def register(parts: Parts[JobsSettings], server: grpc.aio.Server) -> None:
    """Wires the queue, the work on it and the servicer together."""
    settings = parts.settings
    endpoints = webhooks.read(settings.webhooks)
    try:
        database = open_database(
            settings.jobs_database.reveal()
            if settings.jobs_database
            else settings.jobs_folder / _DATABASE_FILE
        )
    except DatabaseError as error:
        raise SettingsError(settings.key("jobs_database"), str(error)) from None
    except OSError as error:
        raise SettingsError(settings.key("jobs_folder"), "the folder cannot be written") from error
    parts.resources.callback(database.close)
    queue = Queue(database, JOBS, maximum_attempts=settings.jobs_maximum_attempts)
    messages = Queue(database, MESSAGES, maximum_attempts=MESSAGE_ATTEMPTS)
    for one in (queue, messages):
        await asyncio.to_thread(one.prepare)
    orchestrator = await parts.resources.enter_async_context(
        Upstream("orchestrator", settings.url, settings, signer=assertions.signer(settings))
    )
    jobs = Jobs(
        queue,
        endpoints,
        _diagnose(orchestrator),
        maximum_waiting_count=settings.jobs_maximum_waiting_count,
        retention_s=settings.jobs_retention_s,
    )
    jobs_pb2_grpc.add_JobServiceServicer_to_server(
        JobServicer(jobs, settings.jobs_timeout_s, settings.maximum_deadline_s), server
    )
    stop = asyncio.Event()
    worker = Worker(queue, jobs.work, Pressure(settings.jobs_at_once), problem=orchestrator.problem)
    teller = Worker(messages, jobs.tell, Pressure(_MESSAGES_AT_ONCE), pauses_s=MESSAGE_PAUSES_S)
    sweep_s = min(settings.jobs_retention_s / _SWEEPS_PER_RETENTION, _LONGEST_SWEEP_S)
    background = {
        "jobs": lambda: worker.run(stop),
        "webhooks": lambda: teller.run(stop),
        "removal": lambda: _sweep(jobs, messages, sweep_s),
    }
    for name, work in background.items():
        _in_background(parts, name, work)


def _in_background(parts: Parts[JobsSettings], name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Works until the server has drained; what is under way then waits again.

    Where the database fails, health says so, and the work begins again after a moment.
    """
    failing = False

    async def kept_up() -> None:
        nonlocal failing
        while True:
            begun = time.monotonic()
            try:
                await work()
            except Exception:
                logger.exception("the work was interrupted", extra={"facts": {"part": name}})
            failing = time.monotonic() - begun < _AGAIN_S
            await asyncio.sleep(_AGAIN_S)

    async def problem() -> str:
        return f"{name}: the database fails; see the log" if failing else ""

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    task = asyncio.create_task(kept_up())
    parts.health.require(name, problem)
    parts.resources.push_async_callback(stop)


async def _sweep(jobs: Jobs, messages: Queue, pause_s: float) -> None:
    while True:
        await asyncio.to_thread(jobs.forget)
        await asyncio.to_thread(messages.forget, time.time() - jobs.retention_s)
        await asyncio.sleep(pause_s)


def _diagnose(orchestrator: Upstream) -> Diagnose:
    stub = DiagnosticServiceStub(orchestrator.channel)

    async def diagnose(ask: Ask) -> tuple[bytes, str]:
        request = DiagnoseRequest(request_id=ask.request_id)
        request.case.ParseFromString(ask.case)
        # The mesh is asked with the rights of whose job it is, and counts it as his.
        current = requests.Request(
            request_id=ask.request_id,
            method=DIAGNOSE,
            deadline=time.monotonic() + ask.timeout_s,
            identity=ask.owner.name,
            identity_kind=ask.owner.kind,
            roles=ask.owner.roles,
            tenant=ask.owner.tenant,
            deferred=ask.owner.deferred,
            priority=requests.Priority.BULK,  # whoever hands a case in as a job does not wait for it
        )
        token = requests.current.set(current)
        try:
            answer: DiagnoseResponse = await orchestrator.call(
                stub.Diagnose, request, timeout_s=ask.timeout_s
            )
        finally:
            requests.current.reset(token)
        reasons = [branch.reason for branch in answer.diagnosis.branches if branch.reason in _PASSING]
        return answer.diagnosis.SerializeToString(), reasons[0] if reasons else ""

    return diagnose


SERVICE = Service(
    name="jobs",
    settings=JobsSettings,
    descriptors=(jobs_pb2.DESCRIPTOR.services_by_name["JobService"],),
    register=register,
)

if __name__ == "__main__":
    run(SERVICE)
