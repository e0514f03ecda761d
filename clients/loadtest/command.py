"""The command line of the load test: settings, progress, the summary for people and as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from clients.loadtest.loops import Bounds, Run
from clients.loadtest.measurements import PERCENTILES, Figures, Summary, summarise
from clients.loadtest.profile import DEFAULT_WEIGHTS, Inputs, Profile, calls
from medmesh import AsyncClient
from medmesh.connection import is_loopback

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SEND_LAG_WORTH_TELLING_MS = 20.0


def loadtest(
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.001, metavar="R", help="Open loop: R requests a second on average."),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(
            "--users",
            min=1,
            max=10_000,
            metavar="N",
            help="Closed loop: N users, each waiting for the answer.",
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option("--duration", min=0.1, max=86_400, metavar="SECONDS", help="Measured time.")
    ] = 30.0,
    warm_up: Annotated[
        float,
        typer.Option("--warm-up", min=0.0, metavar="SECONDS", help="Time before that, which is not counted."),
    ] = 3.0,
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="End after N measured requests.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="MIX|FILE",
            help="Calls with weights, diagnose=1,analyze_note=4, or a TOML file with a table [weights].",
        ),
    ] = None,
    image: Annotated[Path, typer.Option("--image", metavar="FILE")] = SAMPLES / "chest_xray.dcm",
    note: Annotated[Path, typer.Option("--note", metavar="FILE")] = SAMPLES / "note.txt",
    patient: Annotated[Path, typer.Option("--patient", metavar="FILE")] = SAMPLES / "patient.json",
    seed: Annotated[int, typer.Option("--seed", help="Seed of arrivals and mix.")] = 1,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Save the summary as JSON.")
    ] = None,
    yes_load_it: Annotated[
        bool, typer.Option("--yes-i-may-load-this-mesh", help="Needed where the mesh is not on this machine.")
    ] = False,
    url: inputs.Url = None,
    timeout: inputs.Timeout = 10.0,
) -> None:
    """Load a mesh and measure it: throughput, latency percentiles and errors by reason, for each call.

    Open loop (--rate) sends at random moments, regardless of the answers, and counts latency from the moment
    a request was due. Closed loop (--users) waits for each answer. Exits 1 when a request failed.

    Examples:
      medmesh loadtest --rate 20 --duration 60 --report load.json

      medmesh loadtest --users 8 --count 1000 --profile analyze_image=1
    """
    if (rate is None) == (users is None):
        fail("choose one: --rate (open loop) or --users (closed loop).", ExitCode.USAGE)
    with explained():
        mix = _profile(profile)
        carried = Inputs(image.read_bytes(), note.read_text(encoding="utf-8"), patient.read_bytes())
        bounds = Bounds(duration, warm_up, count)
        summary = asyncio.run(
            _run(url, mix, carried, bounds, rate, users, seed, timeout, allowed=yes_load_it)
        )
    marks.present(table(summary))
    if report:
        report.write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
    if summary.total.errors:
        raise typer.Exit(ExitCode.FAILED)


async def _run(
    url: str | None,
    profile: Profile,
    carried: Inputs,
    bounds: Bounds,
    rate: float | None,
    users: int | None,
    seed: int,
    timeout_s: float,
    *,
    allowed: bool,
) -> Summary:
    # One attempt: what fails is to be counted, not hidden by a second one.
    async with AsyncClient(url, timeout_s=timeout_s, attempts=1) as client:
        targets = client.connection.targets
        far = [targets[name] for name in sorted(profile.services()) if not is_loopback(targets[name])]
        if far and not allowed:
            fail(
                f"{', '.join(far)} is not this machine: a load test may disturb whoever else uses it. "
                "If you may do that, add --yes-i-may-load-this-mesh.",
                ExitCode.USAGE,
            )
        run = Run(client, calls(carried, timeout_s), profile, bounds, seed)
        loop = run.open_loop(rate) if rate is not None else run.closed_loop(users or 1)
        watcher = asyncio.create_task(_watch(run))
        try:
            return summarise(await loop)
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher


async def _watch(run: Run) -> None:
    """Shows the progress on stderr while the run goes on; only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    whole = run.bounds.warm_up_s + run.bounds.duration_s
    shown = marks.console(sys.stderr)
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=whole)
        while True:
            samples = run.measurements.samples
            failed = sum(bool(sample.reason) for sample in samples)
            said = f"{len(samples)} done, {run.outstanding} under way, {failed} failed"
            progress.update(task, completed=min(run.now, whole), description=said)
            await asyncio.sleep(0.5)


def table(summary: Summary) -> list[RenderableType]:
    """The summary for people."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    for _ in range(4 + len(PERCENTILES)):
        grid.add_column(justify="right")
    names = [f"p{percent} ms" for percent in PERCENTILES]
    grid.add_row("  call", "requests", "failed", "ok/s", *names, "max ms", style="dim")
    for name, figures in summary.by_call.items():
        grid.add_row(f"  {name}", *_cells(figures))
    grid.add_row("  all", *_cells(summary.total), style="bold")
    parts: list[RenderableType] = [
        marks.heading("Load test", f"{summary.duration_s:.1f} s measured", "dim"),
        grid,
    ]
    if summary.total.errors:
        parts.append(marks.heading("Failures", "by reason", "dim"))
        parts += [Text(f"  {count:6d}  {reason}") for reason, count in summary.total.errors.items()]
    if summary.send_lag_p99_ms > SEND_LAG_WORTH_TELLING_MS:
        lag = f"{summary.send_lag_p99_ms:.0f} ms"
        said = f"  The harness itself sent late (p99 {lag}): this process is a bottleneck; lower the rate."
        parts.append(Text(said, style="yellow"))
    return parts


def _cells(figures: Figures) -> list[str]:
    latencies = [f"{figures.percentile_ms[percent]:.1f}" for percent in PERCENTILES]
    failed = str(figures.count - figures.succeeded)
    return [str(figures.count), failed, f"{figures.per_second:.1f}", *latencies, f"{figures.max_ms:.1f}"]


def _profile(given: str | None) -> Profile:
    if given is None:
        return Profile(DEFAULT_WEIGHTS)
    return Profile.read(Path(given)) if Path(given).is_file() else Profile.parse(given)
