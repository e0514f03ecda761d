"""`medmesh dicom-node`: run the DICOM node, check how it is set up, see what it has done and what waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli.failures import ExitCode, explained, fail
from clients.cli.inputs import Json
from clients.cli.show import marks

if TYPE_CHECKING:
    from clients.dicom_node.configuration import Configuration
    from clients.dicom_node.database import Database
    from clients.dicom_node.overview import Parked

Config = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        help="TOML file of the node. Default: MEDMESH_DICOM_CONFIGURATION, else everything is analysed and "
        "nothing is sent anywhere.",
    ),
]


def serve(config: Config = None) -> None:
    """Run the node until Ctrl-C. An image that it said it has is on the disk, and is analysed once,
    whatever ends it.

    `medmesh up --door dicom_node` starts mesh and node together. docs/dicom-node.md has every setting, and
    how to set up an Orthanc with it.

    Examples: medmesh dicom-node serve node.toml

    storescu -aec MEDMESH 127.0.0.1 11112 samples/chest_xray.dcm
    """
    with _installed():
        from clients.dicom_node.running import run
    run(config)


def check(config: Config = None) -> None:
    """Check the configuration, and that the mesh and every destination answer (C-ECHO; QIDO-RS for a DICOMweb
    one). Nothing is stored.

    Examples:
      medmesh dicom-node check node.toml
    """
    configuration = _configuration(config)
    from clients.dicom_node.checking import problems

    lines: list[RenderableType] = []
    with explained():
        found = problems(configuration)
    for name, problem in found.items():
        state = Text(problem, style="bold red") if problem else Text("answers", style="green")
        lines.append(Text.assemble(f"  {name}  ", state))
    marks.present([marks.heading("DICOM node", "the configuration can be used", "dim"), *lines])
    if any(found.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def status(config: Config = None, as_json: Json = False) -> None:
    """Show how many objects, analyses and deliveries there are in which state, and what waits for a person
    and why. It reads the node's ledger, whether the node runs or not.

    Examples: medmesh dicom-node status node.toml

    medmesh dicom-node status node.toml --json | jq .parked
    """
    from clients.dicom_node import overview

    with _database(config) as database:
        counts, parked = overview.counts(database), overview.parked(database)
    if as_json:
        shown = [{"what": p.what, "id": p.id, "reason": p.why, "objects": p.count} for p in parked]
        typer.echo(json.dumps({"counts": counts, "parked": shown}, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for name, count in counts.items():
        table.add_row(f"  {name.replace('.', ' ')}", str(count))
    parts: list[RenderableType] = [marks.heading("DICOM node", "what it has taken and done", "dim"), table]
    parts += [_line(one) for one in parked]
    if not counts:
        parts.append(Text("  nothing was taken yet", style="dim"))
    marks.present(parts)


def retry(config: Config = None) -> None:
    """Take up all parked analyses and deliveries again, after their cause was mended. Parked objects stay:
    a rule excludes them.

    Examples: medmesh dicom-node retry node.toml
    """
    from clients.dicom_node import overview

    with _database(config) as database:
        count = overview.retry(database, time.time())
    marks.present([Text(f"{count} taken up again")])


def discard(
    config: Config = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--id", metavar="ID", help="This one, as `status` names it, e.g. object/17. Repeatable."
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="REASON", help="All that wait for that, e.g. NO_RULE. Repeatable."),
    ] = None,
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="HOURS", help="Of these, what waits for longer.", min=0)
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give up what is parked, and delete the images of it that the node took. It says what, and asks. The
    ledger keeps a line of each: one that is sent again is known, and not analysed.

    Examples:
      medmesh dicom-node discard node.toml --id object/17

      medmesh dicom-node discard node.toml --reason NOT_WANTED --reason NOT_AN_IMAGE --older-than 168 --yes
    """
    if not name and not reason:
        fail("say which with --id or --reason; `status` shows them.", ExitCode.INPUT)
    configuration = _configuration(config)
    from clients.dicom_node import overview
    from clients.dicom_node.spool import Spool

    with _database(config) as database:
        waiting = overview.parked(database)
        if unknown := sorted(set(name or ()) - {one.name for one in waiting}):
            fail(f"nothing that is called {unknown[0]} is parked; `status` shows them.", ExitCode.INPUT)
        before = time.time() - older_than * 3600
        chosen = [
            one
            for one in waiting
            if (one.name in (name or ()) or any(one.has_reason(word) for word in reason or ()))
            and one.since <= before
        ]
        marks.present([_line(one) for one in chosen] or [Text("nothing of that is parked", style="dim")])
        if not chosen:
            return
        if not yes:
            typer.confirm(f"Give up {marks.count(len(chosen), 'entry', 'entries')}?", abort=True)
        files = overview.discard(database, chosen)
        spool = Spool(configuration.node.spool)
        for file in files:
            (spool.objects / file).unlink(missing_ok=True)
    marks.present([Text(f"deleted {marks.count(len(files), 'image')}")])


def fetch(
    study: Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study Instance UID.")],
    config: Config = None,
    source: Annotated[
        str, typer.Option("--from", metavar="NAME", help="The destination with a url to fetch from.")
    ] = "",
    modality: Annotated[
        str, typer.Option("--modality", metavar="CODE", help="Only images of this modality, e.g. CT.")
    ] = "",
) -> None:
    """Fetch a study from an archive by DICOMweb (QIDO-RS, WADO-RS) and hand it to a running node.

    Examples:
      medmesh dicom-node fetch 1.2.840.113619.2.1 node.toml --from web --modality CT
    """
    configuration = _configuration(config)
    from clients.dicom_node.fetching import FetchError
    from clients.dicom_node.fetching import fetch as fetched

    with explained():
        try:
            count = fetched(configuration, study, source, modality)
        except FetchError as error:
            fail(f"{error}.", ExitCode.FAILED)
    marks.present([Text(f"{count} objects handed to the node")])


def _line(one: Parked) -> Text:
    return Text(f"  parked {one.name}: {one.why}", style="yellow")


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; install medmesh[dicom-node].", ExitCode.FAILED)


def _configuration(path: Path | None) -> Configuration:
    with explained(), _installed():
        from clients.dicom_node.running import configured

        return configured(path)


@contextmanager
def _database(path: Path | None) -> Iterator[Database]:
    configuration = _configuration(path)
    from clients.dicom_node.database import Database
    from clients.dicom_node.node import LEDGER

    file = configuration.node.spool / LEDGER
    if not file.exists():
        fail(f"there is no ledger in {configuration.node.spool}: no node has run with it.", ExitCode.INPUT)
    with explained():
        database = Database(file)
    try:
        yield database
    finally:
        database.close()
