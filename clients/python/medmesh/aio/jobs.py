"""Jobs: cases that are handed in, diagnosed when the mesh has room, and fetched."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from medmesh import images, requests, rpcs
from medmesh.aio.calls import AsyncCalls
from medmesh.images import Image
from medmesh.jobs.v1 import jobs_pb2 as pb
from medmesh.jobs.v1.jobs_pb2 import GetJobResultResponse, Job, ListJobsResponse
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnosticCase
from medmesh.requests import Note, Patient
from medmesh.waiting import in_thread


class AsyncJobs:
    """The jobs of the caller's tenant, at the jobs door."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    async def submit(
        self,
        case: DiagnosticCase | None = None,
        *,
        image: Image | Sequence[Image] | None = None,
        note: Note | None = None,
        patient: Patient | None = None,
        body_part: str | None = None,
        models: Iterable[str] = (),
        max_treatments: int | None = None,
        priority: int = 0,
        webhook: str = "",
        attempt_timeout_s: float | None = None,
        job_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Job:
        """Hands a case in; when this returns, it is on the door's disk. The case is given as to `diagnose`,
        at most 64 MiB.

        `job_id` is a UUID that names the job, so that handing it in again is no second job; left out, a new
        one is made. `webhook` names an endpoint that the operator set up.
        """
        request = pb.SubmitJobRequest(
            request_id=job_id or str(uuid.uuid4()), priority=priority, webhook=webhook
        )
        if attempt_timeout_s is not None:
            request.timeout.FromMilliseconds(int(attempt_timeout_s * 1e3))
        if case is not None:
            request.case.CopyFrom(case)
        else:
            files = [images.files(one) for one in requests.several(image)]
            await in_thread(
                requests.fill_case,
                request.case,
                files,
                note=note,
                patient=patient,
                options=requests.image_options(body_part, models),
                max_treatments=max_treatments,
            )
        answer: pb.SubmitJobResponse = await self._calls.unary(rpcs.SUBMIT_JOB, request, timeout_s)
        return answer.job

    async def get(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """How a job stands. NotFound: the tenant has none of that id."""
        request = pb.GetJobRequest(job_id=job_id)
        answer: pb.GetJobResponse = await self._calls.unary(rpcs.GET_JOB, request, timeout_s)
        return answer.job

    async def list(
        self,
        *,
        state: Job.State = Job.STATE_UNSPECIFIED,
        page_size: int | None = None,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> ListJobsResponse:
        """A page of the jobs, the newest first."""
        request = pb.ListJobsRequest(state=state, page_size=page_size, page_token=page_token)
        answer: ListJobsResponse = await self._calls.unary(rpcs.LIST_JOBS, request, timeout_s)
        return answer

    async def cancel(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Cancels a job that has not ended."""
        request = pb.CancelJobRequest(job_id=job_id)
        answer: pb.CancelJobResponse = await self._calls.unary(rpcs.CANCEL_JOB, request, timeout_s)
        return answer.job

    async def result(self, job_id: str, *, timeout_s: float | None = None) -> GetJobResultResponse:
        """A job, with its `diagnosis` where it has one."""
        request = pb.GetJobResultRequest(job_id=job_id)
        answer: GetJobResultResponse = await self._calls.unary(rpcs.GET_JOB_RESULT, request, timeout_s)
        return answer
