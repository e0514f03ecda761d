"""`medmesh audit`: whether the log of receipts is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.cli.diagnose import read_receipt
from clients.cli.failures import ExitCode, explained
from medmesh import receipt

LOG = Path(".medmesh/receipts/receipts.jsonl")
"""Where the orchestrator that `medmesh up` starts keeps its log."""


def audit(
    log: Annotated[
        Path, typer.Argument(help="receipts.jsonl in the orchestrator's MEDMESH_RECEIPT_FOLDER.")
    ] = LOG,
    handed_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipt",
            metavar="FILE",
            help="receipt.json or answer.json of an answer that must be in the log. Repeatable.",
        ),
    ] = None,
) -> None:
    """Check the log of receipts: nothing changed, inserted, removed or moved. Exits 1 where it is not so.

    Records cut off at the end leave an unbroken chain; they show with --receipt, since what was handed out is
    then no longer in the log. No service is asked.

    Example:
      medmesh audit
      medmesh audit receipts.jsonl --receipt answer/receipt.json
    """
    with explained():
        lines = log.read_text(encoding="utf-8").splitlines()
        kept = set(lines)
        missing = [path for path in handed_out or [] if receipt.to_line(read_receipt(path)) not in kept]
    faults = receipt.verify_chain(lines)
    for fault in faults:
        typer.echo(f"line {fault.line}: {fault.problem}")
    for path in missing:
        typer.echo(f"{path}: The log does not hold this receipt: its record was changed or removed.")
    count = f"{len(lines)} record{'' if len(lines) == 1 else 's'}"
    typer.echo(f"{log}: {count}, {'NOT as written' if faults or missing else 'unbroken'}")
    if faults or missing:
        raise typer.Exit(ExitCode.FAILED)
