"""`medmesh.jobs.v1.JobService`: convert, call, convert."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from clients.jobs.jobs import Jobs, Terms
from medmesh.jobs.v1 import jobs_pb2 as pb
from medmesh.jobs.v1 import jobs_pb2_grpc
from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis
from services.chassis.errors import InvalidInput, PermissionDenied, Reason
from services.chassis.rpc import request as requests
from services.queue.items import Item, State

DIAGNOSE = "/medmesh.orchestrator.v1.DiagnosticService/Diagnose"
_STATES = {
    State.WAITING: pb.Job.STATE_WAITING,
    State.RUNNING: pb.Job.STATE_RUNNING,
    State.DONE: pb.Job.STATE_SUCCEEDED,
    State.FAILED: pb.Job.STATE_FAILED,
    State.CANCELLED: pb.Job.STATE_CANCELLED,
}
_FROM_STATES = {there: here for here, there in _STATES.items()}
_PAGE_SIZE = 100
_NEWEST = 10**18


class JobServicer(jobs_pb2_grpc.JobServiceServicer):
    """Answers from the jobs."""

    def __init__(self, jobs: Jobs, timeout_s: float, maximum_timeout_s: float) -> None:
        self._jobs = jobs
        self._timeout_s = timeout_s
        self._maximum_timeout_s = maximum_timeout_s

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Any) -> pb.SubmitJobResponse:
        caller = _caller()
        if not caller.permits(DIAGNOSE):
            raise PermissionDenied  # a job is no way round what its caller may not do
        request.request_id = request.request_id.lower()
        _check(request)
        timeout_s = request.timeout.ToTimedelta().total_seconds() or self._timeout_s
        if not 0.1 <= timeout_s <= self._maximum_timeout_s:
            raise InvalidInput(
                Reason.INPUT_OUT_OF_RANGE, "timeout", f"must lie within 0.1 and {self._maximum_timeout_s:g} s"
            )
        digest = await asyncio.to_thread(_digest, request)
        terms = Terms(digest, caller.identity, caller.identity_kind, request.webhook, timeout_s, caller.roles)
        item = await asyncio.to_thread(
            self._jobs.submit,
            caller.tenant,
            request.request_id,
            request.case.SerializeToString(),
            request.priority,
            terms,
        )
        return pb.SubmitJobResponse(job=self._message(item))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        item = await asyncio.to_thread(self._jobs.get, _caller().tenant, request.job_id.lower())
        return pb.GetJobResponse(job=self._message(item))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        count = request.page_size or _PAGE_SIZE
        before = int(request.page_token or _NEWEST)
        state = _FROM_STATES.get(request.state)
        items = await asyncio.to_thread(self._jobs.newest, _caller().tenant, state, before, count)
        return pb.ListJobsResponse(
            jobs=[self._message(item) for item in items],
            next_page_token=str(items[-1].id) if len(items) == count else "",
        )

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        item = await asyncio.to_thread(self._jobs.cancel, _caller().tenant, request.job_id.lower())
        return pb.CancelJobResponse(job=self._message(item))

    async def GetJobResult(self, request: pb.GetJobResultRequest, context: Any) -> pb.GetJobResultResponse:
        item, result = await asyncio.to_thread(self._jobs.result, _caller().tenant, request.job_id.lower())
        answer = pb.GetJobResultResponse(job=self._message(item))
        if result is not None:
            answer.diagnosis.CopyFrom(Diagnosis.FromString(result))
        return answer

    def _message(self, item: Item) -> pb.Job:
        job = pb.Job(
            job_id=item.key,
            state=_STATES[item.state],
            priority=item.priority,
            webhook=Terms.of(item).webhook,
            attempt_count=item.attempts,
            reason=item.reason,
        )
        job.submit_time.FromNanoseconds(int(item.created * 1e9))
        if item.started is not None:
            job.start_time.FromNanoseconds(int(item.started * 1e9))
        if item.ended is not None:
            job.end_time.FromNanoseconds(int(item.ended * 1e9))
            job.expire_time.FromNanoseconds(int((item.ended + self._jobs.retention_s) * 1e9))
        return job


def _caller() -> requests.Request:
    current = requests.current.get()
    if current is None:
        raise LookupError("no request is in progress")
    return current


def _digest(request: pb.SubmitJobRequest) -> str:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def _check(request: pb.SubmitJobRequest) -> None:
    """What the limits cannot say. Raises InvalidInput."""
    case = request.case
    if not (case.images or case.note or case.HasField("patient")):
        raise InvalidInput(Reason.INPUT_MISSING, "case", "needs an image, a note or a patient")
    for i, image in enumerate(case.images):
        for j, source in enumerate(image.sources):
            if source.WhichOneof("source") == "upload_id":
                raise InvalidInput(
                    Reason.INPUT_UNSUPPORTED,
                    f"case.images[{i}].sources[{j}].upload_id",
                    "does not live as long as a job may wait: put the image into the case",
                )
