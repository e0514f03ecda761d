"""`medmesh loadtest overload`: what becomes of a mesh beyond its capacity."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from clients.loadtest import command, html, report, view
from clients.loadtest import overload as overload_
from clients.loadtest.coordinator import LoadError, Run
from clients.loadtest.profile import SAMPLES, Stage


def overload(
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME|FILE|MIX", help="The traffic; stages play no part.")
    ] = "analyze_note",
    times: Annotated[
        float, typer.Option("--times", min=1, max=100, metavar="X", help="How much beyond the peak.")
    ] = 3.0,
    duration: Annotated[
        float, typer.Option("--duration", min=5, max=3600, metavar="SECONDS", help="How long beyond it.")
    ] = 60.0,
    html_report: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.")
    ] = None,
    json_report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, metavar="N", help="Load processes.")
    ] = 1,
    metrics: Annotated[
        list[str] | None, typer.Option("--metrics", metavar="URL", help="As of `run`.")
    ] = None,
    yes_load_it: Annotated[
        bool, typer.Option("--yes-i-may-load-this-mesh", help="Needed where the mesh is not on this machine.")
    ] = False,
    url: inputs.Url = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0.001, metavar="SECONDS", help="With a mix: deadline of a request."),
    ] = 10.0,
) -> None:
    """Measure the peak, send several times as much, go back, and say which promises held: goodput, how soon
    refusals are told, that what is accepted is answered in time, how soon it is as before. Exits 1 when one
    did not.

    Examples:
      medmesh loadtest overload --profile analyze_image --times 3
    """
    with explained():
        connection = command.connection(url)
        carried = command.Inputs(
            SAMPLES / "chest_xray.dcm", SAMPLES / "note.txt", SAMPLES / "patient.json", timeout
        )
        chosen = command.chosen(profile, carried)
        command.must_be_allowed(connection, chosen, yes_load_it)
        asked = command.whose(metrics, connection)

        def once(stages: Sequence[Stage], title: str) -> Awaitable[report.Report]:
            of = dataclasses.replace(chosen, stages=stages)
            return command.measure(Run(of, connection, processes, metrics=asked), [], title)

        try:
            measured, found = asyncio.run(overload_.measure(once, times, duration))
        except LoadError as error:
            fail(f"{error}.", ExitCode.FAILED)
        marks.present([*view.summary(measured), *overload_.table(measured, found)])
        if json_report:
            report.write(measured, json_report)
        if html_report:
            html_report.write_text(html.page(measured), encoding="utf-8")
    if not all(one.kept for one in found):
        raise typer.Exit(ExitCode.FAILED)
