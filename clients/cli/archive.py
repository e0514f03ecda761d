"""`medmesh archive`: an archive re-read through the mesh, and what came of it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from medmesh.aio.client import AsyncClient

if TYPE_CHECKING:
    from clients.archive.run import Run
    from services.queue.items import State
    from services.queue.pressure import Pressure


class By(StrEnum):
    """What a row of the table is."""

    ENTRY = "entry"
    STUDY = "study"


RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The run's folder.")]


def run(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a DICOMDIR, or a list: a text file with a path a line, or a case a line as JSON "
            '({"id": …, "image": …, "note": …, "patient": …}).',
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Folder of the run: its queue and its results. Needed."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in DIR, with what it was begun with.")
    ] = False,
    pattern: Annotated[
        str, typer.Option("--pattern", metavar="GLOB", help="Names of files that count in a folder.")
    ] = "*",
    model: inputs.ImagingModels = None,
    body_part: inputs.BodyPart = None,
    at_once: Annotated[
        int,
        typer.Option(
            "--at-once",
            min=1,
            max=1_000,
            metavar="N",
            help="Most entries under way at once. Fewer where the mesh refuses some.",
        ),
    ] = 16,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", min=0.0, metavar="SECONDS", help="How long to wait for a mesh that does not answer."
        ),
    ] = 600.0,
    as_json: inputs.Json = False,
    url: inputs.Url = None,
    timeout: inputs.Timeout = 120.0,
) -> None:
    """Read a whole archive through the mesh: each image, series or case once, with one result.

    What came of an entry is kept: stop the run, kill it or lose the power, and `--resume` goes on. An entry
    that cannot be read is set aside with its reason. When the mesh refuses a request, fewer are sent; when it
    does not answer, the run waits. Sources are never changed.

    In a folder each file is an entry; slices of one CT, MR, PET or NM series in one folder are one together.

    Examples:
      medmesh archive run /archive/2024 --to run-2024/

      medmesh archive run studies.txt --to run/ --model chest_xray --at-once 32

      medmesh archive run --resume --to run-2024/

      medmesh archive export run-2024/ results.parquet
    """
    from clients.archive.entries import SourceError
    from clients.archive.run import Plan, Run, RunError
    from services.queue.database import DatabaseError

    if to is None or bool(sources) == resume:
        fail("give the sources and --to DIR, or --resume and --to DIR.", ExitCode.USAGE)
    with explained():
        try:
            if resume:
                begun = Run(to)
            else:
                named = tuple(str(source.absolute()) for source in sources or ())
                for source in sources or ():
                    if not source.exists():
                        fail(f"there is no {source}.", ExitCode.INPUT)
                begun = Run.begin(to, Plan(named, pattern, tuple(model or ()), body_part or ""))
            with begun:
                _index(begun)
                _work(begun, url, at_once, timeout, patience, as_json=as_json)
        except (SourceError, RunError, DatabaseError) as error:
            fail(f"{error}.", ExitCode.INPUT)


def status(folder: RunFolder, as_json: inputs.Json = False) -> None:
    """Show how far a run is, also while it goes on, and why entries were set aside.

    Examples:
      medmesh archive status run-2024/
    """
    with _looking(folder) as run:
        if as_json:
            typer.echo(json.dumps(_summary(run)))
        else:
            marks.present(_table(run))


def set_aside(folder: RunFolder) -> None:
    """List what was set aside: reason, entry, and what was said of it, with tabs between.

    The list names files, and files are often named after patients: it stays with the archive.

    Examples:
      medmesh archive set-aside run-2024/ | cut -f1 | sort | uniq -c
    """
    with _looking(folder) as run:
        for entry, reason, detail in run.set_aside():
            typer.echo(f"{reason}\t{entry.key}\t{' '.join(detail.split())}")


def retry(folder: RunFolder) -> None:
    """Let wait again what was set aside for a reason that may have passed; `run --resume` reads it.

    Entries that the mesh said are at fault themselves (INPUT_…) stay set aside.

    Examples:
      medmesh archive retry run-2024/ && medmesh archive run --resume --to run-2024/
    """
    from clients.archive.run import Run, RunError
    from services.queue.database import DatabaseError

    with explained():
        try:
            with Run(folder) as run:
                count = run.retry()
        except (RunError, DatabaseError) as error:
            fail(f"{error}.", ExitCode.INPUT)
    typer.echo(f"{marks.count(count, 'entry waits', 'entries wait')} again")


def export(
    folder: RunFolder,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Where to: a .parquet (needs pyarrow) or .jsonl file."),
    ],
    by: Annotated[
        By, typer.Option("--by", help="A row for each entry, or for each study with its entries in a list.")
    ] = By.ENTRY,
    answers: Annotated[
        bool, typer.Option("--answers", help="With each whole answer too, as JSON in one column.")
    ] = False,
) -> None:
    """Write the results as one table: a row for each entry that has ended, those set aside among them.

    It may be done while the run goes on; a later export has more rows. With `--by study` there is one row for
    each study, which counts what was answered, set aside and is still to be read.

    Examples:
      medmesh archive export run-2024/ results.parquet

      medmesh archive export run-2024/ studies.parquet --by study

      medmesh archive export run-2024/ results.jsonl --answers
    """
    from clients.archive import export as exporting
    from clients.archive.run import RunError

    with _looking(folder) as run:
        try:
            count = exporting.export(run, file, by_study=by is By.STUDY, with_answers=answers)
        except RunError as error:
            fail(str(error), ExitCode.INPUT)
    typer.echo(f"{marks.count(count, 'row')} in {file}")


@contextmanager
def _looking(folder: Path) -> Iterator[Run]:
    from clients.archive.run import Run, RunError
    from services.queue.database import DatabaseError

    with explained():
        try:
            with Run(folder, looking=True) as run:
                yield run
        except (RunError, DatabaseError) as error:
            fail(f"{error}.", ExitCode.INPUT)


def _index(run: Run) -> None:
    """Finds the entries, where that has not been done to the end."""
    if run.is_indexed:
        return
    shown = marks.console(sys.stderr)
    with Progress(
        TextColumn("{task.description}"), console=shown, disable=not shown.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("looking for entries", total=None)
        run.index(lambda count: bar.update(task, description=f"looking for entries: {count}"))


def _work(
    run: Run, url: str | None, at_once: int, timeout_s: float, patience_s: float, *, as_json: bool
) -> None:
    from services.queue.pressure import Pressure
    from services.queue.worker import Gone

    pressure = Pressure(at_once)
    begun, before = time.monotonic(), run.counts()
    gone = ""
    try:
        stopped = asyncio.run(_until_done(run, url, pressure, timeout_s, patience_s))
    except Gone as error:
        stopped, gone = False, str(error)
    elapsed_s = time.monotonic() - begun
    after = run.counts()
    ended = sum(number - before[state] for state, number in after.items() if state.ended)
    if as_json:
        figures = {"elapsed_s": round(elapsed_s, 1), "ended_now": ended, "refusals": pressure.refusals}
        typer.echo(json.dumps(_summary(run) | figures))
    else:
        marks.present(_table(run, _pace(ended, elapsed_s, pressure)))
    go_on = f"`medmesh archive run --resume --to {run.folder}` goes on."
    if gone:
        fail(f"{gone}; waited {patience_s:.0f} s. {go_on}", ExitCode.UNAVAILABLE)
    if stopped:
        fail(f"stopped before the end. {go_on}", ExitCode.FAILED)


async def _until_done(
    run: Run, url: str | None, pressure: Pressure, timeout_s: float, patience_s: float
) -> bool:
    """Works until nothing waits, or until Ctrl-C or SIGTERM, and says whether it was stopped."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    counts = run.counts()
    shown = marks.console(sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as bar:
        done = sum(number for state, number in counts.items() if state.ended)
        task = bar.add_task("reading", total=sum(counts.values()), completed=done)
        # One attempt of the client's: what fails is the queue's to repeat.
        async with AsyncClient(url, timeout_s=timeout_s, attempts=1, priority="bulk") as client:
            await run.work(
                client,
                stop,
                pressure,
                timeout_s=timeout_s,
                patience_s=patience_s,
                on_end=lambda _claim, _ended: bar.advance(task),
            )
    with suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return stop.is_set() and any(number for state, number in run.counts().items() if not state.ended)


def _pace(ended: int, elapsed_s: float, pressure: Pressure) -> str:
    said = f"{ended} in {elapsed_s:.0f} s, {ended / max(elapsed_s, 1e-3):.1f}/s"
    refused = marks.count(pressure.refusals, "refusal was heeded", "refusals were heeded")
    return f"{said}; {refused}" if pressure.refusals else said


def _summary(run: Run) -> dict[str, object]:
    from services.queue.items import State

    counts = run.counts()
    return {
        "entries": sum(counts.values()),
        "indexed": run.is_indexed,
        "done": counts[State.DONE],
        "set_aside": counts[State.FAILED],
        "waiting": counts[State.WAITING],
        "under_way": counts[State.RUNNING],
        "reasons": run.queue.reasons(),
    }


def _table(run: Run, pace: str = "") -> list[RenderableType]:
    from services.queue.items import State

    counts = run.counts()
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    names: Mapping[State, str] = {
        State.DONE: "done",
        State.FAILED: "set aside",
        State.WAITING: "waiting",
        State.RUNNING: "under way",
    }
    for state, name in names.items():
        if counts[state] or state in {State.DONE, State.FAILED}:
            grid.add_row(f"  {name}", str(counts[state]))
    total = "entries" if run.is_indexed else "entries so far; not all were looked for"
    grid.add_row(f"  {total}", str(sum(counts.values())), style="bold")
    parts: list[RenderableType] = [marks.heading("Archive", pace, "dim"), grid]
    if reasons := run.queue.reasons():
        parts.append(marks.heading("Set aside", "by reason", "dim"))
        parts += [Text(f"  {count:8d}  {reason}") for reason, count in reasons.items()]
        parts.append(Text(f"  `medmesh archive set-aside {run.folder}` lists them.", style="dim"))
    return parts
