"""`medmesh loadtest`: run a profile, list those that there are, compare two reports."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.metrics_doors import metrics_doors
from clients.cli.show import marks
from clients.loadtest import comparison, html, profile_file, report, searching, view
from clients.loadtest.coordinator import LoadError, Run
from clients.loadtest.profile import SAMPLES, Profile, Stage, Traffic, parse_mix
from clients.loadtest.thresholds import METRICS, Threshold
from medmesh.connection import Connection, is_loopback, resolve

DEFAULT_MIX = "diagnose=1,analyze_image=4,analyze_note=4,rank_treatments=2"
DEFAULT_DURATION_S = 30.0
DEFAULT_TRY_S = 10.0
HELP = ("-h", "--help")
GROUP_EXAMPLES = """\
Examples:
  medmesh loadtest --profile smoke
  medmesh loadtest --profile burst --html burst.html
  medmesh loadtest --rate 20 --duration 60 --threshold 'p99_ms < 500' --report load.json
  medmesh loadtest --users 8 --profile analyze_note=4,analyze_image=1
  medmesh loadtest --profile analyze_note --find-max 'p99_ms < 300'
  medmesh loadtest profiles burst > mine.toml
  medmesh loadtest compare before.json after.json"""


class LoadtestGroup(TyperGroup):
    """`medmesh loadtest --rate 5` beside `medmesh loadtest compare`: what is not a subcommand is of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *HELP):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def run(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME|FILE|MIX",
            help="A shipped profile, a TOML file, or calls with weights: diagnose=1,analyze_note=4.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=0.001,
            max=profile_file.MAXIMUM_RATE,
            metavar="R",
            help="Open loop: R requests a second on average, instead of the profile's stages.",
        ),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(
            "--users",
            min=1,
            max=profile_file.MAXIMUM_USERS,
            metavar="N",
            help="Closed loop: N users, each waiting for the answer, instead of the profile's stages.",
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            min=0.1,
            max=profile_file.LONGEST_S,
            metavar="SECONDS",
            help="Measured time: 30, or the profile's stages stretched or shrunk to it.",
        ),
    ] = None,
    warm_up: Annotated[
        float,
        typer.Option(
            "--warm-up", min=0.0, metavar="SECONDS", help="With --rate or --users: time before that."
        ),
    ] = 3.0,
    times: Annotated[
        float,
        typer.Option(
            "--times", min=0.001, max=1000, metavar="X", help="Multiply the profile's rates or users."
        ),
    ] = 1.0,
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="End after N measured requests.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="BOUND",
            help=f"E.g. 'p99_ms < 500' or 'notes: error_share < 0.01'. Of: {', '.join(METRICS)}. Repeatable.",
        ),
    ] = None,
    find_max: Annotated[
        str | None,
        typer.Option(
            "--find-max",
            metavar="BOUND",
            help="Find the highest rate that keeps the bound, e.g. 'p99_ms < 500'. --duration: of each try.",
        ),
    ] = None,
    html_report: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.")
    ] = None,
    json_report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON, for `compare`.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, metavar="N", help="Load processes.")
    ] = 1,
    connections: Annotated[
        int,
        typer.Option(
            "--connections", min=1, max=256, metavar="N", help="Connections of each process to each service."
        ),
    ] = 1,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="URL",
            help="Metrics in Prometheus' form to show beside. Default: of each service and of Triton, where "
            "`medmesh up` runs them. Repeatable.",
        ),
    ] = None,
    image: Annotated[Path, typer.Option("--image", metavar="FILE", help="With a mix.")] = SAMPLES
    / "chest_xray.dcm",
    note: Annotated[Path, typer.Option("--note", metavar="FILE", help="With a mix.")] = SAMPLES / "note.txt",
    patient: Annotated[Path, typer.Option("--patient", metavar="FILE", help="With a mix.")] = SAMPLES
    / "patient.json",
    seed: Annotated[int, typer.Option("--seed", help="Seed of arrivals, mix and variations.")] = 1,
    yes_load_it: Annotated[
        bool, typer.Option("--yes-i-may-load-this-mesh", help="Needed where the mesh is not on this machine.")
    ] = False,
    url: inputs.Url = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0.001, metavar="SECONDS", help="With a mix: deadline of a request."),
    ] = 10.0,
) -> None:
    """Load a mesh and measure it: throughput, latency percentiles and errors by reason, for each traffic.

    Open loop (rates, recorded arrivals) sends when a request is due, whatever the answers do, and counts
    latency from that moment: a server that stalls cannot hide behind requests that were not sent. Closed loop
    (users) waits for each answer, so it slows down with the server. Every request carries another image, note
    and record. Exits 1 when a threshold is not kept; without thresholds, when a request failed.

    Examples:
      medmesh loadtest --profile smoke

      medmesh loadtest --profile burst --html burst.html --report burst.json

      medmesh loadtest --rate 20 --duration 60 --threshold 'p99_ms < 500'

      medmesh loadtest --users 8 --count 1000 --profile analyze_image=1

      medmesh loadtest --profile analyze_note --find-max 'p99_ms < 300' --duration 10
    """
    if rate is not None and users is not None:
        fail("choose one: --rate (open loop) or --users (closed loop).", ExitCode.USAGE)
    with explained():
        mesh = connection(url)
        load = chosen(profile, Inputs(image, note, patient, timeout))
        if not load.stages and rate is None and users is None and find_max is None:
            fail(
                "choose a load: --rate (open loop), --users (closed loop), or a profile with stages, e.g. "
                "--profile smoke.",
                ExitCode.USAGE,
            )
        bounds = [*load.thresholds, *map(Threshold.parse, threshold or ())]
        bound = Threshold.parse(find_max) if find_max else None
        for one in (*bounds, *([bound] if bound else ())):
            profile_file.check(one, load.traffic)
        must_be_allowed(mesh, load, yes_load_it)
        if rate is not None or users is not None:
            load = dataclasses.replace(load, stages=_stages(rate, users, duration, warm_up))
        elif duration is not None and load.stages:
            load = load.lasting(duration)
        if times != 1.0:
            load = load.times(times)

        def of(one: Profile) -> Run:
            return Run(
                one,
                mesh,
                processes,
                connections,
                count,
                seed,
                whose(metrics, mesh),
            )

        try:
            if bound:

                def attempt(tried: float) -> Awaitable[report.Report]:
                    stages = searching.stages(tried, duration or DEFAULT_TRY_S)
                    once = of(dataclasses.replace(load, stages=stages))
                    return measure(once, [bound], f"{tried:.3g}/s: ")

                found = asyncio.run(searching.find(attempt, bound, rate or 1.0))
                marks.present(searching.table(found, bound))
                measured, kept = found.report, found.best is not None
            else:
                measured = asyncio.run(measure(of(load), bounds))
                kept = _kept(measured)
                marks.present(view.summary(measured))
        except LoadError as error:
            fail(f"{error}.", ExitCode.FAILED)
        if json_report:
            report.write(measured, json_report)
        if html_report:
            html_report.write_text(html.page(measured), encoding="utf-8")
    if not kept:
        raise typer.Exit(ExitCode.FAILED)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What the calls of a mix carry, and their deadline."""

    image: Path
    note: Path
    patient: Path
    timeout_s: float


async def measure(run: Run, thresholds: list[Threshold], title: str = "") -> report.Report:
    """Runs it, shown as it goes on, and reports it."""
    with view.progress(title) as tick:
        await run.go(tick)
    return report.of(run, thresholds)


def _kept(measured: report.Report) -> bool:
    if measured["interrupted"] or not measured["total"]["count"]:
        return False
    if measured["thresholds"]:
        return all(one["kept"] for one in measured["thresholds"])
    return bool(measured["total"]["count"] == measured["total"]["succeeded"])


def connection(url: str | None) -> Connection:
    """The mesh at `url`, and what the environment says of it."""
    return resolve(
        url, imaging=None, language=None, recommendation=None, token=None, tls=None, timeout_s=None
    )


def whose(metrics: list[str] | None, connection: Connection) -> dict[str, str]:
    """By address of metrics that stand beside: whose they are. None: those of a mesh on this machine."""
    if metrics is None:
        return metrics_doors(connection.targets)
    return {url: urlsplit(url).netloc or url for url in metrics}


def chosen(given: str | None, carried: Inputs) -> Profile:
    """The profile that is meant: a shipped one, a file, or a mix. ValueError: it is none."""
    text = given or DEFAULT_MIX
    names = {path.stem for path in profile_file.shipped()}
    if text in names or Path(text).is_file() or text.endswith(".toml"):
        return profile_file.read(text)
    for path in (carried.image, carried.note, carried.patient):
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
    try:
        mix = parse_mix(text)
    except ValueError as error:
        raise ValueError(f"{error}. Profiles that are shipped: {', '.join(sorted(names))}") from None
    traffic: list[Traffic] = [
        dataclasses.replace(
            one, image=carried.image, note=carried.note, patient=carried.patient, timeout_s=carried.timeout_s
        )
        for one in mix
    ]
    return Profile([], traffic, name=text)


def _stages(rate: float | None, users: int | None, duration_s: float | None, warm_up_s: float) -> list[Stage]:
    load: dict[str, Any] = {"rate": (rate, rate)} if rate is not None else {"users": (users, users)}
    warm_up = [Stage(warm_up_s, **load, warm_up=True)] if warm_up_s else []
    return [*warm_up, Stage(duration_s or DEFAULT_DURATION_S, **load, name="measured")]


def must_be_allowed(connection: Connection, profile: Profile, allowed: bool) -> None:
    """Ends the command where the mesh is on another machine and nobody said that it may be loaded."""
    far = [
        connection.targets[name]
        for name in sorted(profile.servers())
        if not is_loopback(connection.targets[name])
    ]
    if far and not allowed:
        fail(
            f"{', '.join(far)} is not this machine: a load test may disturb whoever else uses it. "
            "If you may do that, add --yes-i-may-load-this-mesh.",
            ExitCode.USAGE,
        )


def profiles(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The one to print as it is.")] = None,
) -> None:
    """List the shipped profiles, or print one: the best start for one of your own.

    Examples:
      medmesh loadtest profiles

      medmesh loadtest profiles burst > mine.toml
    """
    with explained():
        if name is not None:
            profile_file.read(name)
            typer.echo((profile_file.SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), nl=False)
            return
        marks.present(view.profiles([profile_file.read(path.stem) for path in profile_file.shipped()]))


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE.json", exists=True, dir_okay=False)],
    after: Annotated[Path, typer.Argument(metavar="AFTER.json", exists=True, dir_okay=False)],
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", min=0, max=100, metavar="SHARE", help="What counts as worse: 0.1 is 10 %."
        ),
    ] = 0.1,
    html_report: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write both percentile curves as a page.")
    ] = None,
) -> None:
    """Compare two reports, traffic by traffic. Exits 1 when something is worse by more than the tolerance.

    Two runs on one machine differ by several per cent for no reason; compare medians of several where it
    matters.

    Examples:
      medmesh loadtest compare before.json after.json --tolerance 0.2
    """
    with explained():
        first, second = report.read(before), report.read(after)
        compared = comparison.compared(first, second, tolerance)
        marks.present(comparison.table(compared, first, second))
        if html_report:
            html_report.write_text(html.comparison(first, second, compared), encoding="utf-8")
    if any(one.worse for one in compared):
        raise typer.Exit(ExitCode.FAILED)
