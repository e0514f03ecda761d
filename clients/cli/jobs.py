"""`medmesh jobs`: cases that are handed in, diagnosed when the mesh has room, and fetched."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli import inputs, machine
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import diagnosis as show_diagnosis
from clients.cli.show import marks
from medmesh import Client
from medmesh.jobs.v1.jobs_pb2 import Job

POLL_S = 1.0
JobsUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="HOST:PORT",
        help="The jobs door. Default: MEDMESH_JOBS_URL, else port 50064 on the mesh's machine.",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
ENDED = {Job.STATE_SUCCEEDED, Job.STATE_FAILED, Job.STATE_CANCELLED}
_COLOURS = {Job.STATE_SUCCEEDED: "green", Job.STATE_FAILED: "red", Job.STATE_CANCELLED: "dim"}


def submit(
    image: inputs.Images = None,
    note: inputs.NoteOption = None,
    patient: inputs.Patient = None,
    body_part: inputs.BodyPart = None,
    model: inputs.ImagingModels = None,
    priority: Annotated[
        int,
        typer.Option(
            "--priority", min=-100, max=100, help="Goes before your tenant's own jobs of lower priority."
        ),
    ] = 0,
    webhook: Annotated[
        str, typer.Option("--webhook", metavar="NAME", help="Endpoint to tell, as the operator named it.")
    ] = "",
    job_id: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="UUID", help="Names the job, so that submitting again is no second job."
        ),
    ] = None,
    as_json: inputs.Json = False,
    url: JobsUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Hand a case in, and print its job's id. It is on the door's disk then, and is diagnosed once.

    Needs a mesh with its jobs door open: `medmesh up --door jobs`. The case is deleted when the job ends,
    the diagnosis after a week, unless the operator set another time.

    Examples:
      medmesh jobs submit --image samples/chest_xray.dcm --note samples/note.txt

      medmesh jobs result --wait 300 "$(medmesh jobs submit --image ct-series/ --priority 10)"
    """
    with explained(), Client(jobs=url, timeout_s=timeout) as client:
        if not (image or note or patient):
            fail("give --image, --note or --patient.", ExitCode.USAGE)
        job = client.jobs.submit(
            image=image,
            note=inputs.note_text(note) or None,
            patient=patient,
            body_part=body_part,
            models=model or (),
            priority=priority,
            webhook=webhook,
            job_id=job_id,
        )
    if as_json:
        machine.write(job)
    else:
        typer.echo(job.job_id)


def status(job: JobId, as_json: inputs.Json = False, url: JobsUrl = None) -> None:
    """Show how a job stands.

    Examples:
      medmesh jobs status 0b0f4f4e-3a51-4be5-9d0e-6a3a1f6f9d51
    """
    with explained(), Client(jobs=url) as client:
        found = client.jobs.get(job)
    if as_json:
        machine.write(found)
    else:
        marks.present([_table([found])])


def list_jobs(
    count: Annotated[
        int, typer.Option("--count", min=1, max=1000, metavar="N", help="How many, the newest first.")
    ] = 20,
    as_json: inputs.Json = False,
    url: JobsUrl = None,
) -> None:
    """List the jobs of your tenant, the newest first.

    Examples:
      medmesh jobs list --count 100
    """
    with explained(), Client(jobs=url) as client:
        found = client.jobs.list(page_size=count)
    if as_json:
        machine.write(found)
    else:
        marks.present([_table(list(found.jobs))] if found.jobs else [Text("  no jobs", style="dim")])


def cancel(job: JobId, url: JobsUrl = None) -> None:
    """Cancel a job that has not ended, and delete its case.

    Examples:
      medmesh jobs cancel 0b0f4f4e-3a51-4be5-9d0e-6a3a1f6f9d51
    """
    with explained(), Client(jobs=url) as client:
        found = client.jobs.cancel(job)
    marks.present([_table([found])])


def result(
    job: JobId,
    wait: Annotated[
        float, typer.Option("--wait", min=0.0, metavar="SECONDS", help="Wait so long for it to end.")
    ] = 0.0,
    as_json: inputs.Json = False,
    url: JobsUrl = None,
) -> None:
    """Show a job's diagnosis, as `medmesh diagnose` does.

    Examples:
      medmesh jobs result --wait 60 0b0f4f4e-3a51-4be5-9d0e-6a3a1f6f9d51
    """
    with explained(), Client(jobs=url) as client:
        deadline = time.monotonic() + wait
        while (found := client.jobs.get(job)).state not in ENDED and time.monotonic() < deadline:
            time.sleep(POLL_S)
        answer = client.jobs.result(job)
    if not answer.HasField("diagnosis"):
        state = _state(found)
        if found.state in ENDED:
            fail(f"the job has no diagnosis: {state} {found.reason}".rstrip() + ".", ExitCode.FAILED)
        fail(f"the job has not ended: {state}. Try again, or give --wait.", ExitCode.UNAVAILABLE)
    if as_json:
        machine.write(answer)
    else:
        colour = marks.console(sys.stdout).color_system is not None
        marks.present(show_diagnosis.diagnosis(answer.diagnosis, colour=colour))


def _table(jobs: list[Job]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=38)
    grid.add_row("  job", "state", "submitted", "ended", "attempts", "reason", style="dim")
    for job in jobs:
        grid.add_row(
            f"  {job.job_id}",
            Text(_state(job), style=_COLOURS.get(job.state, "")),
            _time(job.submit_time),
            _time(job.end_time) if job.HasField("end_time") else "",
            str(job.attempt_count),
            job.reason,
        )
    return grid


def _state(job: Job) -> str:
    return marks.enum_name(Job.State, job.state, "STATE_")


def _time(moment: Timestamp) -> str:
    return moment.ToDatetime().strftime("%m-%d %H:%M:%SZ")
