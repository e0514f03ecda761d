"""`medmesh hl7-node`: run the HL7 v2 node, check how it is set up, see what it has done and what waits."""

from __future__ import annotations

import asyncio
import json
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
    from clients.hl7_node.configuration import Configuration
    from services.queue.queue import Queue

Config = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        help="TOML file of the node. Default: MEDMESH_HL7_CONFIGURATION, else messages are read and nothing "
        "is sent anywhere.",
    ),
]


def serve(config: Config = None) -> None:
    """Run the node until Ctrl-C. A message that it acknowledged is on the disk, and is read once, whatever
    ends it.

    `medmesh up --door hl7_node` starts mesh and node together. docs/hl7.md has every setting.

    Examples: medmesh hl7-node serve node.toml

    mllp_send --port 2575 --file samples/results.hl7 --loose 127.0.0.1
    """
    from clients.hl7_node.running import run

    run(config)


def check(config: Config = None) -> None:
    """Check the configuration, that the mesh answers, and that every destination can be connected to. Nothing
    is sent.

    Examples:
      medmesh hl7-node check node.toml
    """
    configuration = _configuration(config)
    from clients.hl7_node.checking import problems

    lines: list[RenderableType] = []
    found = asyncio.run(problems(configuration))
    for name, problem in found.items():
        state = Text(problem, style="bold red") if problem else Text("answers", style="green")
        lines.append(Text.assemble(f"  {name}  ", state))
    marks.present([marks.heading("HL7 node", "the configuration can be used", "dim"), *lines])
    if any(found.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def status(config: Config = None, as_json: Json = False) -> None:
    """Show how many messages and results there are in which state, and what waits for a person and why. It
    reads the node's queues, whether the node runs or not.

    Examples: medmesh hl7-node status node.toml

    medmesh hl7-node status node.toml --json | jq .parked
    """
    with _queues(config, read_only=True) as queues:
        counts = {
            name: {s.value: n for s, n in queue.counts().items() if n} for name, queue in queues.items()
        }
        parked = {name: queue.reasons() for name, queue in queues.items()}
    if as_json:
        typer.echo(json.dumps({"counts": counts, "parked": parked}, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for name, states in counts.items():
        said = ", ".join(f"{count} {state}" for state, count in states.items())
        table.add_row(f"  {name}", said or "none")
    parts: list[RenderableType] = [marks.heading("HL7 node", "what it has taken and done", "dim"), table]
    for name, reasons in parked.items():
        parts += [Text(f"  {name}, {count} parked: {why}", style="yellow") for why, count in reasons.items()]
    marks.present(parts)


def retry(config: Config = None) -> None:
    """Take up all parked messages and results again, after their cause was mended. The node must not run
    meanwhile.

    Examples: medmesh hl7-node retry node.toml
    """
    with _queues(config, read_only=False) as queues:
        count = sum(queue.retry() for queue in queues.values())
    marks.present([Text(f"{count} taken up again: start the node")])


def _configuration(path: Path | None) -> Configuration:
    with explained():
        from clients.hl7_node.running import configured

        return configured(path)


@contextmanager
def _queues(path: Path | None, *, read_only: bool) -> Iterator[dict[str, Queue]]:
    configuration = _configuration(path)
    from clients.hl7_node.node import DATABASE, queues
    from services.queue.database import DatabaseError

    if not (configuration.node.folder / DATABASE).exists():
        fail(f"nothing is kept in {configuration.node.folder}: no node has run with it.", ExitCode.INPUT)
    try:
        found = queues(configuration, read_only=read_only)
    except DatabaseError as error:
        fail(f"{error}.", ExitCode.INPUT)
    try:
        yield found
    finally:
        next(iter(found.values())).close()
